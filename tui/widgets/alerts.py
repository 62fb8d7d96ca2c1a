"""The tab of alerts: what is wrong, and what is muted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from hub.errors import HubError
from tui import alerts
from tui.alerts import Firing
from tui.cells import Row
from tui.details import Line
from tui.screens.mute import MuteScreen
from tui.screens.sync import SyncScreen
from tui.telling import failed, tell
from tui.widgets.listing import Listing
from tui.widgets.pane import Pane

if TYPE_CHECKING:
    from hub.alerts.muting import Mute


class AlertsPane(Pane[Firing]):
    """What is wrong now, since when, and whether somebody is told."""

    COLUMNS = alerts.ALERT_COLUMNS
    EMPTY = (
        "Nothing is wrong.\n\n"
        "Who is told once something is, is in the next tab (6). Before work that will raise alerts, m mutes them."
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "mute", "Mute"),
        Binding("u", "unmute", "Unmute"),
        Binding("enter", "open", "Open sync"),
    ]

    def load(self) -> Sequence[Firing]:
        """What is wrong now: the hub looks first, as `hub alert list` does."""
        hub = self.session.hub
        hub.alerts.look()
        return alerts.firing(hub.alerts.open(), hub.alerts.mutes())

    def key(self, item: Firing) -> str:
        """What it is about."""
        return item.key

    def row(self, item: Firing) -> Row:
        """Its row."""
        return alerts.alert_row(item, self.session.zone)

    def details(self, item: Firing) -> list[Line]:
        """Its sentences in full."""
        return alerts.alert_lines(item, self.session.zone)

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """Everything can be muted while nothing is wrong, too; only what is muted can be told of again."""
        if action == "mute":
            return True
        if action == "unmute":
            return any(item.mute for item in self.items.values())
        return super().check_action(action, parameters)

    def action_mute(self) -> None:
        """Ask for how long nobody is to be told, of the current sync or of everything."""
        sync = self.current.sync if self.current else ""
        self.app.push_screen(MuteScreen(self.session, sync=sync), self._muted)

    def action_unmute(self) -> None:
        """Let what mutes the current row be told of again."""
        if self.current and self.current.mute:
            self.run_worker(self._unmute(self.current.mute.sync))
        elif self.current:
            tell(self, "It is not muted.", severity="warning")

    @on(Listing.Opened)
    def action_open(self) -> None:
        """Show the sync that the current row is about."""
        if self.current and self.current.sync:
            self.run_worker(self._open(self.current.sync), group="open", exclusive=True)
        elif self.current and self.current.alert:
            tell(self, f"It is about no sync. {self.current.alert.hint}")

    def _muted(self, mute: Mute | None) -> None:
        if mute:
            tell(self, f"{_named(mute.sync)} muted.")
            self.read_soon()

    async def _unmute(self, sync: str) -> None:
        try:
            await self.session.read(lambda: self.session.hub.alerts.unmute(sync))
        except HubError as error:
            failed(self, error)
        else:
            tell(self, f"{_named(sync)} told of again.")
        self.read_soon()

    async def _open(self, name: str) -> None:
        try:
            sync = await self.session.read(lambda: self.session.hub.syncs.get(name))
        except HubError as error:
            failed(self, error)
        else:
            self.app.push_screen(SyncScreen(self.session, sync))


def _named(sync: str) -> str:
    return f"{sync} is" if sync else "All alerts are"
