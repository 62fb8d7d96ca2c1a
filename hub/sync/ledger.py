"""The ledger of runs and batches in the control plane: written before a batch leaves and after its answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, Select, func, select

from hub.clock import now
from hub.connectors.contract import Outcome, Refusal
from hub.errors import NotFound
from hub.store.lease import Lease
from hub.store.store import Store
from hub.store.tables import audiences, batches, exceptions, runs, syncs
from hub.sync.guards import Scope, concern_of
from hub.sync.models import Rejected, Run
from hub.sync.states import FINAL, Action, BatchState, Leavers, RunState, moved

PROBE_AFTER = timedelta(days=7)
"""Members that were refused for good are tried again so much later all the same: the slow probe."""

_KEYS_AT_ONCE = 10_000  # SQLite takes 32,766 values in one statement
_FINAL_STATES = [state.value for state in FINAL]
_ENDED = [BatchState.ACKNOWLEDGED, BatchState.OWED, BatchState.REFUSED]


@dataclass(frozen=True)
class Batch:
    """A range of rows of a run's plan: `size` members from row `first_row`, all with the same action."""

    run_id: int
    number: int
    action: Action
    first_row: int
    size: int
    state: BatchState
    attempts: int
    lost_answers: int


@dataclass(frozen=True)
class PlannedMember:
    """One row of a plan. `fingerprint` stands for what is to be written about the member."""

    key: str
    person: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the partner did not take a member, in its words, and whether it is in the audience all the same."""

    reason: str
    in_audience: bool = False


class Ledger:
    """Everything that the control plane knows of runs. Each method is one short transaction.

    With the `lease` of an audience, every method that writes raises Busy once somebody else has taken it over.
    """

    def __init__(self, store: Store, lease: Lease | None = None) -> None:
        self._store = store
        self._lease = lease

    def open_run(self, *, sync: Row[Any], audience_id: int, trigger: str, cohort_version: int) -> int:
        """Write down a new run of `sync`, ready to be evaluated; returns its id.

        Raises NotFound when the sync has been removed.
        """
        with self._writing() as connection:
            _refuse_removed(connection, sync)
            inserted = runs.insert().values(
                sync_id=sync.id,
                audience_id=audience_id,
                state=RunState.EVALUATING,
                trigger=trigger,
                mapping=sync.mapping,
                cohort_version=cohort_version,
                created_at=now(),
                skipped={},
                timings={},
            )
            return int(connection.execute(inserted.returning(runs.c.id)).scalar_one())

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
            connection.execute(batches.delete().where(batches.c.run_id == run_id))
            if rows:
                connection.execute(batches.insert(), rows)
            state = RunState.DELIVERING
            if hold and all(row["state"] == BatchState.HELD for row in rows):
                state, values["held_at"] = RunState.HELD, now()
            connection.execute(runs.update().where(runs.c.id == run_id).values(state=state, **values))

    def batches(self, run_id: int, *states: BatchState) -> list[Batch]:
        """The batches of a run (in these states, or all), in order."""
        query = select(batches).where(batches.c.run_id == run_id).order_by(batches.c.number)
        if states:
            query = query.where(batches.c.state.in_(states))
        with self._store.reading() as connection:
            return [_batch(row) for row in connection.execute(query)]

    def resume(self, run_id: int) -> int:
        """Note that a run is gone on with. Returns how many of its batches were under way, without an answer."""
        with self._writing() as connection:
            connection.execute(runs.update().where(runs.c.id == run_id).values(resumed=runs.c.resumed + 1))
            return connection.execute(
                batches.update()
                .where(batches.c.run_id == run_id, batches.c.state == BatchState.SENT)
                .values(state=BatchState.PLANNED, lost_answers=batches.c.lost_answers + 1)
            ).rowcount

    def sent(self, batch: Batch) -> None:
        """Write down that a batch leaves now. It is on disk before the request is."""
        self._note_batch(batch, state=BatchState.SENT, attempts=batches.c.attempts + 1, sent_at=now())

    def lost(self, batch: Batch, message: str) -> None:
        """Write down that no answer to a batch came back, so that it may have been carried out."""
        self._note_batch(batch, lost_answers=batches.c.lost_answers + 1, message=message)

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

    def owed(self, batch: Batch, message: str) -> None:
        """Write down that a batch could not be delivered; its members go out with the next run."""
        self._note_batch(batch, state=BatchState.OWED, answered_at=now(), message=message)

    def acknowledged(
        self, batch: Batch, members: Sequence[PlannedMember], outcome: Outcome, *, audience_id: int, version: str
    ) -> None:
        """Write down a partner's answer: the batch, and each member that was refused, in one transaction."""
        refused = {refusal.key: refusal for refusal in outcome.refused}
        with self._writing() as connection:
            self._except(connection, batch, members, refused, audience_id=audience_id, version=version)
            connection.execute(
                batches.update()
                .where(batches.c.run_id == batch.run_id, batches.c.number == batch.number)
                .values(
                    state=BatchState.ACKNOWLEDGED,
                    answered_at=now(),
                    rejected=len(refused),
                    request_id=outcome.request_id,
                )
            )

    def _except(
        self,
        connection: Transaction,
        batch: Batch,
        members: Sequence[PlannedMember],
        refused: dict[str, Refusal],
        *,
        audience_id: int,
        version: str,
    ) -> None:
        ours = exceptions.c.audience_id == audience_id
        known = {
            row.key: row
            for row in connection.execute(
                select(exceptions.c.key, exceptions.c.tries, exceptions.c.first_at).where(
                    ours, exceptions.c.key.in_([member.key for member in members])
                )
            )
        }
        if known:
            connection.execute(exceptions.delete().where(ours, exceptions.c.key.in_(list(known))))
        if not refused:
            return
        at = now()
        connection.execute(
            exceptions.insert(),
            [
                {
                    "audience_id": audience_id,
                    "key": member.key,
                    "person": member.person,
                    "action": batch.action.value,
                    "mapped": member.fingerprint,
                    "reason": refused[member.key].reason,
                    "code": refused[member.key].code,
                    "tries": known[member.key].tries + 1 if member.key in known else 1,
                    "in_audience": refused[member.key].in_audience,
                    "connector_version": version,
                    "run_id": batch.run_id,
                    "batch": batch.number,
                    "first_at": known[member.key].first_at if member.key in known else at,
                    "last_at": at,
                    "retry_at": at + (refused[member.key].retry_after or PROBE_AFTER),
                }
                for member in members
                if member.key in refused
            ],
        )

    def parked(self, audience_id: int, page: int = 20_000) -> Iterable[Sequence[Row[Any]]]:
        """The members of an audience that the partner refused, page by page, by key."""
        last = ""
        while True:
            query = (
                select(exceptions)
                .where(exceptions.c.audience_id == audience_id, exceptions.c.key > last)
                .order_by(exceptions.c.key)
                .limit(page)
            )
            with self._store.reading() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return
            yield rows
            last = rows[-1].key

    def refused_in(self, run_id: int, first: int, last: int) -> dict[str, Refused]:
        """The keys that were refused in the batches `first` to `last` of a run."""
        query = select(exceptions.c.key, exceptions.c.reason, exceptions.c.in_audience).where(
            exceptions.c.run_id == run_id, exceptions.c.batch.between(first, last)
        )
        with self._store.reading() as connection:
            return {row.key: Refused(row.reason, row.in_audience) for row in connection.execute(query)}

    def forget_refused(self, audience_id: int, keys: Sequence[str]) -> None:
        """Forget the refusals of members whom the audience is no longer about."""
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            some = exceptions.c.key.in_(keys[first : first + _KEYS_AT_ONCE])
            with self._writing() as connection:
                connection.execute(exceptions.delete().where(exceptions.c.audience_id == audience_id, some))

    def rejected(self, run_id: int, limit: int) -> list[Rejected]:
        """The members refused in a run that have not been taken since, by key."""
        query = select(exceptions).where(exceptions.c.run_id == run_id).order_by(exceptions.c.key).limit(limit)
        with self._store.reading() as connection:
            return [
                Rejected(
                    person=row.person,
                    key=row.key,
                    action=row.action,
                    reason=row.reason,
                    code=row.code,
                    tries=row.tries,
                    last_at=row.last_at,
                    retry_at=row.retry_at,
                )
                for row in connection.execute(query)
            ]

    def run(self, run_id: int) -> Run:
        """A run with its figures."""
        return self._runs(_runs_query().where(runs.c.id == run_id))[0]

    def runs(self, *, project_id: int, sync_id: int | None = None, limit: int = 100) -> list[Run]:
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

    @contextmanager
    def _writing(self) -> Iterator[Transaction]:
        with self._store.writing() as connection:
            if self._lease:
                self._lease.check(connection)
            yield connection

    def _note_batch(self, batch: Batch, **values: Any) -> None:
        with self._writing() as connection:
            connection.execute(
                batches.update()
                .where(batches.c.run_id == batch.run_id, batches.c.number == batch.number)
                .values(**values)
            )


