"""What the control plane says is wrong: with syncs, cohorts, connections and pulls, of all projects.

A handful of questions, whatever the number of syncs; none of them asks the lake or a partner.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import select

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
from hub.clock import counted, shown
from hub.connectors.connection import REFUSED, STOPPED_STATES
from hub.store.tables import connections, pulls
from hub.sync.freshness import STALE, Freshness
from hub.sync.schedule import Cron, Every, schedule_of
from hub.sync.states import RunState
from hub.sync.watching import Watched, watched_syncs

PARKED_SHARE = 0.05
PARKED_LEAST = 10
"""Refused members are worth an alert when they are so many, and such a share of those who should be there."""
LEAST_OVERDUE = timedelta(minutes=5)
"""A sync that has been due for less was not forgotten."""

_LEFT = [state.value for state in (RunState.EVALUATING, RunState.PLANNING, RunState.DELIVERING, RunState.SETTLING)]


def conditions(connection: Transaction, at: datetime) -> list[Condition]:
    """Everything that is wrong at `at`."""
    found: dict[str, Condition] = {}
    for watched in watched_syncs(connection, at):
        for each in _of_sync(watched, at):
            found.setdefault(each.key, each)
    for each in _of_connections(connection):
        found.setdefault(each.key, each)
    return [*found.values(), *_of_pulls(connection)]


def _of_sync(of: Watched, at: datetime) -> Iterator[Condition]:
    sync, run = of.sync, of.ended
    stopped = sync.connection_state in STOPPED_STATES
    if stopped:
        yield _stopped(sync)
    if run is not None and run.state == RunState.FAILED and not stopped:
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
    if not stopped:
        yield from _overdue(of, at)
    yield from _not_fresh(sync, of.freshness, at)


def _why_stopped(state: str) -> str:
    return "the partner refuses its credential" if state == REFUSED else "one of its settings cannot work"


def _stopped(sync: Any) -> Condition:
    why = _why_stopped(sync.connection_state)
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


def _failed(of: Watched) -> Condition:
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


def _parked(of: Watched) -> Iterator[Condition]:
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


def _overdue(of: Watched, at: datetime) -> Iterator[Condition]:
    sync, schedule = of.sync, schedule_of(of.sync)
    due = sync.next_run_at
    under_way = of.newest is not None and of.newest.state in _LEFT
    if due is None or at - due < LEAST_OVERDUE or under_way:
        return
    following = due + schedule.length if isinstance(schedule, Every) else None
    if isinstance(schedule, Cron):
        following = schedule.next_after(due, sync.timezone)
    if following is not None and following <= at:
        yield _about(
            sync,
            TICKS_MISSED,
            WARNING,
            f"The sync {sync.name} has been due since {shown(due, sync.timezone)}, and nobody ran it.",
            "Is `hub daemon` or `hub run-due` at work? `hub daemon --check` tells.",
            due_at=due.isoformat(),
        )


def _not_fresh(sync: Any, fresh: Freshness, at: datetime) -> Iterator[Condition]:
    if fresh.late_at is None or at < fresh.late_at:
        return
    since = shown(at - fresh.age, sync.timezone)
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


def _of_connections(connection: Transaction) -> Iterator[Condition]:
    """Those that are stopped, whether an active sync uses them or not: message events do not come in, either."""
    query = select(connections.c.id, connections.c.name, connections.c.project_id, connections.c.state)
    for row in connection.execute(
        query.where(connections.c.removed_at.is_(None), connections.c.state.in_(STOPPED_STATES))
    ):
        yield Condition(
            key=f"{CONNECTION_STOPPED}:{row.id}",
            kind=CONNECTION_STOPPED,
            level=WARNING,
            subject=row.name,
            said=f"The connection {row.name} is stopped: {_why_stopped(row.state)}. No active sync uses it.",
            hint=f"Mend it with `hub connection edit {row.name}`, or remove it.",
            project_id=row.project_id,
            figures={"state": row.state},
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
