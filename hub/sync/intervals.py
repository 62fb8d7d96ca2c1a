"""How often a sync runs, as people write it: `30m`, `2h`, `1d`."""

from __future__ import annotations

import re
from datetime import timedelta

from hub.errors import UsageError

_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days"}
_SIZES = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def interval(text: str) -> timedelta:
    """The length of time that a text such as `2h` says. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,6})\s*(s|m|min|h|d)", text.strip())
    if not found:
        raise UsageError(f"{text[:40]!r} is not an interval.", hint="Write 30m, 2h or 1d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def interval_text(every: timedelta) -> str:
    """The shortest such text: `90m` is not `1h`, but `120m` is `2h`."""
    seconds = int(every.total_seconds())
    unit, size = next((unit, size) for unit, size in _SIZES if seconds % size == 0)
    return f"{seconds // size}{unit}"
