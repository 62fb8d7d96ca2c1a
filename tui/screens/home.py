"""Home: six tabs, each a list that keeps itself up to date."""

from __future__ import annotations

from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, TabbedContent, TabPane, Tabs

from hub.errors import HubError
from hub.sync.models import Sync
from tui.screens.connect import ConnectScreen
from tui.screens.start import StartScreen
from tui.session import Session
from tui.telling import tell
from tui.widgets.alerts import AlertsPane
from tui.widgets.channels import ChannelsPane
from tui.widgets.cohorts import CohortsPane
from tui.widgets.connections import ConnectionsPane
from tui.widgets.pane import Pane
from tui.widgets.runs import RunsPane
from tui.widgets.syncs import SyncsPane
from tui.widgets.top import TopLine

TABS = ("connections", "cohorts", "syncs", "runs", "alerts", "channels")

COUNT = 10.0
"""Seconds between two looks at how much is wrong, for the tab of alerts."""
REPAINT = 0.4
"""Seconds between two looks at how far the runs of this process are."""


class HomeScreen(Screen[None]):
    """Connections, cohorts, syncs, runs, alerts and channels."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "connect", "Connect"),
        Binding("s", "start", "Start sync"),
        Binding("1", "show('connections')", "Connections", show=False),
        Binding("2", "show('cohorts')", "Cohorts", show=False),
        Binding("3", "show('syncs')", "Syncs", show=False),
        Binding("4", "show('runs')", "Runs", show=False),
        Binding("5", "show('alerts')", "Alerts", show=False),
        Binding("6", "show('channels')", "Channels of alerts", show=False),
        Binding("escape", "app.clear_notifications", "Take messages away", show=False),
        Binding("left", "step(-1)", "Tab to the left", show=False),
        Binding("right", "step(1)", "Tab to the right", show=False),
    ]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.session = session

    def compose(self) -> ComposeResult:
        """The top line, the tabs and the keys."""
        yield TopLine(self.session)
        with TabbedContent():
            with TabPane("1 Connections", id="connections"):
                yield ConnectionsPane(self.session)
            with TabPane("2 Cohorts", id="cohorts"):
                yield CohortsPane(self.session)
            with TabPane("3 Syncs", id="syncs"):
                yield SyncsPane(self.session)
            with TabPane("4 Runs", id="runs"):
                yield RunsPane(self.session)
            with TabPane("5 Alerts", id="alerts"):
                yield AlertsPane(self.session)
            with TabPane("6 Channels", id="channels"):
                yield ChannelsPane(self.session)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Stand on the first list, and look after ages and progress."""
        self.query_one(Tabs).can_focus = False
        self.pane.listing.focus()
        self.set_interval(REPAINT, self._repaint)
        self.set_interval(COUNT, self._count_alerts)
        self._count_alerts()

    @property
    def pane(self) -> Pane[Any]:
        """The list that is on top."""
        return self.query_one(f"#{self.query_one(TabbedContent).active or TABS[0]}").query_one(Pane)

    def on_screen_resume(self) -> None:
        """Something may have changed while another screen was on top."""
        if self.is_mounted:
            self.pane.read_soon()

    def action_connect(self) -> None:
        """Connect a partner."""
        self.app.push_screen(ConnectScreen(self.session), self._connected)

    def action_start(self) -> None:
        """Start a sync, of the cohort or to the connection that the cursor is on."""
        chosen = self.pane.listing.current
        cohort = chosen if isinstance(self.pane, CohortsPane) else ""
        connection = chosen if isinstance(self.pane, ConnectionsPane) else ""
        self.app.push_screen(StartScreen(self.session, cohort=cohort, connection=connection), self._started)

    def action_show(self, tab: str) -> None:
        """Show a tab."""
        self.show_tab(tab)

    def action_step(self, by: int) -> None:
        """Show the tab to the left or to the right."""
        active = self.query_one(TabbedContent).active
        self.show_tab(TABS[(TABS.index(active) + by) % len(TABS)])

    def show_tab(self, tab: str, mark: str = "") -> None:
        """Bring a tab to the front, with the cursor on the item `mark` if one is given."""
        self.query_one(TabbedContent).active = tab
        self.pane.read_soon(mark)

    @on(TabbedContent.TabActivated)
    def _activated(self) -> None:
        self.pane.listing.focus()
        self.pane.read_soon()
        self._show_age()

    @on(Pane.Read)
    def _was_read(self) -> None:
        self._show_age()
        if isinstance(self.pane, AlertsPane):
            self._count_alerts()

    def _show_age(self) -> None:
        self.query_one(TopLine).show_age(self.pane.read_at, self.pane.problem)

    def _count_alerts(self) -> None:
        self.run_worker(self._show_alerts(), group="count alerts", exclusive=True)

    async def _show_alerts(self) -> None:
        """Say on the tab how much is wrong that is not muted, whichever tab is on top."""
        try:
            found = await self.session.read(self.session.hub.alerts.open)
        except HubError:
            return  # the list on top says why
        wrong = sum(not each.muted for each in found)
        self.query_one(TabbedContent).get_tab("alerts").label = f"5 Alerts ({wrong:,})" if wrong else "5 Alerts"

    def _repaint(self) -> None:
        self._show_age()
        if self.session.runs:
            self.pane.repaint()

    def _connected(self, name: str | None) -> None:
        if name:
            tell(self, f"{name} is connected. Press s to start a sync to it.")
            self.show_tab("connections", name)

    def _started(self, sync: Sync | None) -> None:
        if sync:
            tell(self, f"{sync.name} is started. Press n to run it now.")
            self.show_tab("syncs", sync.name)
