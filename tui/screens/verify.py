"""What the partner really has: asked, shown in numbers, and decided about."""

from __future__ import annotations

import threading
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer, Static

from hub import clock
from hub.errors import HubError
from hub.sync.models import Sync
from hub.sync.verify_books import Way
from hub.sync.verify_findings import Kind
from hub.sync.verify_reports import Verification
from tui import findings
from tui.cells import Cell
from tui.screens.confirm import ConfirmScreen
from tui.session import Session
from tui.telling import failed, tell
from tui.widgets.lines import content_of
from tui.widgets.listing import Listing
from tui.widgets.top import TopLine

EVERY = 0.5
"""Seconds between two looks at how far the partner has told."""


class VerifyScreen(Screen[None]):
    """Asks the partner who is in a sync's audience, as soon as it is shown. Leaving it ends the question."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Choose what to do"),
        Binding("d", "decide", "Do it"),
        Binding("escape,left", "app.pop_screen", "Back", key_display="esc"),
    ]

    def __init__(self, session: Session, sync: Sync) -> None:
        super().__init__()
        self.session = session
        self._sync = sync
        self._found: Verification | None = None
        self._choices: dict[Kind, Way] = {}
        self._told = (0, 0)
        self._failed = False
        self._stop = threading.Event()

    def compose(self) -> ComposeResult:
        """The figures, what was found by kind, and some of the current kind."""
        yield TopLine(self.session, f"verify {self._sync.name}")
        yield Static(id="head", markup=False)
        yield Listing(findings.COLUMNS)
        yield Static(classes="details", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin to ask."""
        self.query_one(Listing).focus()
        self.query_one(Listing).display = False
        self.query_one(".details").display = False
        self.run_worker(self._verify())
        self.set_interval(EVERY, self._show_progress)
        self._show_progress()

    def on_unmount(self) -> None:
        """End the question, if it is still open."""
        self._stop.set()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is something to choose only about what was found, and something to do only once it is chosen."""
        undecided = self._found is not None and self._found.run is None
        if action == "choose":
            return undecided and bool(self._found and self._found.differs)
        if action == "decide":
            return undecided and bool(self._choices)
        return True

    def action_choose(self) -> None:
        """Choose the next thing that can be done about the current kind."""
        kind = self._current
        if kind is None:
            return
        way = findings.following(kind, self._choices.get(kind))
        if way is None:
            self._choices.pop(kind, None)
        else:
            self._choices[kind] = way
        self._show()

    def action_decide(self) -> None:
        """Do what was chosen, after a yes."""
        found = self._found
        if found is None:
            return

        def answer(yes: bool | None) -> None:
            if yes:
                self.run_worker(self._decide(found))

        said = findings.chosen_words(self._choices, found)
        self.app.push_screen(ConfirmScreen("Do this?", said, yes="Do it"), answer)

    @property
    def _current(self) -> Kind | None:
        current = self.query_one(Listing).current
        return Kind(current) if current else None

    async def _verify(self) -> None:
        def told(listed: int, held: int) -> None:
            self._told = (listed, held)

        syncs = self.session.hub.syncs
        try:
            found = await self.session.ask(lambda: syncs.verify(self._sync.name, told=told, stop=self._stop))
        except HubError as error:
            self._failed = True
            self.query_one("#head", Static).update(content_of([[Cell(f"{error.message} {error.hint}", "bad")]]))
            self.query_one(TopLine).show_age(None, error)
        else:
            self._found = found
            self.query_one(TopLine).show_age(clock.now())
            self._show()

    async def _decide(self, found: Verification) -> None:
        chosen = {way: [kind for kind, each in self._choices.items() if each is way] for way in Way}
        syncs = self.session.hub.syncs
        try:
            self._found = await self.session.ask(
                lambda: syncs.decide(
                    found.id, adopt=chosen[Way.ADOPT], repair=chosen[Way.REPAIR], ignore=chosen[Way.IGNORE]
                )
            )
        except HubError as error:
            failed(self, error)
        else:
            tell(self, self._found.words)
            self._choices.clear()
        self._show()

    def _show_progress(self) -> None:
        if self._found is None and not self._failed:
            listed, held = self._told
            so_far = f"{listed:,} of about {max(listed, held):,} so far" if listed else "…"
            asking = f"Asking {self._sync.connection} who is in {self._sync.audience!r}: {so_far}"
            self.query_one("#head", Static).update(content_of([[Cell(asking, "busy")]]))

    def _show(self) -> None:
        found = self._found
        if found is None:
            return
        self.query_one("#head", Static).update(content_of(findings.head(found, self._sync.audience)))
        listing = self.query_one(Listing)
        rows = [findings.row(kind, found, self._choices) for kind in findings.kinds(found)]
        listing.display = bool(rows)
        listing.show(rows)
        self.refresh_bindings()

    @on(Listing.Moved)
    def _show_some(self) -> None:
        kind, below = self._current, self.query_one(".details", Static)
        below.display = kind is not None and self._found is not None
        if kind is not None and self._found is not None:
            below.update(content_of(findings.some(kind, self._found)))
