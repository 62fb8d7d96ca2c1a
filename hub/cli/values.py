"""Values from data, as text for a person: cut to what a line holds, and harmless to a terminal. And days, from text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from hub.errors import UsageError

DAY = "YYYY-MM-DD"
"""How a day is written, for the help of an option."""

_NAMES = 28
"""The most cells for the names of properties."""


def harmless(text: str) -> str:
    """`text` with everything that a terminal might act upon written out: escapes, ends of lines, marks that turn the
    direction of writing.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def day(text: str, option: str) -> date | None:
    """The day that an option was given; None without one. Raises UsageError, naming the option."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is not a day.", hint="Write it as 2026-11-23.") from error


def shown_value(value: Any) -> str:
    """A property's value on one line, as long as it is: a text as it is, anything else as JSON."""
    import orjson

    return harmless(value if isinstance(value, str) else orjson.dumps(value).decode())


def shortened(text: str, width: int) -> str:
    """`text` in at most `width` cells of a terminal (wide characters take two), with an ellipsis where it was cut."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…"


def padded(text: str, width: int) -> str:
    """`text` in exactly `width` cells."""
    from rich.cells import set_cell_size

    return set_cell_size(shortened(text, width), width)


def columns() -> int:
    """How many cells a line for a person has: the terminal's width, or 80 where there is none."""
    import shutil
    import sys

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def cell(value: Any, width: int) -> str:
    """A property's value in at most `width` cells."""
    return shortened(shown_value(value), width)


def property_lines(
    properties: Mapping[str, Any],
    *,
    indent: str = "  ",
    most: int = 0,
    show: Callable[[Any, int], str] = cell,
) -> Iterator[str]:
    """One line a property, in the order of their names; after `most` of them (0: never) how many are left out."""
    from rich.cells import cell_len

    names = sorted(properties)
    told = names[:most] if most else names
    column = min(max((cell_len(harmless(name)) for name in told), default=0), _NAMES)
    room = columns() - cell_len(indent) - column - 2
    for name in told:
        yield f"{indent}{padded(harmless(name), column)}  {show(properties[name], room)}".rstrip()
    if len(names) > len(told):
        yield f"{indent}… and {len(names) - len(told):,} more"
