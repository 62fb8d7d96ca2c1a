"""One sync: what it does, and its runs."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, Static

from hub.errors import HubError
from hub.sync.models import Sync
from tui import details
from tui.screens.verify import VerifyScreen
from tui.session import Session
from tui.widgets.lines import content_of
from tui.widgets.pane import Pane
from tui.widgets.runs import RunsPane
from tui.widgets.top import TopLine


class SyncScreen(Screen[None]):
    """Shows one sync with all its runs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "verify", "Verify"),
        Binding("escape,left", "app.pop_screen", "Back", key_display="esc"),
    ]

    def __init__(self, session: Session, sync: Sync) -> None:
        super().__init__()
        self.session = session
        self._sync = sync

    def compose(self) -> ComposeResult:
        """What it does, its runs, the keys."""
        yield TopLine(self.session, f"sync {self._sync.name}")
        yield Static(self._head(), id="head", markup=False)
        yield RunsPane(self.session, sync=self._sync.name)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Stand on the newest run."""
        self.query_one(RunsPane).listing.focus()

    def action_verify(self) -> None:
        """Ask the partner what it really has."""
        self.app.push_screen(VerifyScreen(self.session, self._sync))

    def _head(self) -> Content:
        zone = self.session.zone
        return content_of(details.sync_settings(self._sync, zone) + details.sync_freshness(self._sync, zone))

    async def _read(self) -> None:
        try:
            self._sync = await self.session.read(lambda: self.session.hub.syncs.find(self._sync.name))
        except HubError:
            return  # the list below says why
        self.query_one("#head", Static).update(self._head())

    @on(Pane.Read)
    def _show_age(self) -> None:
        self.run_worker(self._read(), group="head", exclusive=True)
        pane = self.query_one(RunsPane)
        self.query_one(TopLine).show_age(pane.read_at, pane.problem)
