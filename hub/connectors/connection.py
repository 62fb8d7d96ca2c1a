"""A connection as people see it: an account at a partner, what was chosen of it, and whether it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hub.errors import CredentialRefused, PartnerError, SettingsWrong

CONNECTED, REFUSED, WRONG, UNREACHABLE = "connected", "refused", "wrong", "unreachable"
STOPPED_STATES = (REFUSED, WRONG)
"""States in which no sync runs, until somebody mends the connection."""


@dataclass(frozen=True)
class Connection:
    """One account at a partner. `settings` has no secrets. `state` is connected, refused, wrong or unreachable.

    `match` are the keys by which people are matched there, in order of preference (`hub.connectors.matching.match_of`
    reads them); `warnings` are for people: what these keys mean for the project.
    """

    id: int
    name: str
    connector: str
    label: str
    state: str
    message: str
    account: str
    checked_at: datetime | None
    created_at: datetime
    settings: Mapping[str, Any] = field(default_factory=dict)
    match: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where audiences are: a partner's account, and what of it was chosen (such as one of its lists)."""

    connector: str
    account: str
    chosen: tuple[tuple[str, str], ...]


def state_after(error: PartnerError) -> str:
    """The state of a connection whose partner answered with this."""
    if isinstance(error, CredentialRefused):
        return REFUSED
    return WRONG if isinstance(error, SettingsWrong) else UNREACHABLE
