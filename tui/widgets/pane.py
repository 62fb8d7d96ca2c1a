"""One tab of home: a long list, what its current row has no room for, and what to do while it is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import Any, ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static

from hub import clock
from hub.errors import HubError
from tui.cells import Column, Row
from tui.details import Line
from tui.screens.confirm import ConfirmScreen
from tui.session import Session
from tui.telling import failed, tell
from tui.widgets.lines import content_of
from tui.widgets.listing import Listing

T = TypeVar("T")

EVERY = 1.5
"""Seconds between two readings of what is on the screen, at least."""
PAUSE = 8
"""How many times as long as a reading took is waited before the next: a slow control plane is not kept busy."""


class Pane(Vertical, Generic[T]):
    """A list that keeps itself up to date while it is on the screen.

    A subclass says what to load (on a worker thread), which row and which details an item has, and what to do when
    there are none, and what one of them is called; its bindings are the actions on the current row.
    """

    COLUMNS: ClassVar[Sequence[Column]]
    EMPTY: ClassVar[str]
    WHAT: ClassVar[str]

    class Read(Message):
        """The list was read, or could not be: `age_of` and `problem` of the pane are new."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:
        super().__init__(id=id, classes="pane")
        self.session = session
        self.items: dict[str, T] = {}
        self.read_at: datetime | None = None
        self.problem: HubError | None = None
        self._wanted = asyncio.Event()
        self._wanted.set()
        self._marked = ""

    def load(self) -> Sequence[T]:
        """Everything to list. Called on a worker thread."""
        raise NotImplementedError

    def key(self, item: T) -> str:
        """What tells an item from the others."""
        raise NotImplementedError

    def row(self, item: T) -> Row:
        """An item's row."""
        raise NotImplementedError

    def details(self, item: T) -> list[Line]:
        """What is shown about the current item below the list."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        """The list; below it the details, or the way out of emptiness."""
        yield Listing(self.COLUMNS)
        yield Static("Reading…", classes="empty", markup=False)
        yield Static(classes="details", markup=False)

    def on_mount(self) -> None:
        """Begin to read."""
        self.query_one(".details").display = False
        self.add_class("-empty")
        self.run_worker(self._keep_reading(), group="reading")

    @property
    def listing(self) -> Listing:
        """The pane's list."""
        return self.query_one(Listing)

    @property
    def current(self) -> T | None:
        """The item under the cursor."""
        return self.items.get(self.listing.current)

    @property
    def seen(self) -> bool:
        """Whether the pane is on the screen that is on top, or behind a dialog on it."""
        return self.screen in self.app.screen_stack[-2:] and self.region.area > 0

    def read_soon(self, mark: str = "") -> None:
        """Read again at once, and put the cursor on the item with the key `mark`, if one is given."""
        self._marked = mark or self._marked
        self._wanted.set()

    def repaint(self) -> None:
        """Show what was read last once more: ages and progress have moved on."""
        self.listing.show([self.row(item) for item in self.items.values()])

    def ask_to_remove(self, name: str, consequence: str, remove: Callable[[], Awaitable[object]]) -> None:
        """Ask whether to remove the item called `name`, and do so."""

        async def removed() -> None:
            try:
                await remove()
            except HubError as error:
                failed(self, error)
            else:
                tell(self, f"{name} is removed.")
            self.read_soon()

        def answer(yes: bool | None) -> None:
            if yes:
                self.run_worker(removed())

        self.app.push_screen(ConfirmScreen(f"Remove the {self.WHAT} {name!r}?", consequence, yes="Remove"), answer)

    async def _keep_reading(self) -> None:
        while True:
            began = monotonic()
            if self.seen or self._wanted.is_set():
                self._wanted.clear()
                await self._read()
            try:
                await asyncio.wait_for(self._wanted.wait(), max(EVERY, PAUSE * (monotonic() - began)))
            except TimeoutError:
                continue

    async def _read(self) -> None:
        try:
            items = await self.session.read(self.load)
        except HubError as error:
            self.problem = error
            if not self.items:
                self._say_empty(f"{error.message} {error.hint}\n\nIt is tried again by itself.")
        else:
            self.problem, self.read_at = None, clock.now()
            self._show({self.key(item): item for item in items})
        self.post_message(self.Read())

    def _show(self, items: dict[str, T]) -> None:
        emptied_or_filled = bool(items) != bool(self.items)
        self.items = items
        if emptied_or_filled:
            self.refresh_bindings()  # an empty list has no actions
        self._say_empty(self.EMPTY)
        self.repaint()
        if self._marked in items:
            self.listing.go_to(self._marked)
            self._marked = ""

    def _say_empty(self, text: str) -> None:
        self.query_one(".empty", Static).update(text)
        self.set_class(not self.items, "-empty")

    @on(Listing.Moved)
    def _show_details(self) -> None:
        item = self.current
        below = self.query_one(".details", Static)
        below.display = item is not None
        below.update(content_of(self.details(item)) if item is not None else "")

    def check_action(self, action: str, parameters: tuple[Any, ...]) -> bool | None:
        """The pane's own actions need a row to act on."""
        own = any(action == getattr(binding, "action", "") for binding in type(self).BINDINGS)
        return bool(self.items) if own else True
