"""Runs with their figures, as people see them: read from the ledger's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, Select, func, select

from hub.store.store import Store
from hub.store.tables import audiences, batches, runs, syncs
from hub.sync.guards import concern_of
from hub.sync.models import Run
from hub.sync.states import Action, BatchState, Leavers, RunState

_SUMS = ("batches", "done", "lost", "rejected", "owed", "held", "repeated", "uncertain")
_ENDED = [BatchState.ACKNOWLEDGED, BatchState.OWED, BatchState.REFUSED]


class Runs:
    """The runs of a control plane, with the sums of their batches."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, run_id: int) -> Run:
        """A run with its figures."""
        return self._runs(_runs_query().where(runs.c.id == run_id))[0]

    def of_project(self, project_id: int, *, sync_id: int | None = None, limit: int = 100) -> list[Run]:
        """The newest runs of a project, or of one sync, newest first."""
        query = _runs_query().where(syncs.c.project_id == project_id).order_by(runs.c.id.desc()).limit(limit)
        return self._runs(query if sync_id is None else query.where(runs.c.sync_id == sync_id))

    def newest(self, sync_ids: Sequence[int]) -> dict[int, Run]:
        """The newest run of each of these syncs, by the sync's id; nothing for one that never ran."""
        last = select(func.max(runs.c.id)).where(runs.c.sync_id.in_(sync_ids)).group_by(runs.c.sync_id)
        with self._store.reading() as connection:
            rows = connection.execute(select(runs.c.id, runs.c.sync_id).where(runs.c.id.in_(last)))
            of_sync = {row.id: row.sync_id for row in rows}
        # by their numbers: meanwhile another run may be the newest
        return {of_sync[run.id]: run for run in self._runs(_runs_query().where(runs.c.id.in_([*of_sync])))}

    def _runs(self, query: Select[Any]) -> list[Run]:
        with self._store.reading() as connection:
            rows = connection.execute(query).all()
            sums = _batch_sums(connection, [row.id for row in rows])
        return [_run(row, sums.get(row.id, {})) for row in rows]


def _runs_query() -> Select[Any]:
    return (
        select(runs, syncs.c.name.label("sync_name"), audiences.c.name.label("audience_name"))
        .join(syncs, syncs.c.id == runs.c.sync_id)
        .join(audiences, audiences.c.id == runs.c.audience_id)
    )


def _batch_sums(connection: Transaction, run_ids: list[int]) -> dict[int, dict[str, int]]:
    """Per run: batches, those done, lost answers, and members: acknowledged, rejected, owed, repeated, uncertain."""
    answered, lost = batches.c.state == BatchState.ACKNOWLEDGED, batches.c.lost_answers > 0
    query = (
        select(
            batches.c.run_id,
            batches.c.action,
            func.count().label("batches"),
            func.count().filter(batches.c.state.in_(_ENDED)).label("done"),
            func.sum(batches.c.size).filter(batches.c.state == BatchState.HELD).label("held"),
            func.sum(batches.c.lost_answers).label("lost"),
            func.sum(batches.c.size - batches.c.rejected).filter(answered).label("taken"),
            func.sum(batches.c.rejected).label("rejected"),
            func.sum(batches.c.size).filter(batches.c.state == BatchState.OWED).label("owed"),
            func.sum(batches.c.size).filter(lost, answered).label("repeated"),
            func.sum(batches.c.size).filter(lost, ~answered).label("uncertain"),
        )
        .where(batches.c.run_id.in_(run_ids))
        .group_by(batches.c.run_id, batches.c.action)
    )
    sums: dict[int, dict[str, int]] = {}
    for row in connection.execute(query):
        of_run = sums.setdefault(row.run_id, dict.fromkeys(_SUMS, 0))
        for name in _SUMS:
            of_run[name] += getattr(row, name) or 0
        of_run[row.action] = row.taken or 0
    return sums


def _run(row: Row[Any], sums: dict[str, int]) -> Run:
    return Run(
        id=row.id,
        sync=row.sync_name,
        audience=row.audience_name,
        state=RunState(row.state),
        trigger=row.trigger,
        as_of=row.as_of,
        created_at=row.created_at,
        finished_at=row.finished_at,
        resumed=row.resumed,
        qualified=row.qualified,
        skipped=row.skipped,
        to_add=row.to_add,
        to_update=row.to_update,
        to_remove=row.to_remove,
        unchanged=row.unchanged,
        parked=row.parked,
        added=sums.get(Action.ADD, 0),
        updated=sums.get(Action.UPDATE, 0),
        removed=sums.get(Action.REMOVE, 0) + sums.get(Action.CLEAR, 0),
        rejected=sums.get("rejected", 0),
        owed=sums.get("owed", 0),
        batches=sums.get("batches", 0),
        batches_done=sums.get("done", 0),
        lost_answers=sums.get("lost", 0),
        timings=row.timings,
        message=row.message,
        hint=row.hint,
        plan_digest=row.plan_digest,
        leavers=Leavers(row.leavers),
        held=sums.get("held", 0),
        guards=tuple(concern_of(each) for each in row.guards),
        decision=row.decision,
        decided_by=row.decided_by,
        decision_reason=row.decision_reason,
        decided_at=row.decided_at,
        unusable=row.unusable,
        repeated=sums.get("repeated", 0),
        uncertain=sums.get("uncertain", 0),
        undoes=row.undoes,
    )
