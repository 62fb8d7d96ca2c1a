"""The terminal UI as an application, and how it is started."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

from hub.errors import HubError, UsageError
from tui import words
from tui.screens.confirm import ConfirmScreen
from tui.screens.form import FormScreen
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen
from tui.screens.leave import LeaveScreen
from tui.screens.run import RunScreen
from tui.screens.sync import SyncScreen
from tui.screens.verify import VerifyScreen
from tui.session import Session
from tui.widgets.alerts import AlertsPane
from tui.widgets.channels import ChannelsPane
from tui.widgets.cohorts import CohortsPane
from tui.widgets.connections import ConnectionsPane
from tui.widgets.listing import Listing
from tui.widgets.runs import RunsPane
from tui.widgets.syncs import SyncsPane

if TYPE_CHECKING:
    from hub.app import Hub

DARK, LIGHT = "textual-dark", "textual-light"


class HubApp(App[None]):
    """Connections, cohorts, syncs, runs and alerts of one project, by keys."""

    TITLE = "Cohort hub"
    CSS_PATH = "hub.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]  # noqa: RUF012 - as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "toggle_theme", "Theme"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q,ctrl+q", "quit", "Quit", key_display="q"),
    ]

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.session = Session(hub)

    def on_mount(self) -> None:
        """Show home, and end politely when the system says so."""
        self.push_screen(HomeScreen(self.session))
        self.run_worker(self.session.read(lambda: self.session.hub.plugins), group="plugins")  # forms need them at once
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(NotImplementedError, RuntimeError):  # only the main thread of a POSIX system can
                loop.add_signal_handler(number, self._ended_by, number)

    def on_unmount(self) -> None:
        """Let go of the threads."""
        self.session.close()

    def action_toggle_theme(self) -> None:
        """Change between dark and light."""
        self.theme = LIGHT if self.current_theme.dark else DARK

    def action_help(self) -> None:
        """Show every key."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(key_sections()))

    def action_clear_notifications(self) -> None:
        """Take the messages in the corner away."""
        self.clear_notifications()

    async def action_quit(self) -> None:
        """End; ask first when runs are under way here."""
        if not self.session.runs:
            self.exit()
        elif not isinstance(self.screen, ConfirmScreen | LeaveScreen):
            running = words.plural(len(self.session.runs), "run")
            question = ConfirmScreen(
                f"Quit while {running} {'is' if len(self.session.runs) == 1 else 'are'} under way?",
                "What is in hand is finished and saved, and the next run goes on from there: "
                + ", ".join(self.session.runs),
                yes="Stop and quit",
            )
            self.push_screen(question, lambda yes: self._leave() if yes else None)

    def _leave(self, return_code: int = 0) -> None:
        self.push_screen(LeaveScreen(self.session), lambda _: self.exit(return_code=return_code))

    def _ended_by(self, number: int) -> None:
        if not isinstance(self.screen, LeaveScreen):
            self._leave(return_code=128 + number)


def key_sections() -> list[tuple[str, list[BindingType]]]:
    """Every key, by where it works, from the bindings themselves."""
    return [
        ("Everywhere", HubApp.BINDINGS),
        ("Home", HomeScreen.BINDINGS),
        ("In a list", Listing.BINDINGS),
        ("Connections", ConnectionsPane.BINDINGS),
        ("Cohorts", CohortsPane.BINDINGS),
        ("Syncs", SyncsPane.BINDINGS),
        ("Runs", RunsPane.BINDINGS),
        ("Alerts", AlertsPane.BINDINGS),
        ("Channels of alerts", ChannelsPane.BINDINGS),
        ("One sync", SyncScreen.BINDINGS),
        ("One run", RunScreen.BINDINGS),
        ("What the partner has", VerifyScreen.BINDINGS),
        ("Forms", FormScreen.BINDINGS),
        ("Yes or no", ConfirmScreen.BINDINGS),
    ]


def run(home: Path | None = None) -> None:
    """Open the hub in `home` (or in HUB_HOME) and show it until the user quits.

    Raises SystemExit with the error's code when the hub cannot be opened or there is no terminal (the reason is on
    stderr), and with 128 + signal when a signal ended it.
    """
    from hub.app import Hub

    try:
        _need_terminal()
        hub = Hub.open(home)
    except HubError as error:
        sys.stderr.write(f"{error.message} {error.hint}".strip() + "\n")
        raise SystemExit(error.exit_code) from None
    app = HubApp(hub)
    app.run()
    if app.return_code:
        raise SystemExit(app.return_code)


def _need_terminal() -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "The terminal UI needs a terminal.",
            hint="Without one, use the commands: hub status, hub connection list, hub sync list.",
        )
