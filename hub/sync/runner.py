"""Running a sync: under the audience's lease, a run that somebody left is gone on with, or a new one is begun."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from hub.clock import now
from hub.connectors.connections import Connections
from hub.errors import Busy
from hub.store.lease import leased
from hub.store.tables import audiences, syncs
from hub.sync.approving import Decisions
from hub.sync.changing import served
from hub.sync.due import RETRY_ONCE_AFTER, is_due
from hub.sync.engine import Engine
from hub.sync.ledger import Ledger
from hub.sync.models import Report, Run
from hub.sync.ownership import Ownership
from hub.sync.rows import SyncRows, refuse_stopped
from hub.sync.schedule import Once, schedule_of
from hub.sync.states import ACTIVE, DONE, STOPPED, RunState
from hub.sync.triggers import ASIDE, Trigger

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.workspace import Workspace


class Runner:
    """Runs the syncs of one project, and carries out what people decided about held runs."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._cohorts = cohorts
        self._connections = connections
        self._rows = SyncRows(workspace.store, workspace.project.id)
        self._decisions = Decisions(workspace, cohorts, connections)
        self._ownership = Ownership(workspace.store, connections, workspace.project)

    async def run(self, name: str, trigger: str, report: Report, stop: threading.Event) -> Run:
        """Run a sync now, or go on with a run of its audience that was interrupted. See `Syncs.run`."""
        run: Run | None = None
        while run is None or run.sync != name:
            row = await asyncio.to_thread(self._rows.row, name)
            refuse_stopped(row)
            self._ownership.refuse_superseded(row)
            audience_id, gone = await asyncio.to_thread(self._ownership.take, row)
            what = f"The audience {row.audience_name!r}"
            async with leased(self._store, audiences, audience_id, what=what) as lease:
                ledger = Ledger(self._store, lease)
                engine = Engine(self._workspace, self._cohorts, self._connections, ledger)
                run = await self._unfinished(row, audience_id, gone, ledger, engine, report, stop)
                if run and run.sync != name and run.state is RunState.HELD:
                    continue  # it makes way, because this sync writes the audience now
                if not gone and (run is None or run.sync != name):
                    if trigger == Trigger.SCHEDULE and not is_due(self._store, self._rows, name, now()):
                        raise Busy(f"The sync {name} was run by another process a moment ago.")
                    version = self._cohorts.get(row.cohort_name).version
                    run_id = ledger.open_run(sync=row, audience_id=audience_id, trigger=trigger, cohort_version=version)
                    served(self._store, self._workspace.project, row)
                    run = await engine.carry_out(run_id, report, stop)
        await asyncio.to_thread(self._after, row, run)
        return run

    async def approve(self, run_id: int, reason: str, report: Report, stop: threading.Event) -> Run:
        """Let a held run be delivered, exactly as it was planned. See `Syncs.approve`."""
        row = await asyncio.to_thread(self._rows.row, self._decisions.sync_of(run_id))
        refuse_stopped(row)
        self._ownership.refuse_superseded(row)
        await asyncio.to_thread(self._decisions.approve, run_id, row, reason)
        return await self._decided(run_id, row, report, stop)

    async def refuse(self, run_id: int, reason: str) -> Run:
        """Let nothing leave of what a held run holds. See `Syncs.refuse`."""
        row = await asyncio.to_thread(self._rows.row, self._decisions.sync_of(run_id))
        await asyncio.to_thread(self._decisions.refuse, run_id, reason)
        return await self._decided(run_id, row, lambda progress: None, threading.Event())

    async def _decided(self, run_id: int, row: Row[Any], report: Report, stop: threading.Event) -> Run:
        run = await self._decisions.go_on(run_id, report, stop)
        await asyncio.to_thread(self._after, row, run)
        return run

    async def _unfinished(
        self,
        row: Row[Any],
        audience_id: int,
        gone: bool,
        ledger: Ledger,
        engine: Engine,
        report: Report,
        stop: threading.Event,
    ) -> Run | None:
        """Go on with the run of the audience that somebody left, whichever sync it is of; a held one waits on."""
        run_id = await asyncio.to_thread(ledger.unfinished, audience_id)
        if run_id is None:
            return None
        if (await asyncio.to_thread(ledger.row, run_id)).state == RunState.HELD:
            run = await self._decisions.at_tick(run_id, row, engine, gone=gone)
            if run is not None:
                served(self._store, self._workspace.project, row)
            return run
        await asyncio.to_thread(ledger.resume, run_id)
        left = await engine.carry_out(run_id, report, stop)
        return None if left.trigger == Trigger.VERIFY else left  # it sent nothing: the sync's own run is still to come

    def _after(self, row: Row[Any], run: Run) -> None:
        if run.trigger in ASIDE or row.state != ACTIVE or not isinstance(schedule_of(row), Once):
            return
        if run.state is RunState.DONE:
            self._set(row.id, state=DONE, next_run_at=None)
        elif run.state is RunState.REFUSED:
            self._set(row.id, state=STOPPED, next_run_at=None, message=run.message)
        else:
            self._set(row.id, next_run_at=now() + RETRY_ONCE_AFTER)

    def _set(self, sync_id: int, **values: Any) -> None:
        with self._store.writing() as connection:
            connection.execute(syncs.update().where(syncs.c.id == sync_id).values(updated_at=now(), **values))
