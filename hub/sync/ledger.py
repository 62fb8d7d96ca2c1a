"""The ledger of runs and batches in the control plane: written before a batch leaves and after its answer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, select

from hub.clock import now
from hub.errors import NotFound
from hub.store.lease import Lease, writing_under
from hub.store.store import Store
from hub.store.tables import batches, cohorts, runs, syncs
from hub.sync.batches import Batch, batch_of
from hub.sync.guards import Scope
from hub.sync.noting import Notes
from hub.sync.refused import RefusedMembers
from hub.sync.states import FINAL, Action, BatchState, RunState, moved

_FINAL_STATES = [state.value for state in FINAL]


class Ledger:
    """What is written down of runs and their batches. Each method is one short transaction.

    With the `lease` of an audience, every method that writes raises Busy once somebody else has taken it over.
    """

    def __init__(self, store: Store, lease: Lease | None = None) -> None:
        self._store = store
        self.lease = self._lease = lease
        self.refused = RefusedMembers(store, lease)

    def open_run(self, *, sync: Row[Any], audience_id: int, trigger: str, cohort_version: int) -> int:
        """Write down a new run of `sync`, ready to be evaluated; returns its id.

        Raises NotFound when the sync has been removed.
        """
        with self._writing() as connection:
            _refuse_removed(connection, sync)
            return write_run(
                connection,
                sync,
                audience_id=audience_id,
                state=RunState.EVALUATING,
                trigger=trigger,
                mapping=sync.mapping,
                cohort_version=cohort_version,
            )

    def unfinished(self, audience_id: int) -> int | None:
        """The run of the audience that has not ended, if there is one."""
        query = select(runs.c.id).where(runs.c.audience_id == audience_id, runs.c.state.not_in(_FINAL_STATES))
        with self._store.reading() as connection:
            return connection.execute(query.order_by(runs.c.id)).scalar()

    def row(self, run_id: int) -> Row[Any]:
        """The row of a run."""
        with self._store.reading() as connection:
            return connection.execute(select(runs).where(runs.c.id == run_id)).one()

    def note(self, run_id: int, **values: Any) -> None:
        """Write figures of a run."""
        with self._writing() as connection:
            connection.execute(runs.update().where(runs.c.id == run_id).values(**values))

    def move(self, run_id: int, to: RunState, **values: Any) -> None:
        """Move a run to its next state, with what is known by then. Raises ValueError for a move that is not one."""
        with self._writing() as connection:
            state = connection.execute(select(runs.c.state).where(runs.c.id == run_id)).scalar_one()
            values["state"] = moved(RunState(state), to)
            if to in FINAL:
                values["finished_at"] = now()
            connection.execute(runs.update().where(runs.c.id == run_id).values(**values))

    def plan(
        self,
        run_id: int,
        planned: Sequence[tuple[Action, int, int]],
        *,
        hold: Scope | None = None,
        **values: Any,
    ) -> None:
        """Fix a run's plan: its batches, as (action, first row, size), and its figures; it may be delivered now.

        What `hold` says waits for a person. When nothing else is to leave, so does the run.
        """
        rows = [
            {
                "run_id": run_id,
                "number": number,
                "action": action.value,
                "first_row": first,
                "size": size,
                "state": (BatchState.HELD if _waits(action, hold) else BatchState.PLANNED).value,
            }
            for number, (action, first, size) in enumerate(planned, start=1)
        ]
        with self._writing() as connection:
            now_in = RunState(connection.execute(select(runs.c.state).where(runs.c.id == run_id)).scalar_one())
            connection.execute(batches.delete().where(batches.c.run_id == run_id))
            if rows:
                connection.execute(batches.insert(), rows)
            state = RunState.DELIVERING
            if hold and all(row["state"] == BatchState.HELD for row in rows):
                state, values["held_at"] = RunState.HELD, now()
            connection.execute(runs.update().where(runs.c.id == run_id).values(state=moved(now_in, state), **values))

    def batches(self, run_id: int, *states: BatchState) -> list[Batch]:
        """The batches of a run (in these states, or all), in order."""
        query = select(batches).where(batches.c.run_id == run_id).order_by(batches.c.number)
        if states:
            query = query.where(batches.c.state.in_(states))
        with self._store.reading() as connection:
            return [batch_of(row) for row in connection.execute(query)]

    def resume(self, run_id: int) -> int:
        """Note that a run is gone on with. Returns how many of its batches were under way, without an answer."""
        with self._writing() as connection:
            connection.execute(runs.update().where(runs.c.id == run_id).values(resumed=runs.c.resumed + 1))
            return connection.execute(
                batches.update()
                .where(batches.c.run_id == run_id, batches.c.state == BatchState.SENT)
                .values(state=BatchState.PLANNED, lost_answers=batches.c.lost_answers + 1)
            ).rowcount

    def notes(self, audience_id: int, version: str) -> Notes:
        """What is noted of the batches of an audience while they are delivered by a connector of that version."""
        return Notes(self._store, self._lease, audience_id=audience_id, version=version)

    def stop_delivering(self, run_id: int, **values: Any) -> None:
        """Let no further batch of a run leave: those that have no answer are owed, and the run can be settled."""
        of_run = batches.update().where(batches.c.run_id == run_id)
        with self._writing() as connection:
            connection.execute(
                of_run.where(batches.c.state == BatchState.SENT).values(
                    state=BatchState.OWED, lost_answers=batches.c.lost_answers + 1, answered_at=now()
                )
            )
            connection.execute(
                of_run.where(batches.c.state == BatchState.PLANNED).values(state=BatchState.OWED, answered_at=now())
            )
            connection.execute(of_run.where(batches.c.state == BatchState.HELD).values(state=BatchState.REFUSED))
            state = connection.execute(select(runs.c.state).where(runs.c.id == run_id)).scalar_one()
            values["state"] = moved(RunState(state), RunState.SETTLING)
            connection.execute(runs.update().where(runs.c.id == run_id).values(**values))

    def _writing(self) -> AbstractContextManager[Transaction]:
        return writing_under(self._store, self._lease)


def write_run(
    transaction: Transaction,
    sync: Row[Any],
    *,
    audience_id: int,
    state: RunState,
    trigger: str,
    mapping: Any,
    cohort_version: int | None = None,
    **values: Any,
) -> int:
    """Write down that a run of `sync` (a row of the table) begins in `state`; returns its id.

    Without a `cohort_version` it is that of the sync's cohort now. `values` are more columns of the run.
    """
    if cohort_version is None:
        version = select(cohorts.c.version).where(cohorts.c.id == sync.cohort_id)
        cohort_version = transaction.execute(version).scalar_one()
    inserted = runs.insert().values(
        sync_id=sync.id,
        audience_id=audience_id,
        state=state,
        trigger=trigger,
        mapping=mapping,
        cohort_version=cohort_version,
        created_at=now(),
        skipped={},
        timings={},
        **values,
    )
    return int(transaction.execute(inserted.returning(runs.c.id)).scalar_one())


def _refuse_removed(connection: Transaction, sync: Row[Any]) -> None:
    if connection.execute(select(syncs.c.removed_at).where(syncs.c.id == sync.id)).scalar_one() is not None:
        raise NotFound(f"The sync {sync.name} was removed a moment ago.")


def _waits(action: Action, hold: Scope | None) -> bool:
    return hold is Scope.EVERYTHING or (hold is Scope.REMOVALS and action in (Action.REMOVE, Action.CLEAR))
