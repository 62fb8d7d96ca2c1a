"""What a sync would do that is about to be made: who goes out, who cannot, and a yes to start it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Button, Footer, Label, Static

from hub.sync.plan_words import plan_lines
from hub.sync.preview import Preview
from tui.screens.confirm import ConfirmScreen


class TrialScreen(ConfirmScreen):
    """Shows the plan of a first run, and asks whether to start the sync. Escape leads back to the form."""

    def __init__(self, found: Preview, note: str = "") -> None:
        super().__init__(f"Start {found.sync}?", "", yes="Start")
        self._lines = [*plan_lines(found), *([f"Note: {note}"] if note else [])]

    def compose(self) -> ComposeResult:
        """The question, the plan, two buttons, the keys."""
        with Vertical(classes="dialog"):
            yield Label(self._question, classes="title", markup=False)
            with VerticalScroll(id="plan"):
                yield Static("\n".join(self._lines), markup=False)
            with Horizontal(classes="buttons"):
                yield Button(f"{self._yes} (y)", id="yes", variant="primary", compact=True)
                yield Button("No (n)", id="no", compact=True)
        yield Footer(show_command_palette=False, compact=True)
