"""The form that mutes alerts for a while."""

from __future__ import annotations

from collections.abc import Iterator

from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Select

from hub import clock
from hub.alerts.muting import Mute
from tui.choices import UNITS, interval
from tui.screens.form import FormScreen
from tui.session import Session
from tui.widgets.field import Labelled

ONE, EVERYTHING = "one", "everything"


class MuteScreen(FormScreen[Mute]):
    """Asks of what nobody is to be told, and for how long; the result is the mute."""

    TITLE_TEXT = "Mute alerts"
    SUBMIT = "Mute"

    def __init__(self, session: Session, *, sync: str = "") -> None:
        super().__init__(session)
        self._sync = sync

    def fields(self) -> Iterator[Widget]:
        """What, how long, and why."""
        what = [(f"the sync {self._sync}", ONE)] if self._sync else []
        choices = [*what, ("everything in this project", EVERYTHING)]
        yield Labelled("Mute *", Select(choices, value=choices[0][1], allow_blank=False, compact=True, id="what"))
        units = [(unit, unit) for unit in UNITS]
        yield Labelled(
            "For *",
            Horizontal(
                Input("2", compact=True, id="count", restrict=r"\d*", max_length=5),
                Select(units, value="hours", allow_blank=False, compact=True, id="unit"),
            ),
            "What is still wrong afterwards is told then.",
        )
        yield Labelled("Why", Input(compact=True, id="reason"), "For the others.")

    def on_mount(self) -> None:
        """Stand on how long."""
        self.say("")
        self.query_one("#count").focus()

    async def submit(self) -> None:
        """Mute it."""
        self.say("")
        lasts = interval(self.query_one("#count", Input).value, str(self.query_one("#unit", Select).value), "For")
        sync = self._sync if self.query_one("#what", Select).value == ONE else ""
        reason = self.query_one("#reason", Input).value.strip()
        alerts = self.session.hub.alerts
        self.dismiss(await self.session.read(lambda: alerts.mute(sync, clock.now() + lasts, reason=reason)))
