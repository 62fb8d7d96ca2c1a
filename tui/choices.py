"""What is typed into the form that starts a sync, read. Pure functions; errors are for the form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hub.errors import InputError, UsageError
from hub.sync.mapping import Field, pairs_of

UNITS = {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1), "days": timedelta(days=1)}


def interval(count: str, unit: str, word: str = "Every") -> timedelta:
    """`("2", "hours")` as a duration. Raises InputError when the count is not a whole number above 0, after `word`."""
    if not count.strip().isdecimal() or int(count) == 0:
        raise InputError(f"{word} {count.strip() or '…'} {unit}: this has to be a whole number above 0.")
    try:
        return int(count) * UNITS[unit]
    except OverflowError as error:
        raise InputError(f"{word} {count} {unit}: this is too long.") from error


def counted(interval: timedelta) -> tuple[str, str]:
    """A duration as a count and the largest unit that divides it: `("2", "hours")`."""
    for unit, length in reversed(UNITS.items()):
        count, rest = divmod(interval, length)
        if count and not rest:
            return str(count), unit
    return "1", "minutes"


def mapping(text: str, missing: str = "") -> dict[str, Any]:
    """Lines `TARGET=property|step` as a mapping, as it is kept; empty lines count for nothing.

    `missing` says what a missing value does, `TARGET=clear`, with commas between them. Raises InputError, naming the
    line that cannot be read, or a target that is there twice.
    """
    found: dict[str, Field] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            [(target, field)] = pairs_of([line.strip()]).items()
        except UsageError as error:
            raise InputError(f"Line {number} of the properties: {error.message}", hint=error.hint) from error
        if target in found:
            raise InputError(f"Line {number} of the properties: {target} is there twice.")
        found[target] = field
    words = [word.strip() for word in missing.split(",") if word.strip()]
    try:
        found |= pairs_of([], missing=words, of=found)
    except UsageError as error:
        raise InputError(f"Missing values: {error.message}", hint=error.hint) from error
    return {target: field.stored for target, field in found.items()}
