"""A sync's schedule as it is written down: begun, changed, served, paused. What it sends, and where to, is fixed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, func, select

from hub.clock import now
from hub.errors import NotFound, UsageError
from hub.store.tables import runs, syncs
from hub.sync.due import ENDED_WELL, newest_done
from hub.sync.schedule import After, Once, Schedule, columns_of, first_tick, next_tick, schedule_of
from hub.sync.states import ACTIVE

if TYPE_CHECKING:
    from hub.store.store import Store
    from hub.workspace import Project


def begun(transaction: Transaction, project: Project, schedule: Schedule) -> dict[str, Any]:
    """What a new sync's row holds of its schedule: when it is due first, and whom it follows from now on.

    Raises NotFound when there is no sync that it is to follow.
    """
    values = {**columns_of(schedule), **_following(transaction, project, schedule, follower=None)}
    if isinstance(schedule, After):
        return values | {"next_run_at": None}
    at = now()
    return values | {"next_run_at": at if isinstance(schedule, Once) else first_tick(schedule, at, project.timezone)}


def change(store: Store, project: Project, row: Row[Any], *, schedule: Schedule, mapping: Mapping[str, Any]) -> None:
    """Let a sync (a row of `SyncRows`) run by that schedule, with that mapping (as it is kept).

    A one-time sync that has run and is to run on is active again. What is due already stays due. Raises NotFound when
    there is no sync that it is to follow, UsageError when that one follows it.
    """
    values: dict[str, Any] = {"mapping": dict(mapping), "updated_at": now()}
    with store.writing() as transaction:
        if schedule != schedule_of(row):
            values |= columns_of(schedule) | _following(transaction, project, schedule, follower=row)
            values |= _rescheduled(row, schedule, project.timezone)
        transaction.execute(syncs.update().where(syncs.c.id == row.id).values(values))


def served(store: Store, project: Project, row: Row[Any]) -> None:
    """Move a sync's clock on, once its run is written down: whoever is killed in between is due again.

    Ticks that nobody was there for are counted. Two who serve the same tick move it once.
    """
    schedule, at = schedule_of(row), now()
    values: dict[str, Any]
    if isinstance(schedule, Once):
        return
    with store.writing() as transaction:
        if isinstance(schedule, After):
            newest, count = transaction.execute(
                select(func.max(runs.c.id), func.count()).where(
                    runs.c.sync_id == row.after_sync_id,
                    *ENDED_WELL,
                    runs.c.id > (row.after_run_id or 0),
                )
            ).one()
            values = {"next_run_at": None, "after_run_id": newest or row.after_run_id}
            missed = max(count - 1, 0)
        elif row.next_run_at is None or row.next_run_at > at:
            return
        else:
            following, missed = next_tick(schedule, row.next_run_at, at, project.timezone)
            values = {"next_run_at": following}
        unmoved = syncs.c.next_run_at == row.next_run_at if row.next_run_at else syncs.c.next_run_at.is_(None)
        transaction.execute(
            syncs.update()
            .where(syncs.c.id == row.id, unmoved)
            .values(updated_at=at, missed=syncs.c.missed + missed, **values)
        )


def pause(store: Store, row: Row[Any]) -> None:
    """Let a sync wait. It keeps its audience and its place in time. Raises UsageError when nothing is scheduled."""
    if row.state != ACTIVE:
        raise UsageError(f"The sync {row.name} is {row.state}: there is nothing to pause.")
    if row.paused_at is None:
        with store.writing() as transaction:
            at = now()
            transaction.execute(syncs.update().where(syncs.c.id == row.id).values(paused_at=at, updated_at=at))


def resume(store: Store, row: Row[Any]) -> None:
    """Let a sync that is paused go on where it was; put one that is not back on the schedule, due at once."""
    values: dict[str, Any] = {"paused_at": None, "message": "", "updated_at": now()}
    if row.paused_at is None:
        values |= {"state": ACTIVE, "next_run_at": now()}
    with store.writing() as transaction:
        transaction.execute(syncs.update().where(syncs.c.id == row.id).values(values))


def refuse_followed(transaction: Transaction, sync_id: int) -> None:
    """Raises UsageError, naming them, when syncs run after this one."""
    query = select(syncs.c.name).where(syncs.c.after_sync_id == sync_id, syncs.c.removed_at.is_(None))
    if found := [*transaction.execute(query.order_by(syncs.c.name)).scalars()]:
        listed = ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        raise UsageError(
            f"The sync is followed by {listed}.",
            hint="Nothing was removed. Give them another schedule first, with `hub sync change`.",
        )


def _rescheduled(row: Row[Any], schedule: Schedule, zone: str) -> dict[str, Any]:
    at = now()
    if row.state == "stopped" or (row.state == "done" and isinstance(schedule, Once)):
        return {}
    again = {"state": ACTIVE}
    overdue: datetime | None = row.next_run_at if row.next_run_at is not None and row.next_run_at <= at else None
    if overdue is not None:
        return again | {"next_run_at": overdue}
    if isinstance(schedule, After):
        return again | {"next_run_at": None}
    if isinstance(schedule, Once):
        return again | {"next_run_at": row.next_run_at or at}
    soon = first_tick(schedule, at, zone)
    if soon <= at and row.next_run_at is not None:  # an interval: no later than its length from now
        soon = min(row.next_run_at, next_tick(schedule, at, at, zone)[0])
    return again | {"next_run_at": soon}


def _following(
    transaction: Transaction, project: Project, schedule: Schedule, *, follower: Row[Any] | None
) -> dict[str, Any]:
    if not isinstance(schedule, After):
        return {"after_sync_id": None, "after_run_id": None}
    leader = transaction.execute(
        select(syncs.c.id, syncs.c.name).where(
            syncs.c.project_id == project.id, syncs.c.name == schedule.sync, syncs.c.removed_at.is_(None)
        )
    ).first()
    if leader is None:
        raise NotFound(f"There is no sync {schedule.sync!r} to run after.", hint="`hub sync list` names them.")
    if follower is not None:
        _refuse_cycle(transaction, follower, leader.id)
    newest = transaction.execute(newest_done(leader.id)).scalar()
    return {"after_sync_id": leader.id, "after_run_id": newest}


def _refuse_cycle(transaction: Transaction, follower: Row[Any], leader_id: int | None) -> None:
    way = [follower.name]
    while leader_id is not None:
        leader = transaction.execute(
            select(syncs.c.id, syncs.c.name, syncs.c.after_sync_id).where(syncs.c.id == leader_id)
        ).one()
        way.append(leader.name)
        if leader.id == follower.id:
            raise UsageError(
                f"These syncs would wait for each other: {' after '.join(way)}.", hint="Give one another schedule."
            )
        leader_id = leader.after_sync_id
