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
from hub.connectors.connections import STOPPED_STATES, Connections
from hub.errors import CredentialRefused, NotFound, UsageError
from hub.store.lease import leased
from hub.store.tables import audiences, cohorts, connections, runs, syncs
from hub.sync.changing import change
from hub.sync.engine import Engine
from hub.sync.ledger import Ledger
from hub.sync.models import Rejected, Report, Run, Sync
from hub.sync.ownership import Ownership
from hub.sync.removing import Removal, removal, retire, unfinished_runs
from hub.sync.rows import SyncRows
from hub.sync.schedule import next_tick
from hub.sync.states import FINAL, RunState

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.workspace import Workspace

ACTIVE, DONE, STOPPED, REMOVED = "active", "done", "stopped", "removed"
SHORTEST = timedelta(minutes=1)
RETRY_ONCE_AFTER = timedelta(minutes=15)
"""When a one-time sync whose run failed is due again."""


class Syncs:
    """The syncs of one project."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._cohorts = cohorts
        self._connections = connections
        self._ledger = Ledger(workspace.store)
        self._rows = SyncRows(workspace.store, workspace.project.id)
        self._ownership = Ownership(workspace.store, connections, workspace.project)

    def start(
        self,
        cohort: str,
        connection: str,
        *,
        every: timedelta | None,
        audience: str = "",
        name: str = "",
        mapping: Mapping[str, str] | None = None,
        stopped: bool = False,
    ) -> Sync:
        """Make a sync of a cohort to a connection; its first run is due at once.

        `every` is None for a one-time sync. `audience` is the name at the partner (empty: `hub: <cohort>`); an
        audience has one active sync, so an older one that writes it is stopped. `mapping` is target name at the
        partner -> profile property. With `stopped` it waits for `resume`, and stops no other. Raises
        NotFound, AlreadyExists (name) or UsageError; that too when an active sync writes an audience of another name,
        connection or project that is the same one to the partner.
        """
        _refuse_too_often(every)
        cohort_id = self._cohorts.get(cohort).id
        connection_id = self._connections.get(connection).id
        chosen = name or self._rows.free_name(f"{cohort}-{connection}")
        audience = audience or f"hub: {cohort}"
        at = now()
        with self._store.writing() as transaction:
            self._rows.refuse_taken(transaction, chosen)
            _still_there(transaction, cohorts, cohort_id, f"The cohort {cohort!r}")
            where = _still_there(transaction, connections, connection_id, f"The connection {connection!r}")
            if not stopped:
                self._take_over(transaction, where, audience, by=chosen)
            transaction.execute(
                syncs.insert().values(
                    project_id=self._workspace.project.id,
                    name=chosen,
                    cohort_id=cohort_id,
                    connection_id=connection_id,
                    audience_name=audience,
                    mapping=dict(mapping or {}),
                    every_seconds=None if every is None else int(every.total_seconds()),
                    state=STOPPED if stopped else ACTIVE,
                    next_run_at=None if stopped else at,
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

        A failed or partly refused run is a state of the result, not an error. Setting `stop` saves and ends it.
        Raises NotFound, Busy (somebody runs the audience), CredentialRefused (the connection is stopped),
        Interrupted, StoreError.
        """
        report = report or (lambda progress: None)
        stop = stop or threading.Event()
        run: Run | None = None
        while run is None or run.sync != name:
            row = await asyncio.to_thread(self._rows.row, name)
            self._refuse_stopped(row)
            self._refuse_superseded(row)
            audience_id, gone = await asyncio.to_thread(self._ownership.take, row)
            what = f"The audience {row.audience_name!r}"
            async with leased(self._store, audiences, audience_id, what=what) as lease:
                ledger = Ledger(self._store, lease)
                engine = Engine(self._workspace, self._cohorts, self._connections, ledger)
                run = await self._unfinished(audience_id, ledger, engine, report, stop)
                if not gone and (run is None or run.sync != name):
                    version = self._cohorts.get(row.cohort_name).version
                    run_id = ledger.open_run(sync=row, audience_id=audience_id, trigger=trigger, cohort_version=version)
                    self._tick(row)
                    run = await engine.carry_out(run_id, report, stop)
        await asyncio.to_thread(self._after, row, run)
        return run

    def list(self) -> list[Sync]:
        """Every sync with its last run, by name."""
        rows = self._rows.all()
        newest = self._ledger.newest([row.id for row in rows])
        return [_sync(row, newest.get(row.id)) for row in rows]

    def get(self, name: str) -> Sync:
        """The sync called `name`, with its last run. Raises NotFound with the nearest name."""
        return self._with_last_run(self._rows.row(name))

    def find(self, name: str) -> Sync:
        """The sync called `name`, else the one that was removed last under this name, whose state is `removed`."""
        return self._with_last_run(self._rows.row_or_removed(name))

    def _with_last_run(self, row: Row[Any]) -> Sync:
        last = self._ledger.runs(project_id=self._workspace.project.id, sync_id=row.id, limit=1)
        return _sync(row, last[0] if last else None)

    def runs(self, name: str = "", *, limit: int = 100) -> Sequence[Run]:
        """The newest runs, of one sync (a removed one too, as `find`) or of all, newest first."""
        sync_id = self._rows.row_or_removed(name).id if name else None
        return self._ledger.runs(project_id=self._workspace.project.id, sync_id=sync_id, limit=limit)

    def quarrels(self) -> Sequence[str]:
        """A sentence for each active sync that does not run, because an older one writes the same audience."""
        return self._ownership.quarrels()

    def rejected(self, run_id: int, *, limit: int = 200) -> Sequence[Rejected]:
        """Members that the partner refused in a run and has not taken since."""
        return self._ledger.rejected(run_id, limit)

    def change(self, name: str, *, every: timedelta | None, mapping: Mapping[str, str]) -> Sync:
        """Let a sync run every so often (None: once) with that mapping, from its next run on. Raises NotFound."""
        _refuse_too_often(every)
        change(self._store, self._rows.row(name), every=every, mapping=mapping)
        return self.get(name)

    def stop(self, name: str) -> Sync:
        """Take a sync off the schedule. What the partner holds stays as it is."""
        self._set(self._rows.row(name).id, state=STOPPED, next_run_at=None, message="Stopped by hand.")
        return self.get(name)

    def resume(self, name: str) -> Sync:
        """Put a stopped sync back on the schedule, due at once.

        Raises UsageError when another active sync writes its audience.
        """
        row = self._rows.row(name)
        self._refuse_superseded(row)
        self._set(row.id, state=ACTIVE, next_run_at=now(), message="")
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

    def due(self, at: datetime) -> Sequence[str]:
        """The names of the active syncs that are due at `at`, or whose run somebody left; the longest waiting first."""
        left = (
            select(runs.c.sync_id)
            .join(audiences, audiences.c.id == runs.c.audience_id)
            .where(
                runs.c.state.not_in([state.value for state in FINAL]),
                audiences.c.lease_until.is_(None) | (audiences.c.lease_until <= at),
            )
        )
        query = (
            select(syncs.c.name)
            .where(
                syncs.c.project_id == self._workspace.project.id,
                syncs.c.state == ACTIVE,
                syncs.c.removed_at.is_(None),
                (syncs.c.next_run_at <= at) | syncs.c.id.in_(left),
            )
            .order_by(syncs.c.next_run_at)
        )
        with self._store.reading() as connection:
            return [*connection.execute(query).scalars()]

    async def _unfinished(
        self, audience_id: int, ledger: Ledger, engine: Engine, report: Report, stop: threading.Event
    ) -> Run | None:
        """Go on with the run of the audience that somebody left, whichever sync it is of."""
        run_id = await asyncio.to_thread(ledger.unfinished, audience_id)
        if run_id is None:
            return None
        await asyncio.to_thread(ledger.resume, run_id)
        return await engine.carry_out(run_id, report, stop)

    def _tick(self, row: Row[Any]) -> None:
        """Move a dynamic sync's clock on, once its run is written down: whoever is killed in between is due again."""
        if row.every_seconds is None or row.next_run_at is None or row.next_run_at > now():
            return
        following, missed = next_tick(row.next_run_at, timedelta(seconds=row.every_seconds), now())
        self._set(row.id, next_run_at=following, missed=row.missed + missed)

    def _after(self, row: Row[Any], run: Run) -> None:
        if row.every_seconds is not None or row.state != ACTIVE:
            return
        if run.state is RunState.DONE:
            self._set(row.id, state=DONE, next_run_at=None)
        else:
            self._set(row.id, next_run_at=now() + RETRY_ONCE_AFTER)

    def _refuse_stopped(self, row: Row[Any]) -> None:
        if row.connection_state in STOPPED_STATES:
            raise CredentialRefused(
                f"The connection {row.connection_name} is stopped: {row.connection_message}",
                hint=f"Mend it with `hub connection edit {row.connection_name}`; "
                f"`hub connection check {row.connection_name}` tells whether it works.",
            )

    def _refuse_superseded(self, row: Row[Any]) -> None:
        writer = self._ownership.rival(row)
        if writer is not None:
            raise self._ownership.refusal(writer, row.audience_name, row.connection_id)

    def _take_over(self, transaction: Transaction, where: Row[Any], audience: str, *, by: str) -> None:
        """Stop the sync that writes the audience so far, if it is the very one that was named; refuse any other."""
        for writer in self._ownership.writers(transaction, self._ownership.spot(where, audience)):
            if (writer.connection_id, writer.audience_name) != (where.id, audience):
                raise self._ownership.refusal(writer, audience, where.id)
            transaction.execute(
                syncs.update()
                .where(syncs.c.id == writer.id)
                .values(
                    state=STOPPED,
                    message=f"The sync {by} writes this audience now.",
                    next_run_at=None,
                    updated_at=now(),
                )
            )

    def _set(self, sync_id: int, **values: Any) -> None:
        with self._store.writing() as connection:
            connection.execute(syncs.update().where(syncs.c.id == sync_id).values(updated_at=now(), **values))


def _refuse_too_often(every: timedelta | None) -> None:
    if every is not None and every < SHORTEST:
        raise UsageError("A sync runs every minute at most.", hint="Give --every 1m or longer.")


def _still_there(transaction: Transaction, table: Table, key: int, what: str) -> Row[Any]:
    found: Row[Any] | None = transaction.execute(
        select(table).where(table.c.id == key, table.c.removed_at.is_(None))
    ).first()
    if found is None:
        raise NotFound(f"{what} was removed a moment ago.")
    return found


def _sync(row: Row[Any], last_run: Run | None) -> Sync:
    return Sync(
        id=row.id,
        name=row.name,
        cohort=row.cohort_name,
        connection=row.connection_name,
        audience=row.audience_name,
        every=None if row.every_seconds is None else timedelta(seconds=row.every_seconds),
        mapping=row.mapping,
        state=REMOVED if row.removed_at else row.state,
        message=row.message,
        next_run_at=row.next_run_at,
        missed=row.missed,
        created_at=row.created_at,
        last_run=last_run,
    )
