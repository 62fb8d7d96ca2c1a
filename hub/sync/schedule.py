"""When a dynamic sync is due."""

from __future__ import annotations

from datetime import datetime, timedelta


def next_tick(due: datetime, every: timedelta, now: datetime) -> tuple[datetime, int]:
    """The first tick after `now` of a clock that ticks at `due` and each `every` after, and how many were missed.

    `due` itself is the tick that is being served, so it does not count as missed. All instants are aware.
    """
    passed = max(0, (now - due) // every)
    return due + (passed + 1) * every, passed
