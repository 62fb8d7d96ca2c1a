"""A list of any length: only the lines on the screen are rendered, and the cursor stays with its row.

Textual's own DataTable measures every cell of every new row (0.35 s for a thousand rows of a dozen columns on two
cores, each time the order changes); this one takes a new list of rows in under a millisecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.cells import Column, Row, gap, placed

MARK, NO_MARK = "› ", "  "
"""What stands before the row with the cursor, and before the others."""


class Listing(ScrollView, can_focus=True):
    """Rows in columns, with a cursor on one row."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "listing--header",
        "listing--cursor",
        "listing--good",
        "listing--warn",
        "listing--bad",
        "listing--busy",
        "listing--dim",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "top", "First", show=False),
        Binding("end", "bottom", "Last", show=False),
    ]

    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """The cursor is on another row now, or the row under it changed."""

    class Opened(Message):
        """The row under the cursor was chosen with the mouse."""

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._rows: Sequence[Row] = ()
        self._places: dict[str, int] = {}

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that are listed."""
        return self._rows

    @property
    def current(self) -> str:
        """The key of the row under the cursor; empty when there are no rows."""
        return self._rows[self.cursor].key if self.cursor < len(self._rows) else ""

    def show(self, rows: Sequence[Row]) -> None:
        """List these rows instead. Cursor and scroll position stay with the row that had the cursor."""
        before, at = self.current, self.cursor
        self._rows = rows
        self._places = {row.key: place for place, row in enumerate(rows)}
        self.virtual_size = Size(self.size.width, len(rows) + 1)
        place = self._places.get(before, min(at, max(len(rows) - 1, 0)))
        if place != at:
            self.set_reactive(Listing.cursor, place)
            self.scroll_to(y=self.scroll_y + place - at, animate=False, force=True, immediate=True)
        self.refresh()
        self.post_message(self.Moved())

    def go_to(self, key: str) -> None:
        """Put the cursor on the row with that key, if it is listed."""
        self.cursor = self._places.get(key, self.cursor)

    def render_line(self, y: int) -> Strip:
        """One line of the screen: the header, a row, or nothing."""
        width = self.scrollable_content_region.width
        place = self.scroll_offset.y + y - 1
        if y == 0:
            return self._header(width)
        if place >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        return self._line(self._rows[place], width, at_cursor=place == self.cursor)

    def validate_cursor(self, cursor: int) -> int:
        """The cursor is on a row, or on 0 when there are none."""
        return max(0, min(cursor, len(self._rows) - 1))

    def watch_cursor(self) -> None:
        """Scroll just so far that the cursor is seen."""
        visible = max(self.scrollable_content_region.height - 1, 1)
        top = min(self.scroll_offset.y, self.cursor)
        top = max(top, self.cursor - visible + 1)
        if top != self.scroll_offset.y:
            self.scroll_to(y=top, animate=False, force=True, immediate=True)
        self.refresh()
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        """Keep the cursor on the screen when the screen shrinks."""
        self.virtual_size = Size(self.size.width, len(self._rows) + 1)
        self.watch_cursor()

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; a click on the row that has it opens it."""
        place = self.scroll_offset.y + event.y - 1
        if event.y == 0 or place >= len(self._rows):
            return
        if place == self.cursor:
            self.post_message(self.Opened())
        self.cursor = place

    def action_move(self, rows: int) -> None:
        """Move the cursor by so many rows."""
        self.cursor += rows

    def action_page(self, pages: int) -> None:
        """Move the cursor by so many screens."""
        self.cursor += pages * max(self.scrollable_content_region.height - 2, 1)

    def action_top(self) -> None:
        """Move the cursor to the first row."""
        self.cursor = 0

    def action_bottom(self) -> None:
        """Move the cursor to the last row."""
        self.cursor = len(self._rows) - 1

    def _header(self, width: int) -> Strip:
        style = self.get_component_rich_style("listing--header")
        parts = [_fitted(column.title, wide, right=column.right) for column, wide in self._placed(width)]
        return _strip([Segment(NO_MARK + (" " * self._gap(width)).join(parts), style)], width, style)

    def _line(self, row: Row, width: int, *, at_cursor: bool) -> Strip:
        plain = self.get_component_rich_style("listing--cursor") if at_cursor else self.rich_style
        segments = [Segment(MARK if at_cursor else NO_MARK, plain)]
        for column, wide in self._placed(width):
            cell = row.cells[column.name]
            toned = cell.tone and not at_cursor
            style = self.get_component_rich_style(f"listing--{cell.tone}") if toned else plain
            segments.append(Segment(_fitted(cell.text, wide, right=column.right) + " " * self._gap(width), style))
        return _strip(segments, width, plain)

    def _placed(self, width: int) -> list[tuple[Column, int]]:
        return placed(self._columns, self._inner(width))

    def _gap(self, width: int) -> int:
        return gap(self._inner(width))

    @staticmethod
    def _inner(width: int) -> int:
        """What is left of a line beside the mark, and a blank before the scroll bar."""
        return width - len(MARK) - 1


def _fitted(text: str, width: int, *, right: bool) -> str:
    """`text` on one line, `width` cells wide, with an ellipsis when it is longer."""
    text = text.replace("\n", " ")
    if (missing := width - cell_len(text)) >= 0:
        return " " * missing + text if right else text + " " * missing
    return set_cell_size(text, width - 1) + "…"


def _strip(segments: list[Segment], width: int, style: Style) -> Strip:
    return Strip(segments).adjust_cell_length(width, style)
