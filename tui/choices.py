"""What is typed into the form that starts a sync, read. Pure functions; errors are for the form."""

from __future__ import annotations

from datetime import timedelta

from hub.errors import InputError

UNITS = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}


def interval(count: str, unit: str) -> timedelta:
    """`("2", "hours")` as a duration. Raises InputError when the count is not a whole number above 0."""
    if not count.strip().isdecimal() or int(count) == 0:
        raise InputError(f"Every {count.strip() or '…'} {unit}: this has to be a whole number above 0.")
    try:
        return int(count) * UNITS[unit]
    except OverflowError as error:
        raise InputError(f"Every {count} {unit}: this is too long.") from error


def counted(interval: timedelta) -> tuple[str, str]:
    """A duration as a count and the largest unit that divides it: `("2", "hours")`."""
    for unit, length in reversed(UNITS.items()):
        count, rest = divmod(interval, length)
        if count and not rest:
            return str(count), unit
    return "1", "minutes"


def mapping(text: str) -> dict[str, str]:
    """Lines `TARGET=property` as a mapping; empty lines count for nothing.

    Raises InputError naming the line that is none, or a target that is there twice.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        target, sign, source = (part.strip() for part in line.partition("="))
        if not (target and sign and source):
            raise InputError(f"Line {number} of the properties: {line.strip()!r} is not TARGET=property.")
        if target in found:
            raise InputError(f"Line {number} of the properties: {target} is there twice.")
        found[target] = source
    return found
