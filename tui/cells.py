"""What a long list is made of: columns, rows and cells, and how columns share the width that there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["", "good", "warn", "bad", "busy", "dim"]
"""How a text is meant. It only colours: the text says it in words too."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One text of a row, on one line."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `key` stays the same while the row's thing is the same; `cells` are by column name."""

    key: str
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: at least `width` wide, with a share `grow` of what is left over.

    It is left out when the list is narrower than `from_width`; what it says is then in the details below the list.
    """

    name: str
    title: str
    width: int
    grow: int = 0
    from_width: int = 0
    right: bool = False


WIDE = 130
"""Characters from which a list has room for more than what is essential."""


def gap(width: int) -> int:
    """Blanks between two columns of a list of `width` characters."""
    return 2 if width >= WIDE else 1


def placed(columns: Sequence[Column], width: int) -> list[tuple[Column, int]]:
    """The columns that a list of `width` characters shows, each with its width."""
    shown = [column for column in columns if column.from_width <= width]
    left = width - sum(column.width for column in shown) - gap(width) * (len(shown) - 1)
    grow = sum(column.grow for column in shown)
    columns_placed = []
    for column in shown:
        extra = left * column.grow // grow if grow and left > 0 else 0
        columns_placed.append((column, column.width + extra))
        left -= extra
        grow -= column.grow
    return columns_placed
