"""The tab of syncs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from hub.errors import HubError, Interrupted
from hub.sync.models import Sync
from hub.sync.states import RunState
from tui import details, rows, words
from tui.cells import Row
from tui.details import Line
from tui.screens.confirm import ask_to_stop_run
from tui.screens.sync import SyncScreen
from tui.telling import failed, tell
from tui.widgets.listing import Listing
from tui.widgets.pane import Pane


class SyncsPane(Pane[Sync]):
    """Cohorts on their way to partners."""

    COLUMNS = rows.SYNC_COLUMNS
    EMPTY = "Nothing is synced yet.\n\nPress s to start a sync, or run: hub sync start COHORT CONNECTION --every 2h"
    WHAT = "sync"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "sync_now", "Sync now"),
        Binding("x", "stop", "Stop"),
        Binding("r", "resume", "Resume"),
        Binding("d,delete", "remove", "Remove", key_display="d", show=False),  # the footer of 80 columns is full
        Binding("enter", "open", "Open"),
    ]

    def load(self) -> Sequence[Sync]:
        """Every sync."""
        return self.session.hub.syncs.list()

    def key(self, item: Sync) -> str:
        """Its name."""
        return item.name

    def row(self, item: Sync) -> Row:
        """A sync's row, with the progress of a run that is under way here."""
        here = self.session.runs.get(item.name)
        return rows.sync_row(item, self.session.zone, here.progress if here else None)

    def details(self, item: Sync) -> list[Line]:
        """A sync's details."""
        return details.sync_lines(item, self.session.zone)

    def action_sync_now(self) -> None:
        """Run the current sync now, here; others may be running meanwhile."""
        if self.current:
            # a worker of the app: the run goes on whatever becomes of this pane
            self.app.run_worker(self._sync_now(self.current.name))

    def action_stop(self) -> None:
        """Stop the current sync's run that is under way here, else the sync itself."""
        if self.current and self.current.name in self.session.runs:
            ask_to_stop_run(self, self.session, self.current.name)
        elif self.current:
            self._change(self.current.name, "stop")

    def action_resume(self) -> None:
        """Let the current sync run again when it is due."""
        if self.current:
            self._change(self.current.name, "resume")

    def action_remove(self) -> None:
        """Remove the current sync, after a yes: the question says what stays, in numbers."""
        if self.current:
            self.run_worker(self._ask_to_remove(self.current.name), group="removing", exclusive=True)

    @on(Listing.Opened)
    def action_open(self) -> None:
        """Show the current sync with all its runs."""
        if self.current:
            self.app.push_screen(SyncScreen(self.session, self.current))

    async def _sync_now(self, name: str) -> None:
        self.read_soon()
        try:
            run = await self.session.run(name)
        except Interrupted as error:
            tell(self, f"{error.message} {error.hint}".strip(), severity="warning")
        except HubError as error:
            failed(self, error)
        else:
            said = f"{name}: run {run.id} {words.state(run).lower()}. {words.result_in_words(run)}."
            text = f"{said} {run.message} {run.hint}".strip()
            if run.state is RunState.HELD:
                tell(self, text, severity="warning")
            else:
                tell(self, text, severity="information" if run.state is RunState.DONE else "error")
        self.read_soon()

    async def _ask_to_remove(self, name: str) -> None:
        syncs = self.session.hub.syncs
        try:
            left = await self.session.read(lambda: syncs.removal(name))
        except HubError as error:
            failed(self, error)
        else:
            self.ask_to_remove(name, left.sentence(), lambda: self.session.ask(lambda: syncs.remove(name)))

    def _change(self, name: str, verb: str) -> None:
        self.run_worker(self._changed(name, verb))

    async def _changed(self, name: str, verb: str) -> None:
        syncs = self.session.hub.syncs
        try:
            await self.session.read(lambda: syncs.stop(name) if verb == "stop" else syncs.resume(name))
        except HubError as error:
            failed(self, error)
        else:
            what = "is stopped: nothing is sent until you resume it (r)." if verb == "stop" else "is resumed."
            tell(self, f"{name} {what}")
        self.read_soon()
