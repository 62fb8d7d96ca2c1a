"""One run: what it did to whom, how long each phase took, and whom the partner did not take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Label, Static

from hub import clock
from hub.errors import HubError
from hub.sync.models import Rejected, Run
from hub.sync.states import RunState
from tui import details, rows, words
from tui.screens.confirm import ConfirmScreen, ask_to_stop_run
from tui.screens.undo import ask_to_undo
from tui.session import Session
from tui.telling import failed, tell
from tui.widgets.lines import content_of
from tui.widgets.listing import Listing
from tui.widgets.top import TopLine

EVERY = 1.0
"""Seconds between two looks at a run that is under way."""
FIRST_REJECTED = 200
REACH_BACK = 1000
"""How many of the sync's runs are looked through for this one."""


class RunScreen(Screen[None]):
    """Shows one run, and keeps up with it while it is under way."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "more", "More rejected"),
        Binding("x", "stop", "Stop run"),
        Binding("a", "approve", "Approve"),
        Binding("f", "refuse", "Refuse"),
        Binding("u", "undo", "Undo"),
        Binding("escape,left", "app.pop_screen", "Back", key_display="esc"),
    ]

    def __init__(self, session: Session, run: Run) -> None:
        super().__init__()
        self.session = session
        self.run = run
        self._rejected: dict[str, Rejected] = {}
        self._limit = FIRST_REJECTED

    def compose(self) -> ComposeResult:
        """The figures, then those who were rejected."""
        yield TopLine(self.session, f"run {self.run.id}")
        yield Static(id="head", markup=False)
        yield VerticalScroll(id="figures", can_focus=False)
        yield Label("", id="rejected-title", markup=False)
        yield Listing(rows.REJECTED_COLUMNS)
        yield Static(classes="details", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Show what is known, and look for more."""
        self.query_one(Listing).focus()
        self._show()
        self.run_worker(self._keep_reading(), group="reading")

    def action_more(self) -> None:
        """Read more of those who were rejected."""
        self._limit *= 5
        self.run_worker(self._read())

    def action_stop(self) -> None:
        """Stop this run, if it is under way here."""
        if self.session.progress(self.run):
            ask_to_stop_run(self, self.session, self.run.sync)

    def action_approve(self) -> None:
        """Let what is held go, after a yes."""
        self._ask(f"Approve run {self.run.id}?", "is sent as it was planned", "Approve", self.session.approve)

    def action_refuse(self) -> None:
        """Let nothing of what is held leave, after a yes."""
        refuse = self.session.hub.syncs.refuse
        self._ask(
            f"Refuse run {self.run.id}?",
            "does not leave; the next run plans anew",
            "Refuse",
            lambda run: self.session.ask(lambda: refuse(run.id)),
        )

    def action_undo(self) -> None:
        """Take this run back, after its numbers and a yes."""
        self.run_worker(ask_to_undo(self, self.session, self.run))

    def _ask(self, question: str, what: str, yes: str, decide: Callable[[Run], Awaitable[Run]]) -> None:
        async def decided() -> None:
            try:
                done = await decide(self.run)
            except HubError as error:
                failed(self, error)
            else:
                tell(self, f"Run {done.id} is {words.state(done).lower()}. {words.result_in_words(done)}.")

        def answer(said: bool | None) -> None:
            if said:
                # a worker of the app: the run goes on when this screen is left
                self.app.run_worker(decided())

        members = words.plural(self.run.held, "member")
        self.app.push_screen(
            ConfirmScreen(question, f"{self.run.message} What is held ({members}) {what}.", yes=yes), answer
        )

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is more only when not all are shown, and only a run of this process can be stopped here."""
        if action == "more":
            return len(self._rejected) >= self._limit
        if action in ("approve", "refuse"):
            return self.run.state is RunState.HELD
        if action == "undo":
            return self.run.finished and self.run.planned > 0
        if action == "stop":
            return self.session.progress(self.run) is not None
        return True

    async def _keep_reading(self) -> None:
        await self._read()
        while not self.run.finished:
            await asyncio.sleep(EVERY)
            await self._read()

    async def _read(self) -> None:
        syncs, limit = self.session.hub.syncs, self._limit
        try:
            runs = await self.session.read(lambda: syncs.runs(self.run.sync, limit=REACH_BACK))
            self.run = next((run for run in runs if run.id == self.run.id), self.run)
            rejected = await self.session.read(lambda: syncs.rejected(self.run.id, limit=limit))
        except HubError as error:
            self.query_one(TopLine).show_age(None, error)
            return
        self._rejected = {f"{member.action} {member.key}": member for member in rejected}
        self.query_one(TopLine).show_age(clock.now())
        self._show()

    def _show(self) -> None:
        run, zone = self.run, self.session.zone
        head = [details.run_head(run, zone)]
        if not run.finished:
            head.append(details.run_progress(run, self.session.progress(run)))
        self.query_one("#head", Static).update(content_of(head))
        self._show_figures()
        listing = self.query_one(Listing)
        listing.display = bool(self._rejected)
        self.query_one("#rejected-title", Label).update(self._rejected_title())
        listing.show([rows.rejected_row(member, zone) for member in self._rejected.values()])
        self.refresh_bindings()

    def _show_figures(self) -> None:
        figures = self.query_one("#figures", VerticalScroll)
        lines = details.run_figures(self.run)
        figures.remove_children()
        figures.mount_all(
            Horizontal(
                Label(heading, classes="figure-name", markup=False),
                Static(content_of([line]), classes="figure", markup=False),
            )
            for heading, line in lines
        )

    def _rejected_title(self) -> str:
        if not self._rejected:
            return "Nobody was rejected." if self.run.finished and not self.run.rejected else ""
        shown = len(self._rejected)
        more = ", m shows more" if shown >= self._limit else ""
        return f"Rejected members ({shown:,} of {max(self.run.rejected, shown):,}{more})"

    @on(Listing.Moved)
    def _show_rejected(self) -> None:
        member = self._rejected.get(self.query_one(Listing).current)
        below = self.query_one(".details", Static)
        below.display = member is not None
        below.update(content_of(details.rejected_lines(member, self.session.zone)) if member else "")
