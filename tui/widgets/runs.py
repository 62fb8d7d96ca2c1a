"""The list of runs: a tab of home, and the larger part of a sync's own screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from hub.sync.models import Run
from tui import details, rows
from tui.cells import Row
from tui.details import Line
from tui.screens.confirm import ask_to_stop_run
from tui.screens.run import RunScreen
from tui.session import Session
from tui.telling import tell
from tui.widgets.listing import Listing
from tui.widgets.pane import Pane

NEWEST_RUNS = 1000
"""Runs that are listed: of all syncs at home, of one sync on its own screen."""


class RunsPane(Pane[Run]):
    """What was sent, newest first; with a sync's name, its runs alone."""

    COLUMNS = rows.RUN_COLUMNS
    EMPTY = "Nothing has run yet.\n\nGo to the syncs (3) and press n to run one, or run: hub sync run NAME"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open"),
        Binding("x", "stop", "Stop run"),
    ]

    def __init__(self, session: Session, *, sync: str = "", id: str | None = None) -> None:
        super().__init__(session, id=id)
        self._sync = sync

    def load(self) -> Sequence[Run]:
        """The newest runs."""
        return self.session.hub.syncs.runs(self._sync, limit=NEWEST_RUNS)

    def key(self, item: Run) -> str:
        """Its number."""
        return str(item.id)

    def row(self, item: Run) -> Row:
        """A run's row, with its progress when it is under way here."""
        return rows.run_row(item, self.session.zone, self.session.progress(item))

    def details(self, item: Run) -> list[Line]:
        """A run's details."""
        return details.run_lines(item, self.session.zone)

    @on(Listing.Opened)
    def action_open(self) -> None:
        """Show everything about the current run."""
        if self.current:
            self.app.push_screen(RunScreen(self.session, self.current))

    def action_stop(self) -> None:
        """Stop the current run, if it is under way here."""
        if self.current and self.session.progress(self.current):
            ask_to_stop_run(self, self.session, self.current.sync)
        elif self.current:
            tell(self, f"Run {self.current.id} is not under way here.", severity="warning")
