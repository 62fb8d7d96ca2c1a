"""The form that starts a sync."""

from __future__ import annotations

from collections.abc import Iterator

from textual import on
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Select, TextArea

from hub.connectors.connection import Connection
from hub.errors import HubError
from hub.sync.models import Sync
from tui.choices import UNITS, counted, interval, mapping
from tui.screens.form import FormScreen
from tui.screens.trial import TrialScreen
from tui.session import Session
from tui.widgets.field import Labelled

ONCE, AGAIN = "once", "again and again"


class StartScreen(FormScreen[Sync]):
    """Asks which cohort goes where, and how often; the result is the sync."""

    TITLE_TEXT = "Start a sync"
    SUBMIT = "Start"

    def __init__(self, session: Session, *, cohort: str = "", connection: str = "") -> None:
        super().__init__(session)
        self._cohort = cohort
        self._connection = connection
        self._connections: dict[str, Connection] = {}

    def fields(self) -> Iterator[Widget]:
        """Cohort, connection, how often, and what may be left as it is."""
        yield Labelled("Cohort *", _choice("cohort"))
        yield Labelled("Connection *", _choice("connection"))
        often = Select([(ONCE, ONCE), (AGAIN, AGAIN)], value=AGAIN, allow_blank=False, compact=True, id="often")
        yield Labelled("When *", often)
        units = [(unit, unit) for unit in UNITS]
        yield Labelled(
            "Every *",
            Horizontal(
                Input("2", compact=True, id="count", restrict=r"\d*", max_length=5),
                Select(units, value="hours", allow_blank=False, compact=True, id="unit"),
            ),
            id="every",
        )
        yield Labelled("Audience", Input(compact=True, id="audience"), "Its name at the partner; hub: COHORT if empty.")
        yield Labelled("Sync's name", Input(compact=True, id="name"), "Made of cohort and connection if empty.")
        area = TextArea(compact=True, id="mapping", tab_behavior="focus", show_line_numbers=False)
        yield Labelled("Properties", area, "To send along, one a line: FNAME=$first_name, or FNAME=$first_name|trim")
        without = Input(compact=True, id="missing", placeholder="TARGET=clear, TARGET=set-if-empty")
        yield Labelled("Missing ones", without, "What a missing value does; nothing if left out.")

    def on_mount(self) -> None:
        """Find out which cohorts and connections there are."""
        self.say("")
        self.run_worker(self._fill(), group="fill")

    async def submit(self) -> None:
        """Show what it would do, and start the sync after a yes."""
        self.say("")
        cohort, connection = self._chosen("cohort"), self._chosen("connection")
        for name, value in (("cohort", cohort), ("connection", connection)):
            if not value:
                self.say(f"Choose a {name}.")
                self.query_one(f"#{name}").focus()
                return
        every = interval(self._text("count"), self._chosen("unit")) if self._chosen("often") == AGAIN else None
        properties = mapping(self.query_one("#mapping", TextArea).text, self._text("missing"))
        audience, name = self._text("audience"), self._text("name")
        hub = self.session.hub
        with self.asking(connection):
            note = await self.session.ask(lambda: hub.trials.check(connection, properties))
        with self.asking("the cohort who goes out"):
            found = await self.session.read(
                lambda: hub.trials.plan(cohort, connection, audience=audience, name=name, mapping=properties)
            )
        if not await self.app.push_screen_wait(TrialScreen(found, note)):
            return
        started = await self.session.read(
            lambda: hub.syncs.start(cohort, connection, every=every, audience=audience, name=name, mapping=properties)
        )
        self.dismiss(started)

    async def _fill(self) -> None:
        hub = self.session.hub
        try:
            cohorts = await self.session.read(hub.cohorts.list)
            connections = await self.session.read(hub.connections.list)
        except HubError as error:
            self.refuse(error)
            return
        self._connections = {connection.name: connection for connection in connections}
        self._offer("cohort", {cohort.name: cohort.name for cohort in cohorts}, self._cohort)
        names = {connection.name: f"{connection.name} ({connection.label})" for connection in connections}
        self._offer("connection", names, self._connection)
        if not cohorts:
            self.say("There is no cohort yet.", "Define one with: hub cohort add NAME --file FILE")
        elif not connections:
            self.say("No partner is connected yet.", "Leave this form with escape, and press c to connect one.")
        empty = [name for name in ("cohort", "connection") if not self._chosen(name)]
        self.query_one(f"#{empty[0] if empty else 'often'}").focus()

    def _offer(self, name: str, labels: dict[str, str], first: str) -> None:
        select = self.query_one(f"#{name}", Select)
        select.set_options([(label, value) for value, label in labels.items()])
        select.prompt = "choose" if labels else "there is none yet"
        if len(labels) == 1 or first in labels:
            select.value = first if first in labels else next(iter(labels))

    @on(Select.Changed, "#connection")
    def _default_interval(self, event: Select.Changed) -> None:
        """A connector says how often its partner is best told."""
        connection = self._connections.get(str(event.value))
        kind = self.session.hub.plugins.connectors.get(connection.connector) if connection else None
        if kind:
            count, unit = counted(kind.limits.default_interval)
            self.query_one("#count", Input).value = count
            self.query_one("#unit", Select).value = unit

    @on(Select.Changed, "#often")
    def _how_often(self, event: Select.Changed) -> None:
        self.query_one("#every").display = event.value == AGAIN

    def _chosen(self, name: str) -> str:
        select = self.query_one(f"#{name}", Select)
        return "" if select.is_blank() else str(select.value)

    def _text(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()


def _choice(name: str) -> Select[str]:
    return Select([], prompt="reading…", compact=True, id=name)
