"""Syncs as people and schedules use them: start, run, list, stop."""

from __future__ import annotations

import asyncio
import difflib
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.clock import now
from hub.connectors.connections import STOPPED_STATES, Connections
from hub.errors import AlreadyExists, CredentialRefused, NotFound, UsageError
from hub.store.lease import leased
from hub.store.tables import audiences, cohorts, connections, runs, syncs
from hub.sync.engine import Engine
from hub.sync.ledger import Ledger
from hub.sync.models import Rejected, Report, Run, Sync
from hub.sync.schedule import next_tick
from hub.sync.states import FINAL, RunState

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.workspace import Workspace

ACTIVE, DONE, STOPPED = "active", "done", "stopped"
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

    def start(
        self,
        cohort: str,
        connection: str,
        *,
        every: timedelta | None,
        audience: str = "",
        name: str = "",
        mapping: Mapping[str, str] | None = None,
    ) -> Sync:
        """Make a sync of a cohort to a connection; its first run is due at once.

        `every` is None for a one-time sync. `audience` is the name at the partner (empty: `hub: <cohort>`); an
        audience has one active sync, so an older one that writes it is stopped. `mapping` is target name at the
        partner -> profile property. Raises NotFound, AlreadyExists (name) or UsageError.
        """
        if every is not None and every < SHORTEST:
            raise UsageError("A sync runs every minute at most.", hint="Give --every 1m or longer.")
        cohort_id = self._cohorts.get(cohort).id
        connection_id = self._connections.get(connection).id
        chosen = name or self._free_name(f"{cohort}-{connection}")
        audience = audience or f"hub: {cohort}"
        at = now()
        with self._store.writing() as transaction:
            if transaction.execute(self._named(chosen)).first():
                raise AlreadyExists(f"There is a sync {chosen!r} already.", hint="Choose another with --name.")
            transaction.execute(
                syncs.update()
                .where(
                    syncs.c.connection_id == connection_id,
                    syncs.c.audience_name == audience,
                    syncs.c.state == ACTIVE,
                )
                .values(
                    state=STOPPED,
                    message=f"The sync {chosen} writes this audience now.",
                    next_run_at=None,
                    updated_at=at,
                )
            )
            transaction.execute(
                syncs.insert().values(
                    project_id=self._workspace.project.id,
                    name=chosen,
                    cohort_id=cohort_id,
                    connection_id=connection_id,
                    audience_name=audience,
                    mapping=dict(mapping or {}),
                    every_seconds=None if every is None else int(every.total_seconds()),
                    state=ACTIVE,
                    next_run_at=at,
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
            row = await asyncio.to_thread(self._row, name)
            self._refuse_stopped(row)
            self._refuse_superseded(row)
            audience_id, gone = await asyncio.to_thread(self._audience, row)
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
        with self._store.reading() as connection:
            rows = connection.execute(self._query().order_by(syncs.c.name)).all()
        newest = self._ledger.newest([row.id for row in rows])
        return [_sync(row, newest.get(row.id)) for row in rows]

    def get(self, name: str) -> Sync:
        """The sync called `name`, with its last run. Raises NotFound with the nearest name."""
        row = self._row(name)
        last = self._ledger.runs(project_id=self._workspace.project.id, sync_id=row.id, limit=1)
        return _sync(row, last[0] if last else None)

    def runs(self, name: str = "", *, limit: int = 100) -> Sequence[Run]:
        """The newest runs, of one sync or of all, newest first."""
        sync_id = self._row(name).id if name else None
        return self._ledger.runs(project_id=self._workspace.project.id, sync_id=sync_id, limit=limit)

    def rejected(self, run_id: int, *, limit: int = 200) -> Sequence[Rejected]:
        """Members that the partner refused in a run and has not taken since."""
        return self._ledger.rejected(run_id, limit)

    def stop(self, name: str) -> Sync:
        """Take a sync off the schedule. What the partner holds stays as it is."""
        self._set(self._row(name).id, state=STOPPED, next_run_at=None, message="Stopped by hand.")
        return self.get(name)

    def resume(self, name: str) -> Sync:
        """Put a stopped sync back on the schedule, due at once.

        Raises UsageError when another active sync writes its audience.
        """
        row = self._row(name)
        rival = self._owner(row)
        if rival and rival != name:
            raise UsageError(
                f"The sync {rival} writes the audience {row.audience_name!r} now.", hint=f"Stop {rival} first."
            )
        self._set(row.id, state=ACTIVE, next_run_at=now(), message="")
        return self.get(name)

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

    def _audience(self, row: Row[Any]) -> tuple[int, bool]:
        """The audience of a sync, and whether it is gone at the partner.

        It is the one of that name on the connection. One that is gone is left for a new one when its run has ended.
        """
        unfinished = runs.c.state.not_in([state.value for state in FINAL])
        query = (
            select(audiences.c.id, audiences.c.gone_at)
            .where(
                audiences.c.connection_id == row.connection_id,
                audiences.c.name == row.audience_name,
                audiences.c.gone_at.is_(None) | audiences.c.id.in_(select(runs.c.audience_id).where(unfinished)),
            )
            .order_by(audiences.c.id)
        )
        with self._store.writing() as connection:
            found = connection.execute(query).first()
            if found is not None:
                return found.id, found.gone_at is not None
            inserted = audiences.insert().values(
                connection_id=row.connection_id, name=row.audience_name, created_at=now()
            )
            return int(connection.execute(inserted.returning(audiences.c.id)).scalar_one()), False

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
        rival = self._owner(row)
        if row.state != ACTIVE and rival:
            raise UsageError(
                f"The sync {rival} writes the audience {row.audience_name!r} now.", hint=f"Stop {rival} first."
            )

    def _owner(self, row: Row[Any]) -> str | None:
        query = select(syncs.c.name).where(
            syncs.c.connection_id == row.connection_id,
            syncs.c.audience_name == row.audience_name,
            syncs.c.state == ACTIVE,
        )
        with self._store.reading() as connection:
            return connection.execute(query).scalar()

    def _set(self, sync_id: int, **values: Any) -> None:
        with self._store.writing() as connection:
            connection.execute(syncs.update().where(syncs.c.id == sync_id).values(updated_at=now(), **values))

    def _query(self) -> Any:
        return (
            select(
                syncs,
                cohorts.c.name.label("cohort_name"),
                connections.c.name.label("connection_name"),
                connections.c.state.label("connection_state"),
                connections.c.message.label("connection_message"),
            )
            .join(cohorts, cohorts.c.id == syncs.c.cohort_id)
            .join(connections, connections.c.id == syncs.c.connection_id)
            .where(syncs.c.project_id == self._workspace.project.id)
        )

    def _named(self, name: str) -> Any:
        return select(syncs.c.id).where(syncs.c.project_id == self._workspace.project.id, syncs.c.name == name)

    def _row(self, name: str) -> Row[Any]:
        with self._store.reading() as connection:
            found: Row[Any] | None = connection.execute(self._query().where(syncs.c.name == name)).first()
            if found:
                return found
            names = connection.execute(
                select(syncs.c.name).where(syncs.c.project_id == self._workspace.project.id)
            ).scalars()
            known = [*names]
        near = difflib.get_close_matches(name, known, n=1)
        listed = ", ".join(sorted(known)) or "none yet; make one with `hub sync start`"
        raise NotFound(
            f"There is no sync {name!r}.", hint=f"Did you mean {near[0]}?" if near else f"There are: {listed}."
        )

    def _free_name(self, wanted: str) -> str:
        with self._store.reading() as connection:
            names = connection.execute(
                select(syncs.c.name).where(syncs.c.project_id == self._workspace.project.id)
            ).scalars()
            taken = {*names}
        if wanted not in taken:
            return wanted
        return next(f"{wanted}-{number}" for number in range(2, len(taken) + 3) if f"{wanted}-{number}" not in taken)


def _sync(row: Row[Any], last_run: Run | None) -> Sync:
    return Sync(
        id=row.id,
        name=row.name,
        cohort=row.cohort_name,
        connection=row.connection_name,
        audience=row.audience_name,
        every=None if row.every_seconds is None else timedelta(seconds=row.every_seconds),
        mapping=row.mapping,
        state=row.state,
        message=row.message,
        next_run_at=row.next_run_at,
        missed=row.missed,
        created_at=row.created_at,
        last_run=last_run,
    )
