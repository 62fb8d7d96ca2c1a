"""A partner's request that is kept, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hub.connectors.incoming import InboundRequest


class State(StrEnum):
    """What became of a request."""

    WAITING = "waiting"
    DONE = "done"
    PARKED = "parked"
    """It, or a part of it, could not be decoded; what could be is in."""


@dataclass(frozen=True)
class Arrived:
    """A request that is to be kept."""

    connection_id: int
    request: InboundRequest

    @property
    def payload(self) -> bytes:
        """What is large of it."""
        return self.request.body


@dataclass(frozen=True)
class Kept:
    """A request that is kept, under its number."""

    id: int
    connection_id: int
    state: State
    request: InboundRequest
    events: int = 0
    reason: str = ""
    parts: Sequence[Mapping[str, Any]] = ()
    decoded_at: datetime | None = None


@dataclass(frozen=True)
class Settled:
    """What became of one request: `events` were in it; with a `reason` it is parked, `parts` are what is strange."""

    id: int
    events: int = 0
    reason: str = ""
    parts: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Backlog:
    """What waits to be decoded of one connection: requests, their bytes, and when the oldest came in."""

    connection_id: int
    requests: int
    bytes: int
    oldest_at: datetime


@dataclass(frozen=True)
class Held:
    """The requests of one connection that are kept, by state."""

    by_state: Mapping[State, int] = field(default_factory=dict)
    last_at: datetime | None = None
