"""The tab of cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import Binding, BindingType

from hub.errors import HubError
from tui import details, rows, words
from tui.cells import Row
from tui.details import Line
from tui.telling import failed, tell
from tui.widgets.listing import Listing
from tui.widgets.pane import Pane

if TYPE_CHECKING:
    from hub.cohorts.cohort import Cohort


class CohortsPane(Pane["Cohort"]):
    """Cohorts, how many people are in them, and how fresh that is."""

    COLUMNS = rows.COHORT_COLUMNS
    EMPTY = (
        "There are no cohorts yet.\n\n"
        "Import events with hub event import FILE, then define who matters with: hub cohort add NAME --file FILE"
    )
    WHAT = "cohort"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k,enter", "count", "Count", key_display="k"),
        Binding("d,delete", "remove", "Remove", key_display="d"),
    ]

    def load(self) -> Sequence[Cohort]:
        """Every cohort."""
        return self.session.hub.cohorts.list()

    def key(self, item: Cohort) -> str:
        """Its name."""
        return item.name

    def row(self, item: Cohort) -> Row:
        """A cohort's row."""
        return rows.cohort_row(item)

    def details(self, item: Cohort) -> list[Line]:
        """A cohort's details."""
        return details.cohort_lines(item, self.session.zone)

    def action_count(self) -> None:
        """Count who is in the current cohort now."""
        if self.current:
            name = self.current.name
            tell(self, f"Counting {name}…")
            self.run_worker(self._count(name), group=f"count {name}", exclusive=True)

    def action_remove(self) -> None:
        """Remove the current cohort, after a yes; while an active sync uses it, it stays."""
        if self.current:
            name = self.current.name
            cohorts = self.session.hub.cohorts
            self.ask_to_remove(
                name,
                "Its syncs that are over go with it; their runs stay. At the partners nothing is changed.",
                lambda: self.session.read(lambda: cohorts.remove(name)),
            )

    @on(Listing.Opened)
    def _open(self) -> None:
        self.action_count()

    async def _count(self, name: str) -> None:
        try:
            counted = await self.session.read(lambda: self.session.hub.cohorts.count(name))
        except HubError as error:
            failed(self, error)
        else:
            tell(self, f"{name} has {words.plural(counted.count, 'person', 'people')}.")
        self.read_soon()
