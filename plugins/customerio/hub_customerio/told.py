"""What both feeds tell of a delivery, in the hub's words: whose it is, what it was sent for, and its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

from hub import MatchOn, Metric, Origin
from hub_customerio.people import EMAIL, ID_TYPES
from hub_customerio.segments import PREFERENCE

_ORIGINS = (
    ("broadcast_id", "broadcast"),  # before the campaign: a row of a broadcast may name both
    ("newsletter_id", "newsletter"),
    ("transactional_message_id", "transactional"),
    ("campaign_id", "campaign"),
)
REPEATABLE = {Metric.OPENED, Metric.CLICKED, Metric.REPLIED}
"""What may happen to one message more than once."""
MACHINES = ("machine", "prefetched", "proxied")
"""Marks of a click or an open by a machine. `synthetic` is none: that open follows from a click."""


def whose(identifiers: Any, match_on: Sequence[MatchOn]) -> tuple[str, str] | None:
    """By which profile property the person is found: the connection's own keys first. None when nobody is named."""
    if not isinstance(identifiers, Mapping):
        return None
    for kind, name in _order(match_on):
        key = identifiers.get(ID_TYPES[kind])
        if isinstance(key, str | int) and not isinstance(key, bool) and str(key).strip():
            return name, str(key).strip().lower() if kind == EMAIL else str(key)
    return None


def origin_of(row: Mapping[str, Any]) -> Origin | None:
    """What the message was sent for. Its id has the sort in front: a campaign and a newsletter may have one number."""
    return next((Origin(f"{sort}:{row[field]}") for field, sort in _ORIGINS if row.get(field)), None)


def shared_id(delivery: str, metric: str) -> str:
    """The id of what happens to a delivery once; both feeds use it, so that it counts once."""
    return md5(f"{delivery}|{metric}".encode(), usedforsecurity=False).hexdigest()


def instant(told: Any) -> datetime | None:
    """A time in seconds since 1970 as aware UTC; None when it is none."""
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    try:
        return datetime.fromtimestamp(told, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def shown(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """These fields of a row, those that say something."""
    return {name: row[name] for name in names if row.get(name) not in (None, "", [])}


def _order(match_on: Sequence[MatchOn]) -> Iterator[tuple[str, str]]:
    """Kinds of keys, each with the profile property that holds it: those of the connection, then the others."""
    yield from ((each.kind, each.property) for each in match_on)
    taken = {each.kind for each in match_on}
    yield from ((kind, kind) for kind in PREFERENCE if kind not in taken)
