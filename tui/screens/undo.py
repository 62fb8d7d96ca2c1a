"""Taking a run back: what it would do in numbers, a yes, and a run of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.screen import Screen

from hub.errors import HubError
from hub.sync.states import RunState
from tui import words
from tui.screens.confirm import ConfirmScreen
from tui.telling import failed, tell

if TYPE_CHECKING:
    from hub.sync.models import Run
    from tui.session import Session


async def ask_to_undo(where: Screen[None], session: Session, run: Run) -> None:
    """Show what taking `run` back would do, and do so after a yes."""
    try:
        found = await session.read(lambda: session.hub.syncs.undoing(run.id))
    except HubError as error:
        failed(where, error)
        return

    async def taken_back() -> None:
        try:
            done = await session.undo(run, found.plan.digest)
        except HubError as error:
            failed(where, error)
        else:
            said = f"Run {done.id} is {words.state(done).lower()}. {words.result_in_words(done)}. {done.message}"
            paused = f" {run.sync} is paused; r on it lets it go on." if found.pauses else ""
            well = done.state is RunState.DONE
            tell(where, f"{said.strip()}{paused}", severity="information" if well else "warning")

    def answer(yes: bool | None) -> None:
        if yes:
            where.app.run_worker(taken_back())  # of the app: it goes on when this screen is left

    where.app.push_screen(
        ConfirmScreen(f"Take back run {run.id}?", words.undo_in_words(found), yes="Take back"), answer
    )
