"""What the control plane says is wrong: with syncs, cohorts, connections and pulls, of all projects.

A handful of questions, whatever the number of syncs; none of them asks the lake or a partner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import func, select

from hub.alerts.model import (
    COHORT_FAILED,
    CONNECTION_STOPPED,
    CRITICAL,
    PULL_FAILED,
    SYNC_FAILED,
    SYNC_HELD,
    SYNC_NOT_FRESH,
    SYNC_PARKED,
    TICKS_MISSED,
    WARNING,
    Condition,
)
from hub.clock import counted
from hub.connectors.connection import REFUSED, STOPPED_STATES
from hub.store.tables import batches, cohorts, connections, projects, pulls, runs, sync_freshness, syncs
from hub.sync.freshness import STALE, judged
from hub.sync.schedule import Cron, Every, schedule_of
from hub.sync.states import ACTIVE, BatchState, RunState

PARKED_SHARE = 0.05
PARKED_LEAST = 10
"""Refused members are worth an alert when they are so many, and such a share of those who should be there."""
LEAST_OVERDUE = timedelta(minutes=5)
"""A sync that has been due for less was not forgotten."""

_LEFT = [state.value for state in (RunState.EVALUATING, RunState.PLANNING, RunState.DELIVERING, RunState.SETTLING)]


@dataclass(frozen=True)
class _Of:
    """A sync, with what is asked of it."""

    sync: Any
    ended: Any
    newest: Any
    rejected: int
    owed: int
    stopped: bool


def conditions(connection: Transaction, at: datetime) -> list[Condition]:
    """Everything that is wrong at `at`."""
    rows = [*connection.execute(_active_syncs())]
    known = {row.id: row for row in rows}
    kept = {row.sync_id: row for row in connection.execute(select(sync_freshness))}
    ended = _newest_runs(connection, runs.c.finished_at.is_not(None))
    newest = _newest_runs(connection)
    sums = _sums(connection)
    found: dict[str, Condition] = {}
    for row in rows:
        last = ended.get(row.id)
        rejected, owed = sums.get(last.id, (0, 0)) if last else (0, 0)
        of = _Of(row, last, newest.get(row.id), rejected, owed, row.connection_state in STOPPED_STATES)
        for each in _of_sync(of, kept.get(row.id), known, at):
            found.setdefault(each.key, each)
    return [*found.values(), *_of_pulls(connection)]


def _of_sync(of: _Of, kept: Any, known: Mapping[int, Any], at: datetime) -> Iterator[Condition]:
    sync, run = of.sync, of.ended
    if of.stopped:
        yield _stopped(sync)
    if run is not None and run.state == RunState.FAILED and not of.stopped:
        yield _cohort_failed(sync) if run.as_of is None else _failed(of)
    if of.newest is not None and of.newest.state == RunState.HELD:
        yield _about(
            sync,
            SYNC_HELD,
            WARNING,
            f"A guard holds run {of.newest.id} of the sync {sync.name}.",
            f"`hub sync show {sync.name}` says why; hub sync approve {of.newest.id}, or refuse.",
            run=of.newest.id,
        )
    if run is not None:
        yield from _parked(of)
    yield from _overdue(of, at)
    yield from _not_fresh(sync, kept, known, at)


def _stopped(sync: Any) -> Condition:
    refused = sync.connection_state == REFUSED
    why = "the partner refuses its credential" if refused else "one of its settings cannot work"
    return Condition(
        key=f"{CONNECTION_STOPPED}:{sync.connection_id}",
        kind=CONNECTION_STOPPED,
        level=CRITICAL,
        subject=sync.connection_name,
        said=f"The connection {sync.connection_name} is stopped: {why}. No sync to it runs.",
        hint=f"Mend it with `hub connection edit {sync.connection_name}`.",
        project_id=sync.project_id,
        figures={"state": sync.connection_state},
    )


def _cohort_failed(sync: Any) -> Condition:
    return Condition(
        key=f"{COHORT_FAILED}:{sync.cohort_id}",
        kind=COHORT_FAILED,
        level=CRITICAL,
        subject=sync.cohort_name,
        said=f"The cohort {sync.cohort_name} could not be evaluated for the sync {sync.name}.",
        hint=f"`hub cohort count {sync.cohort_name}` says why. It is tried again at every tick.",
        project_id=sync.project_id,
        figures={"sync": sync.name},
    )


def _failed(of: _Of) -> Condition:
    owed = f" {counted(of.owed, 'member is', 'members are')} owed and go out with the next run." if of.owed else ""
    return _about(
        of.sync,
        SYNC_FAILED,
        WARNING,
        f"Run {of.ended.id} of the sync {of.sync.name} failed.{owed}",
        f"`hub sync show {of.sync.name}` says why.",
        run=of.ended.id,
        owed=of.owed,
    )


def _parked(of: _Of) -> Iterator[Condition]:
    refused = of.ended.parked + of.rejected
    wanted = of.ended.qualified - sum(of.ended.skipped.values())
    if refused >= PARKED_LEAST and refused > PARKED_SHARE * wanted:
        share = f"{refused / max(wanted, refused):.0%}"
        yield _about(
            of.sync,
            SYNC_PARKED,
            WARNING,
            f"The partner refuses {counted(refused, 'member')} of the sync {of.sync.name}, {share} of them.",
            f"`hub sync show {of.sync.name}` has its words.",
            parked=refused,
            members=wanted,
        )


def _overdue(of: _Of, at: datetime) -> Iterator[Condition]:
    sync, schedule = of.sync, schedule_of(of.sync)
    due = sync.next_run_at
    under_way = of.newest is not None and of.newest.state in _LEFT
    if due is None or at - due < LEAST_OVERDUE or under_way or of.stopped:
        return
    following = due + schedule.length if isinstance(schedule, Every) else None
    if isinstance(schedule, Cron):
        following = schedule.next_after(due, sync.timezone)
    if following is not None and following <= at:
        yield _about(
            sync,
            TICKS_MISSED,
            WARNING,
            f"The sync {sync.name} has been due since {due:%Y-%m-%d %H:%M} UTC, and nobody ran it.",
            "Is `hub daemon` or `hub run-due` at work? `hub daemon --check` tells.",
            due_at=due.isoformat(),
        )


def _not_fresh(sync: Any, kept: Any, known: Mapping[int, Any], at: datetime) -> Iterator[Condition]:
    fresh = judged(sync, kept, None, known.get, sync.timezone, at)
    if fresh.late_at is None or at < fresh.late_at:
        return
    since = f"{at - fresh.age:%Y-%m-%d %H:%M} UTC"
    yield _about(
        sync,
        SYNC_NOT_FRESH,
        CRITICAL if fresh.state == STALE else WARNING,
        f"The sync {sync.name} is {fresh.state}: changes since {since} may not be at the partner.",
        f"`hub sync show {sync.name}` says how its last runs ended.",
        delivered_to=fresh.delivered_to.isoformat() if fresh.delivered_to else None,
    )


def _about(sync: Any, kind: str, level: str, said: str, hint: str, **figures: Any) -> Condition:
    return Condition(
        key=f"{kind}:{sync.id}",
        kind=kind,
        level=level,
        subject=sync.name,
        said=said,
        hint=hint,
        project_id=sync.project_id,
        sync_id=sync.id,
        figures=figures,
    )


def _of_pulls(connection: Transaction) -> Iterator[Condition]:
    query = (
        select(connections.c.id, connections.c.name, connections.c.project_id)
        .join(pulls, pulls.c.connection_id == connections.c.id)
        .where(pulls.c.message != "", connections.c.removed_at.is_(None), connections.c.state.not_in(STOPPED_STATES))
    )
    for row in connection.execute(query):
        yield Condition(
            key=f"{PULL_FAILED}:{row.id}",
            kind=PULL_FAILED,
            level=WARNING,
            subject=row.name,
            said=f"The message events of {row.name} could not be fetched.",
            hint="`hub inbound list` says why. It is tried again.",
            project_id=row.project_id,
        )


def _active_syncs() -> Any:
    leaders = syncs.alias("leaders")
    return (
        select(
            syncs,
            cohorts.c.name.label("cohort_name"),
            connections.c.name.label("connection_name"),
            connections.c.state.label("connection_state"),
            leaders.c.name.label("after_name"),
            projects.c.timezone,
        )
        .join(cohorts, cohorts.c.id == syncs.c.cohort_id)
        .join(connections, connections.c.id == syncs.c.connection_id)
        .join(projects, projects.c.id == syncs.c.project_id)
        .outerjoin(leaders, leaders.c.id == syncs.c.after_sync_id)
        .where(syncs.c.state == ACTIVE, syncs.c.removed_at.is_(None), syncs.c.paused_at.is_(None))
        .order_by(syncs.c.id)
    )


def _newest_ids(*tests: Any) -> Any:
    active = select(syncs.c.id).where(syncs.c.state == ACTIVE, syncs.c.removed_at.is_(None))
    return select(func.max(runs.c.id)).where(runs.c.sync_id.in_(active), *tests).group_by(runs.c.sync_id)


def _newest_runs(connection: Transaction, *tests: Any) -> dict[int, Any]:
    query = select(
        runs.c.id, runs.c.sync_id, runs.c.state, runs.c.as_of, runs.c.parked, runs.c.qualified, runs.c.skipped
    )
    return {row.sync_id: row for row in connection.execute(query.where(runs.c.id.in_(_newest_ids(*tests))))}


def _sums(connection: Transaction) -> dict[int, tuple[int, int]]:
    """Of the last runs that ended: the members that were refused in it, and those that it left owed."""
    owed = func.sum(batches.c.size).filter(batches.c.state == BatchState.OWED)
    query = (
        select(batches.c.run_id, func.sum(batches.c.rejected).label("rejected"), owed.label("owed"))
        .where(batches.c.run_id.in_(_newest_ids(runs.c.finished_at.is_not(None))))
        .group_by(batches.c.run_id)
    )
    return {row.run_id: (int(row.rejected or 0), int(row.owed or 0)) for row in connection.execute(query)}
