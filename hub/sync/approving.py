"""What a person says about a held run: approve it, or refuse it."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.errors import Busy, Held, NotFound, UsageError
from hub.store.lease import leased
from hub.store.tables import audiences, runs, syncs
from hub.sync.engine import Engine
from hub.sync.holding import APPROVED, REFUSED, REPLACED, end_wait, moved_since, not_waiting, replaced_by
from hub.sync.ledger import Ledger
from hub.sync.runs import Runs
from hub.sync.states import RunState

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.connectors.connections import Connections
    from hub.sync.models import Report, Run
    from hub.workspace import Workspace


class Decisions:
    """The held runs of one project, and what becomes of them."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._engine_of = partial(Engine, workspace, cohorts, connections)

    def sync_of(self, run_id: int) -> str:
        """The name of the sync that a run of this project is of. Raises NotFound."""
        query = (
            select(syncs.c.name)
            .join(runs, runs.c.sync_id == syncs.c.id)
            .where(runs.c.id == run_id, syncs.c.project_id == self._workspace.project.id)
        )
        with self._store.reading() as connection:
            name: str | None = connection.execute(query).scalar()
        if name is None:
            raise NotFound(f"There is no run {run_id}.", hint="`hub sync list` shows the last run of each sync.")
        return name

    def approve(self, run_id: int, sync: Row[Any], reason: str) -> None:
        """Let a held run of `sync` (a row with its cohort's name) be delivered, exactly as it was planned.

        Raises UsageError when it does not wait (any more), and says who was quicker; Held when the world has moved
        since it was planned.
        """
        run = Ledger(self._store).row(run_id)
        if run.state != RunState.HELD:
            raise UsageError(not_waiting(run))
        if said := moved_since(self._workspace, run=run, sync=sync, cohort=sync.cohort_name):
            raise Held(
                f"The world has moved since run {run_id} was planned, and nothing was sent. {' '.join(said)}",
                hint=f"`hub sync run {sync.name}` plans anew, and asks again if it has to.",
            )
        end_wait(self._store, run_id, APPROVED, by=self._workspace.settings.who, reason=reason.strip())

    def refuse(self, run_id: int, reason: str) -> None:
        """Let nothing that is held leave. Raises UsageError as `approve`."""
        who, reason = self._workspace.settings.who, reason.strip()
        said = f"Refused by {who}{f': {reason}' if reason else ''}."
        end_wait(self._store, run_id, REFUSED, by=who, reason=reason, message=said)

    async def go_on(self, run_id: int, report: Report, stop: threading.Event) -> Run:
        """Take a run about which was decided to its end. When somebody else does so already, it is left to them."""
        ledger = Ledger(self._store)
        row = await asyncio.to_thread(ledger.row, run_id)
        try:
            async with leased(self._store, audiences, row.audience_id, what=f"Run {run_id}") as lease:
                return await self._engine_of(Ledger(self._store, lease)).carry_out(run_id, report, stop)
        except Busy:
            return await asyncio.to_thread(Runs(self._store).get, run_id)

    async def at_tick(self, run_id: int, sync: Row[Any], engine: Engine, *, gone: bool) -> Run | None:
        """What becomes of a held run when `sync`, which writes its audience, is to run: it waits on, and is returned.

        When it is not what would be planned now (`gone`: the audience is no more), it makes way, and None is returned.
        Whoever calls this holds the audience's lease.
        """
        ledger = Ledger(self._store)
        run = await asyncio.to_thread(ledger.row, run_id)
        why = await asyncio.to_thread(
            partial(replaced_by, self._workspace, run=run, sync=sync, cohort=sync.cohort_name)
        )
        if gone:
            why.append("The audience is gone at the partner.")
        if not why:
            return await asyncio.to_thread(Runs(self._store).get, run_id)
        message = f"It made way for a new run. {' '.join(why)}"
        try:
            await asyncio.to_thread(partial(end_wait, self._store, run_id, REPLACED, message=message))
        except UsageError:  # somebody decided a moment ago
            return await engine.carry_out(run_id, lambda progress: None, threading.Event())
        await engine.carry_out(run_id, lambda progress: None, threading.Event())
        return None
