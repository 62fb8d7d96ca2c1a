"""What the end of a run says of a sync's freshness: up to when it is delivered, and how long its changes took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.cohorts.asked import asked_for
from hub.cohorts.definition import ANY_EVENT, clauses, steps
from hub.errors import HubError
from hub.people.arrivals import first_arrivals
from hub.store.tables import batches, exceptions, runs, sync_freshness
from hub.sync.latency import Answered, Latency, Measured, measure
from hub.sync.plan import plan_file
from hub.sync.states import BatchState, RunState
from hub.sync.triggers import ASIDE

if TYPE_CHECKING:
    from hub.cohorts.question import Question
    from hub.store.store import Store
    from hub.sync.parties import Parties
    from hub.workspace import Workspace

RECENT = 20
"""So many of the last runs that changed anything tell how long changes take."""
USUAL = 10
"""The slowest of so many runs that ended well says how long one may take."""

_PAGE = 20_000


def note_delivered(workspace: Workspace, parties: Parties, *, complete: bool) -> None:
    """Keep what a run that has been settled says of its sync's freshness; `complete` says that it left nothing owed.

    Harmless when repeated. A run that stands aside (`hub.sync.triggers`), or was never evaluated, says nothing.
    """
    with workspace.store.reading() as connection:
        run = connection.execute(select(runs).where(runs.c.id == parties.run.id)).one()
        kept = connection.execute(select(sync_freshness).where(sync_freshness.c.sync_id == run.sync_id)).first()
    if run.as_of is None or run.trigger in ASIDE or (kept and kept.run_id == run.id):
        return
    measured = Measured(Latency(), None)
    with suppress(HubError):  # a cohort that was removed meanwhile, a lake without room: no reason to fail a run
        measured = _measured(workspace, parties, run, kept)
    delivered_to = run.as_of if complete else _held_back(kept, measured)
    _keep(workspace.store, run, kept, delivered_to, measured.latency, complete=complete)


def _measured(workspace: Workspace, parties: Parties, run: Row[Any], kept: Row[Any] | None) -> Measured:
    """How long the run's changes took. Nothing of the first run, which tells what was there before, and nothing where
    the cohort or the mapping has changed since the run before: then that is why."""
    nothing = Measured(Latency(), None)
    plan = plan_file(workspace, run.id)
    if kept is None or kept.delivered_to is None or not plan.exists():
        return nothing
    asked = asked_for(workspace, [parties.cohort])[0]
    with workspace.store.reading() as connection:
        before = connection.execute(select(runs).where(runs.c.id == kept.run_id)).first()
        ended = _answered(connection.execute(select(batches).where(batches.c.run_id == run.id)).all())
    rests_on = (run.cohort_version, run.rests_on, run.mapping)
    if before is None or rests_on != (before.cohort_version, before.rests_on, before.mapping):
        return nothing
    if asked.cohort.version != run.cohort_version or not ended:
        return nothing
    with workspace.reading_here() as reader:
        arrivals = first_arrivals(
            reader, workspace.project, after=kept.delivered_to, until=run.as_of, events=_events(asked.question)
        )
        return measure(reader, plan, arrivals, ended, _refused(workspace.store, run.id))


def _answered(found: Sequence[Row[Any]]) -> list[Answered]:
    taken = BatchState.ACKNOWLEDGED
    return [Answered(row.first_row, row.size, row.answered_at if row.state == taken else None) for row in found]


def _refused(store: Store, run_id: int) -> Iterator[list[str]]:
    last = ""
    while True:
        query = select(exceptions.c.key).where(exceptions.c.run_id == run_id, exceptions.c.key > last)
        with store.reading() as connection:
            keys = [*connection.execute(query.order_by(exceptions.c.key).limit(_PAGE)).scalars()]
        if not keys:
            return
        yield keys
        last = keys[-1]


def _events(question: Question) -> set[str] | None:
    """The names of the events that a definition, and those that it rests on, ask for; None when it asks for any."""
    asked = [question.definition, *question.cohorts.values()]
    names = {step.event for each in asked for clause in clauses(each.clause) for step in steps(clause)}
    return None if ANY_EVENT in names else names


def _held_back(kept: Row[Any] | None, measured: Measured) -> datetime | None:
    before: datetime | None = kept.delivered_to if kept else None
    if before is None or measured.undelivered_since is None:
        return before
    return max(before, measured.undelivered_since)


def _keep(
    store: Store,
    run: Row[Any],
    kept: Row[Any] | None,
    delivered_to: datetime | None,
    latency: Latency,
    *,
    complete: bool,
) -> None:
    latencies = list(kept.latencies) if kept else []
    new = bool(latency.measured or latency.unmeasured) and not run.latency
    if new:
        latencies = [*latencies, latency.figures()][-RECENT:]
    values: dict[str, Any] = {"delivered_to": delivered_to, "latencies": latencies}
    if complete:
        values["run_id"] = run.id
    with store.writing() as connection:
        values["slowest_seconds"] = max(_usual(connection, run), _seconds(run)) if complete else _usual(connection, run)
        of_sync = sync_freshness.update().where(sync_freshness.c.sync_id == run.sync_id)
        if not connection.execute(of_sync.values(**values)).rowcount:
            connection.execute(sync_freshness.insert().values(sync_id=run.sync_id, **values))
        if new:
            connection.execute(runs.update().where(runs.c.id == run.id).values(latency=latency.figures()))


def _usual(connection: Any, run: Row[Any]) -> float:
    """The seconds of work that the slowest of the last runs that ended well took."""
    ended = (
        select(runs.c.timings, runs.c.created_at)
        .where(runs.c.sync_id == run.sync_id, runs.c.state == RunState.DONE.value, runs.c.id < run.id)
        .order_by(runs.c.id.desc())
        .limit(USUAL)
    )
    return max((_seconds(row) for row in connection.execute(ended)), default=0.0)


def _seconds(run: Any) -> float:
    return float(sum(run.timings.values()))
