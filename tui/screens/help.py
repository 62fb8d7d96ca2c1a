"""The help screen: every key, taken from where the keys are bound."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Footer, Label, Static

from tui.cells import Cell
from tui.details import Line
from tui.widgets.lines import content_of

KEY_WIDTH = 14

ABOUT = (
    "Every list keeps itself up to date; the first line says as of when it is. ctrl+p finds any command by its name. "
    "Whatever is done here, the command hub does too: see hub --help."
)


class HelpScreen(ModalScreen[None]):
    """All keys, by where they work."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark", "dismiss", "Close", key_display="esc"),
    ]

    def __init__(self, sections: Iterable[tuple[str, Iterable[BindingType]]]) -> None:
        super().__init__()
        self._sections = [(title, list(bindings)) for title, bindings in sections]

    def compose(self) -> ComposeResult:
        """The table of keys, which scrolls."""
        with Vertical(classes="dialog form"):
            yield Label("Keys", classes="title")
            with VerticalScroll(id="keys"):
                yield Static(content_of(self._lines()), markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def _lines(self) -> list[Line]:
        lines: list[Line] = [[Cell(ABOUT, "dim")]]
        for title, bindings in self._sections:
            lines += [[Cell("")], [Cell(title, "busy")]]
            lines += [key_line(binding) for binding in bindings if isinstance(binding, Binding)]
        return lines


def key_line(binding: Binding) -> Line:
    """A key and what it does."""
    key = binding.key_display or binding.key.replace(",", ", ")
    key = key.replace("question_mark", "?").replace("pageup", "page up").replace("pagedown", "page down")
    return [Cell(f"  {key:<{KEY_WIDTH}}"), Cell(binding.description)]
