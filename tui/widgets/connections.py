"""The tab of connections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from hub.connectors.connection import Connection
from hub.errors import HubError
from tui import details, rows
from tui.cells import Row
from tui.details import Line
from tui.screens.connect import ConnectScreen
from tui.telling import failed, tell
from tui.widgets.listing import Listing
from tui.widgets.pane import Pane


class ConnectionsPane(Pane[Connection]):
    """Accounts at partners, and whether they work."""

    COLUMNS = rows.CONNECTION_COLUMNS
    EMPTY = "No partner is connected yet.\n\nPress c to connect one, or run: hub connection add CONNECTOR NAME"
    WHAT = "connection"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e,enter", "edit", "Edit", key_display="e"),
        Binding("k", "check", "Check"),
        Binding("d,delete", "remove", "Remove", key_display="d"),
    ]

    def load(self) -> Sequence[Connection]:
        """Every connection."""
        return self.session.hub.connections.list()

    def key(self, item: Connection) -> str:
        """Its name."""
        return item.name

    def row(self, item: Connection) -> Row:
        """A connection's row."""
        return rows.connection_row(item)

    def details(self, item: Connection) -> list[Line]:
        """A connection's details."""
        return details.connection_lines(item, self.session.zone)

    def action_edit(self) -> None:
        """Change settings of the current connection, such as a credential that was renewed."""
        if self.current:
            self.app.push_screen(ConnectScreen(self.session, edited=self.current), self._saved)

    def action_check(self) -> None:
        """Ask the partner whether the current connection works."""
        if self.current:
            self.run_worker(self._check(self.current), group=f"check {self.current.name}", exclusive=True)

    def action_remove(self) -> None:
        """Forget the current connection, after a yes."""
        if self.current:
            name = self.current.name
            connections = self.session.hub.connections
            self.ask_to_remove(
                name,
                f"Its settings and its credential are forgotten here. At {self.current.label} nothing is changed.",
                lambda: self.session.read(lambda: connections.remove(name)),
            )

    @on(Listing.Opened)
    def _open(self) -> None:
        self.action_edit()

    def _saved(self, name: str | None) -> None:
        if name:
            tell(self, f"{name} is connected.")
            self.read_soon(name)

    async def _check(self, connection: Connection) -> None:
        tell(self, f"Asking {connection.label} about {connection.name}…")
        try:
            checked = await self.session.ask(lambda: self.session.hub.connections.check(connection.name))
        except HubError as error:
            failed(self, error)
        else:
            state = rows.connection_state(checked)
            said = f"{checked.name}: {state.text}. {checked.message}".strip()
            tell(self, said, severity="information" if state.tone == "good" else "error")
        self.read_soon()
