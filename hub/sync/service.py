"""Syncs as people and schedules use them: start, run, list, stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, Table, select

from hub.clock import now
from hub.connectors.connections import Connections
from hub.errors import NotFound
from hub.store.lease import leased
from hub.store.tables import audiences, cohorts, connections, runs, syncs
from hub.sync.attempts import Attempt
from hub.sync.attempts_reading import attempts_of
from hub.sync.changing import begun, change, pause, resume
from hub.sync.due import due_syncs, is_due
from hub.sync.engine import Engine
from hub.sync.freshness import freshness_of, set_within
from hub.sync.guards import Thresholds
from hub.sync.ledger import Ledger
from hub.sync.mapping import checked
from hub.sync.models import Rejected, Report, Run, Sync
from hub.sync.ownership import Ownership
from hub.sync.preview import Preview, preview
from hub.sync.removing import Removal, removal, retire, unfinished_runs
from hub.sync.repairs import Repairs
from hub.sync.rows import SyncRows, sync_of
from hub.sync.runner import Runner
from hub.sync.runs import Runs
from hub.sync.schedule import Every, Once, Schedule, schedule_of
from hub.sync.states import ACTIVE, STOPPED, Leavers
from hub.sync.thresholds import refuse_leavers, set_leavers, set_thresholds

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.workspace import Workspace


class Syncs(Repairs):
    """The syncs of one project."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections) -> None:
        super().__init__(workspace, cohorts, connections)
        self._workspace = workspace
        self._store = workspace.store
        self._cohorts = cohorts
        self._connections = connections
        self._ledger = Ledger(workspace.store)
        self._runs = Runs(workspace.store)
        self._rows = SyncRows(workspace.store, workspace.project.id)
        self._ownership = Ownership(workspace.store, connections, workspace.project)
        self._runner = Runner(workspace, cohorts, connections)

    def start(
        self,
        cohort: str,
        connection: str,
        *,
        every: timedelta | None = None,
        schedule: Schedule | None = None,
        audience: str = "",
        name: str = "",
        mapping: Mapping[str, Any] | None = None,
        leavers: Leavers | None = None,
        stopped: bool = False,
    ) -> Sync:
        """Make a sync of a cohort to a connection.

        It runs by `schedule`; `every` is short for `Every(...)`, and with neither it runs once. An interval, and a
        one-time sync, is due at once; a cron schedule at its next time; a follower when its leader has run.
        `audience` is the name at the partner (empty: `hub: <cohort>`); an
        audience has one active sync, so an older one that writes it is stopped. `mapping` is target name at the partner
        -> field (`hub.sync.mapping`). `leavers` is what becomes of those who leave (None: they are removed where the
        connector can). With `stopped` it waits for `resume`, and stops no other. Raises
        NotFound, AlreadyExists (name) or UsageError; that too when an active sync writes an audience of another name,
        connection or project that is the same one to the partner.
        """
        chosen_schedule = schedule or (Once() if every is None else Every(every))
        cohort_id = self._cohorts.get(cohort).id
        connection_id, kind = self._connections.get(connection).id, self._connections.kind(connection)
        kept = checked(mapping or {}, kind)
        if leavers:
            refuse_leavers(leavers, kind)
        chosen = name or self._rows.free_name(f"{cohort}-{connection}")
        audience = audience or f"hub: {cohort}"
        at = now()
        with self._store.writing() as transaction:
            self._rows.refuse_taken(transaction, chosen)
            _still_there(transaction, cohorts, cohort_id, f"The cohort {cohort!r}")
            where = _still_there(transaction, connections, connection_id, f"The connection {connection!r}")
            if not stopped:
                self._ownership.take_over(transaction, where, audience, by=chosen)
            scheduled = begun(transaction, self._workspace.project, chosen_schedule)
            transaction.execute(
                syncs.insert().values(
                    project_id=self._workspace.project.id,
                    name=chosen,
                    cohort_id=cohort_id,
                    connection_id=connection_id,
                    audience_name=audience,
                    mapping=kept,
                    leavers=(leavers or Leavers.REMOVE).value,
                    state=STOPPED if stopped else ACTIVE,
                    **(scheduled | ({"next_run_at": None} if stopped else {})),
                    created_at=at,
                    updated_at=at,
                )
            )
        return self.get(chosen)

    async def run(
        self,
        name: str,
        *,
        trigger: str = "manual",
        report: Report | None = None,
        stop: threading.Event | None = None,
    ) -> Run:
        """Run a sync now, or go on with a run of it that was interrupted, and return how it ended.

        With the trigger `schedule` it runs only if it is still due: another process may have been quicker. A failed or
        partly refused run is a state of the result, not an error. Setting `stop` saves and ends it.
        Raises NotFound, Busy (somebody runs the audience, or has run it), CredentialRefused (the connection is
        stopped), Interrupted, StoreError.
        """
        return await self._runner.run(name, trigger, report or (lambda progress: None), stop or threading.Event())

    async def approve(
        self, run_id: int, *, reason: str = "", report: Report | None = None, stop: threading.Event | None = None
    ) -> Run:
        """Let a held run be delivered, exactly as it was planned, and return how it ended.

        Killed in the middle, the next run goes on with it. Raises NotFound, UsageError (it does not wait any more:
        somebody was quicker), Held (the world has moved since it was planned), and as `run`.
        """
        return await self._runner.approve(run_id, reason, report or (lambda progress: None), stop or threading.Event())

    async def refuse(self, run_id: int, *, reason: str = "") -> Run:
        """Let nothing leave of what a held run holds. The next run plans anew. Raises NotFound, UsageError."""
        return await self._runner.refuse(run_id, reason)

    def plan(self, name: str) -> Preview:
        """What a run of a sync would do now, and whether a guard would hold it. Changes nothing. Raises NotFound."""
        row = self._rows.row(name)
        return preview(self._workspace, self._connections, self._ownership, self._ledger, row)

    def guard(self, name: str, *, anew: bool = False, **values: Any) -> Thresholds:
        """Set thresholds of a sync's guards (the fields of `Thresholds`), and return them all.

        With `anew` all others are the hub's own again. What is held already is judged again at the next tick.
        """
        row = self._rows.row(name)
        if values or anew:
            return set_thresholds(self._store, row, values, anew=anew)
        return Thresholds.model_validate(row.guards)

    def leavers(self, name: str, leavers: Leavers) -> Sync:
        """Choose what becomes of those who leave the cohort. Raises NotFound, UsageError (the connector cannot)."""
        row = self._rows.row(name)
        set_leavers(self._store, row, leavers, self._connections.kind(row.connection_name))
        return self.get(name)

    def list(self, *, at: datetime | None = None) -> list[Sync]:
        """Every sync with its last run, by name, and how fresh it is at `at` (None: now)."""
        rows = self._rows.all()
        newest = self._runs.newest([row.id for row in rows])
        fresh = freshness_of(self._store, rows, newest, self._workspace.project.timezone, at)
        return [sync_of(row, newest.get(row.id), fresh[row.id]) for row in rows]

    def freshness(self, name: str, *, within: timedelta | None = None, usual: bool = False) -> Sync:
        """Say how old a change may become before the sync is late; with `usual` its schedule says so again.

        Raises NotFound, UsageError (shorter than a minute).
        """
        if within is not None or usual:
            set_within(self._store, self._rows.row(name).id, within)
        return self.get(name)

    def get(self, name: str) -> Sync:
        """The sync called `name`, with its last run. Raises NotFound with the nearest name."""
        return self._with_last_run(self._rows.row(name))

    def find(self, name: str) -> Sync:
        """The sync called `name`, else the one that was removed last under this name, whose state is `removed`."""
        return self._with_last_run(self._rows.row_or_removed(name))

    def _with_last_run(self, row: Row[Any]) -> Sync:
        project = self._workspace.project
        newest = self._runs.newest([row.id])
        return sync_of(row, newest.get(row.id), freshness_of(self._store, [row], newest, project.timezone)[row.id])

    def runs(self, name: str = "", *, limit: int = 100) -> Sequence[Run]:
        """The newest runs, of one sync (a removed one too, as `find`) or of all, newest first."""
        sync_id = self._rows.row_or_removed(name).id if name else None
        return self._runs.of_project(self._workspace.project.id, sync_id=sync_id, limit=limit)

    def quarrels(self) -> Sequence[str]:
        """A sentence for each active sync that does not run, because an older one writes the same audience."""
        return self._ownership.quarrels()

    def rejected(self, run_id: int, *, limit: int = 200) -> Sequence[Rejected]:
        """Members that the partner refused in a run and has not taken since."""
        return self._ledger.refused.of_run(run_id, limit)

    def change(self, name: str, *, schedule: Schedule | None = None, mapping: Mapping[str, Any] | None = None) -> Sync:
        """Let a sync run by that schedule and with that mapping, from its next run on; what is None stays as it is.

        Raises NotFound (it, or the sync that it is to follow), UsageError when syncs would wait for each other.
        """
        row = self._rows.row(name)
        schedule = schedule or schedule_of(row)
        mapping = row.mapping if mapping is None else checked(mapping, self._connections.kind(row.connection_name))
        change(self._store, self._workspace.project, row, schedule=schedule, mapping=mapping)
        return self.get(name)

    def pause(self, name: str) -> Sync:
        """Let a sync wait, with its audience, until it is resumed; ticks that come meanwhile are counted as missed.

        Raises NotFound, UsageError when it is not active.
        """
        pause(self._store, self._rows.row(name))
        return self.get(name)

    def stop(self, name: str) -> Sync:
        """Take a sync off the schedule. What the partner holds stays as it is."""
        self._set(self._rows.row(name).id, state=STOPPED, next_run_at=None, paused_at=None, message="Stopped by hand.")
        return self.get(name)

    def resume(self, name: str) -> Sync:
        """Let a paused sync go on where it was; put a stopped one back on the schedule, due at once.

        Raises UsageError when another active sync writes its audience.
        """
        row = self._rows.row(name)
        self._ownership.refuse_superseded(row)
        resume(self._store, row)
        return self.get(name)

    def removal(self, name: str) -> Removal:
        """What would stay if the sync were removed now. Raises NotFound."""
        return removal(self._workspace, self._ownership, self._rows.row(name))

    async def remove(self, name: str) -> Removal:
        """Remove a sync, and tell what stays. Its name is free then; the ledger keeps its runs.

        The partner is not asked: who is in the audience stays in it. A run of it that was interrupted is ended, and
        what it had delivered is kept. Raises NotFound, and Busy while somebody runs it.
        """
        row = await asyncio.to_thread(self._rows.row, name)
        for run_id, audience_id in await asyncio.to_thread(unfinished_runs, self._store, row.id):
            async with leased(self._store, audiences, audience_id, what=f"The sync {name}") as lease:
                engine = Engine(self._workspace, self._cohorts, self._connections, Ledger(self._store, lease))
                await engine.end(run_id, "The sync was removed.")
        left = await asyncio.to_thread(self.removal, name)
        await asyncio.to_thread(retire, self._store, row.id)
        return left

    def attempts(self, run_id: int, *, batch: int | None = None) -> Sequence[Attempt]:
        """Every attempt of a run of this project, or of one batch of it, the oldest first. Raises NotFound."""
        with self._store.reading() as connection:
            ours = (
                select(runs.c.id)
                .join(syncs)
                .where(runs.c.id == run_id, syncs.c.project_id == self._workspace.project.id)
            )
            if connection.execute(ours).first() is None:
                raise NotFound(f"There is no run {run_id}.", hint="`hub sync show NAME` lists the runs of a sync.")
        return attempts_of(self._workspace, run_id, batch=batch)

    def due(self, at: datetime) -> Sequence[str]:
        """The names of the active syncs that are due at `at`, or whose run somebody left; the longest waiting first."""
        return [each.name for each in due_syncs(self._store, at, project_id=self._workspace.project.id)]

    def is_due(self, name: str, at: datetime) -> bool:
        """Whether a sync is due at `at`; not so if it was removed meanwhile."""
        return is_due(self._store, self._rows, name, at)

    def _set(self, sync_id: int, **values: Any) -> None:
        with self._store.writing() as connection:
            connection.execute(syncs.update().where(syncs.c.id == sync_id).values(updated_at=now(), **values))


def _still_there(transaction: Transaction, table: Table, key: int, what: str) -> Row[Any]:
    found: Row[Any] | None = transaction.execute(
        select(table).where(table.c.id == key, table.c.removed_at.is_(None))
    ).first()
    if found is None:
        raise NotFound(f"{what} was removed a moment ago.")
    return found
