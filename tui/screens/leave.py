"""Waiting for runs to end politely before the program ends."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, Static

from tui import words
from tui.session import Session

LOOK = 0.1
"""Seconds between two looks at whether the runs have ended."""


class LeaveScreen(ModalScreen[None]):
    """Tells which runs still have a batch in hand, and dismisses itself when none has."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def compose(self) -> ComposeResult:
        """What is waited for."""
        with Vertical(classes="dialog narrow"):
            yield Label("Stopping", classes="title")
            yield Static(id="waiting", markup=False)

    def on_mount(self) -> None:
        """Tell the runs to stop, and look after them."""
        self.session.stop_runs()
        self.set_interval(LOOK, self._look)

    def _look(self) -> None:
        waiting = [f"{here.sync}: {words.step(here.progress)}" for here in self.session.runs.values()]
        if not waiting:
            self.dismiss(None)
        said = "The batch in hand is finished and saved; the next run goes on from there."
        self.query_one("#waiting", Static).update("\n".join([said, "", *waiting]))
