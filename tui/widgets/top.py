"""The first line of a screen: which hub this is, and how old what is shown is."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from hub import clock
from hub.errors import HubError
from tui.cells import Cell
from tui.session import Session
from tui.widgets.lines import content_of

OLD = timedelta(seconds=6)
"""From this age on, what is shown is called old."""


class TopLine(Horizontal):
    """Says where we are, and as of when."""

    def __init__(self, session: Session, title: str = "") -> None:
        super().__init__(classes="top")
        self._project = session.hub.workspace.project.name
        self._zone = session.zone
        self._title = title

    def compose(self) -> ComposeResult:
        """Two texts, left and right."""
        yield Static(f"Cohort hub  {self._title or f'project {self._project}'}", classes="where", markup=False)
        yield Static(classes="as-of", markup=False)

    def show_age(self, read_at: datetime | None, problem: HubError | None = None) -> None:
        """Say as of when the screen is; with a `problem`, that it could not be read again."""
        self.query_one(".as-of", Static).update(content_of([[as_of(read_at, self._zone, problem)]]))


def as_of(read_at: datetime | None, zone: str, problem: HubError | None = None) -> Cell:
    """As of when a screen is, in the project's zone, and whether that is old."""
    if read_at is None:
        return Cell(f"cannot be read: {problem.message}", "bad") if problem else Cell("reading…", "dim")
    local = read_at.astimezone(ZoneInfo(zone))
    age = clock.now() - read_at
    if problem:
        return Cell(f"{int(age.total_seconds())} s old: {problem.message}", "bad")
    if age > OLD:
        return Cell(f"as of {local:%H:%M:%S %Z}, {int(age.total_seconds())} s old", "warn")
    return Cell(f"as of {local:%H:%M:%S %Z}", "dim")