def _refuse_removed(connection: Transaction, sync: Row[Any]) -> None:
    if connection.execute(select(syncs.c.removed_at).where(syncs.c.id == sync.id)).scalar_one() is not None:
        raise NotFound(f"The sync {sync.name} was removed a moment ago.")


def _waits(action: Action, hold: Scope | None) -> bool:
    return hold is Scope.EVERYTHING or (hold is Scope.REMOVALS and action in (Action.REMOVE, Action.CLEAR))


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        run_id=row.run_id,
        number=row.number,
        action=Action(row.action),
        first_row=row.first_row,
        size=row.size,
        state=BatchState(row.state),
        attempts=row.attempts,
        lost_answers=row.lost_answers,
    )


def _runs_query() -> Select[Any]:
    return (
        select(runs, syncs.c.name.label("sync_name"), audiences.c.name.label("audience_name"))
        .join(syncs, syncs.c.id == runs.c.sync_id)
        .join(audiences, audiences.c.id == runs.c.audience_id)
    )


def _batch_sums(connection: Transaction, run_ids: list[int]) -> dict[int, dict[str, int]]:
    """Per run: batches, those done, lost answers, and acknowledged, rejected and owed members."""
    answered = batches.c.state == BatchState.ACKNOWLEDGED
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
        )
        .where(batches.c.run_id.in_(run_ids))
        .group_by(batches.c.run_id, batches.c.action)
    )
    sums: dict[int, dict[str, int]] = {}
    for row in connection.execute(query):
        of_run = sums.setdefault(row.run_id, dict.fromkeys(("batches", "done", "lost", "rejected", "owed", "held"), 0))
        for name in ("batches", "done", "lost", "rejected", "owed", "held"):
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
    )
