"""A sync that is not made yet, for whoever asks what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NO_SYNC = -1
"""The id of a sync that is not made yet."""


@dataclass(frozen=True)
class Draft:
    """A sync that is not made yet, with what a plan asks of one: as a row of `hub.sync.rows` would have it."""

    name: str
    cohort_name: str
    connection_name: str
    connection_id: int
    audience_name: str
    mapping: Mapping[str, Any]
    leavers: str
    project_id: int
    id: int = NO_SYNC
    guards: Mapping[str, Any] = field(default_factory=dict)
