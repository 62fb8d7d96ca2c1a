"""The active syncs of all projects as those see them who watch a hub: metrics and alerts. A few questions for all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import func, select

from hub.store.tables import batches, cohorts, connections, projects, runs, sync_freshness, syncs
from hub.sync.freshness import Freshness, judged
from hub.sync.states import ACTIVE, BatchState
from hub.sync.triggers import ASIDE


@dataclass(frozen=True)
class Watched:
    """An active sync that is not paused: its row (with the names of its project, cohort and connection, the state of
    that, and the project's zone), how fresh it is, its newest run and the last one of its own that ended (rows; None:
    none), with the members that this left owed and that were refused in it."""

    sync: Any
    freshness: Freshness
    newest: Any
    ended: Any
    owed: int
    rejected: int


def watched_syncs(connection: Transaction, at: datetime) -> list[Watched]:
    """Every active sync of every project as it is at `at`, in the order of their ids."""
    rows = [*connection.execute(_active())]
    known = {row.id: row for row in rows}
    kept = {row.sync_id: row for row in connection.execute(select(sync_freshness))}
    newest = _runs(connection)
    ended = _runs(connection, *_ENDED)
    sums = _sums(connection)

    def watched(row: Any) -> Watched:
        last = ended.get(row.id)
        rejected, owed = sums.get(last.id, (0, 0)) if last else (0, 0)
        parked = last.parked + rejected if last else 0
        fresh = judged(row, kept.get(row.id), known.get, row.timezone, at, owed=owed, parked=parked)
        return Watched(row, fresh, newest.get(row.id), last, owed, rejected)

    return [watched(row) for row in rows]


_ENDED = (runs.c.finished_at.is_not(None), runs.c.trigger.not_in(ASIDE))


def _active() -> Any:
    leaders = syncs.alias("leaders")
    return (
        select(
            syncs,
            cohorts.c.name.label("cohort_name"),
            connections.c.name.label("connection_name"),
            connections.c.state.label("connection_state"),
            leaders.c.name.label("after_name"),
            projects.c.name.label("project_name"),
            projects.c.timezone,
        )
        .join(cohorts, cohorts.c.id == syncs.c.cohort_id)
        .join(connections, connections.c.id == syncs.c.connection_id)
        .join(projects, projects.c.id == syncs.c.project_id)
        .outerjoin(leaders, leaders.c.id == syncs.c.after_sync_id)
        .where(syncs.c.state == ACTIVE, syncs.c.removed_at.is_(None), syncs.c.paused_at.is_(None))
        .order_by(syncs.c.id)
    )


def _newest(*tests: Any) -> Any:
    active = select(syncs.c.id).where(syncs.c.state == ACTIVE, syncs.c.removed_at.is_(None))
    return select(func.max(runs.c.id)).where(runs.c.sync_id.in_(active), *tests).group_by(runs.c.sync_id)


def _runs(connection: Transaction, *tests: Any) -> dict[int, Any]:
    of = runs.c
    query = select(of.id, of.sync_id, of.state, of.as_of, of.parked, of.qualified, of.skipped)
    return {row.sync_id: row for row in connection.execute(query.where(of.id.in_(_newest(*tests))))}


def _sums(connection: Transaction) -> dict[int, tuple[int, int]]:
    """Of the last runs that ended: the members that were refused in it, and those that it left owed."""
    owed = func.sum(batches.c.size).filter(batches.c.state == BatchState.OWED)
    query = (
        select(batches.c.run_id, func.sum(batches.c.rejected).label("rejected"), owed.label("owed"))
        .where(batches.c.run_id.in_(_newest(*_ENDED)))
        .group_by(batches.c.run_id)
    )
    return {row.run_id: (int(row.rejected or 0), int(row.owed or 0)) for row in connection.execute(query)}
