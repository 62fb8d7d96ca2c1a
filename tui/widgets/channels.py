"""The tab of channels: who is told when something goes wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from hub.errors import HubError
from tui import alerts, words
from tui.cells import Row
from tui.details import Line
from tui.screens.channel import ChannelScreen, Saved
from tui.screens.secret import SecretScreen
from tui.telling import failed, tell
from tui.widgets.listing import Listing
from tui.widgets.pane import Pane

if TYPE_CHECKING:
    from hub.alerts.channels import Channel


class ChannelsPane(Pane["Channel"]):
    """Where alerts go, and what came of the last message."""

    COLUMNS = alerts.CHANNEL_COLUMNS
    EMPTY = (
        "Nobody is told when something goes wrong.\n\n"
        "Press a to add a webhook, a Slack-compatible chat or a command, or run: hub alert add NAME --webhook URL"
    )
    WHAT = "alert channel"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "add", "Add"),
        Binding("e,enter", "edit", "Edit", key_display="e"),
        Binding("k", "test", "Test"),
        Binding("d,delete", "remove", "Remove", key_display="d"),
    ]

    def load(self) -> Sequence[Channel]:
        """Every channel."""
        return self.session.hub.alerts.channels.list()

    def key(self, item: Channel) -> str:
        """Its name."""
        return item.name

    def row(self, item: Channel) -> Row:
        """A channel's row."""
        return alerts.channel_row(item)

    def details(self, item: Channel) -> list[Line]:
        """A channel's details."""
        return alerts.channel_lines(item, self.session.zone)

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """A channel can be added while there is none."""
        return True if action == "add" else super().check_action(action, parameters)

    def action_add(self) -> None:
        """Ask where alerts shall go, too."""
        self.app.push_screen(ChannelScreen(self.session), self._saved)

    def action_edit(self) -> None:
        """Change where the current channel leads, or what it is told."""
        if self.current:
            self.app.push_screen(ChannelScreen(self.session, edited=self.current), self._saved)

    def action_test(self) -> None:
        """Send a test to the current channel."""
        if self.current:
            self.run_worker(self._test(self.current.name), group=f"test {self.current.name}", exclusive=True)

    def action_remove(self) -> None:
        """Forget the current channel, after a yes."""
        if self.current:
            channel = self.current
            channels = self.session.hub.alerts.channels
            waits = words.plural(channel.waiting, "message waits", "messages wait")
            lost = f" {waits} for it, and will not be sent." if channel.waiting else ""
            self.ask_to_remove(
                channel.name,
                f"Where it leads and its secret are forgotten; the log stays.{lost}",
                lambda: self.session.read(lambda: channels.remove(channel.name)),
            )

    @on(Listing.Opened)
    def _open(self) -> None:
        self.action_edit()

    def _saved(self, saved: Saved | None) -> None:
        if saved is None:
            return
        if saved.secret:
            self.app.push_screen(SecretScreen(saved.name, saved.secret))
        else:
            tell(self, f"{saved.name} is saved. Press k to send it a test.")
        self.read_soon(saved.name)

    async def _test(self, name: str) -> None:
        tell(self, f"Sending a test to {name}…")
        try:
            attempt = await self.session.ask(lambda: self.session.hub.alerts.test(name))
        except HubError as error:
            failed(self, error)
        else:
            if attempt.arrived:
                tell(self, f"{name}: it arrived: {attempt.answer}.")
            else:
                tell(self, f"{name}: it did not arrive. {attempt.answer}", severity="error")
        self.read_soon()
