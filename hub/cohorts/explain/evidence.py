"""What decides a clause, and what makes it change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.cohorts.edges import Bounds
    from hub.cohorts.explain.doings import Happening

NEWEST = 3
"""How many events are shown of those that decide a clause."""


@dataclass(frozen=True)
class Evidence:
    """What a clause found at one instant.

    `measure` says what `value` is: `times`, `days`, `sum of amount`, the name of a profile property, `list`, and so on.
    `before` is what it was in the time that a decline is compared with. `events` are the newest of the `total` that
    were looked at; `window` is where they lie.
    """

    measure: str
    value: Any = None
    before: Any = None
    events: tuple[Happening, ...] = ()
    total: int = 0
    window: Bounds | None = None
    note: str = ""


LEAVES, ENTERS, HAPPENS, PASSES, COMES, GOES, PROFILE, LISTED, KNOWN = (
    "leaves the window",
    "enters the window",
    "takes place",
    "passes a date",
    "comes near a date",
    "goes far from a date",
    "profile",
    "list",
    "known",
)
"""Kinds of causes."""


@dataclass(frozen=True)
class Cause:
    """What makes a clause change at an instant: an event that takes place or passes the edge of a window, a date, a
    profile or a list that changed. `thing` is the event's or property's name, `of` its own time."""

    kind: str
    thing: str = ""
    of: datetime | None = None
    more: int = 0


@dataclass(frozen=True)
class Turn:
    """An instant at which a clause changed or will change, and why. `at` is None when it never did or never will.

    With `known` false, it was not looked further than `at`, because there is too much to look at.
    """

    at: datetime | None = None
    cause: Cause | None = None
    known: bool = True


NEVER = Turn()
"""A clause that never turned, or never will."""
