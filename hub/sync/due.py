"""Which syncs are due, of all projects of a hub in one question; and what a clock that was set back does to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, func, literal, select, union_all

from hub.errors import NotFound
from hub.store.store import Store
from hub.store.tables import audiences, projects, runs, syncs
from hub.sync.rows import SyncRows
from hub.sync.schedule import After, believed, schedule_of
from hub.sync.states import ACTIVE, FINAL, RunState
from hub.sync.triggers import ASIDE, Trigger

RETRY_ONCE_AFTER = timedelta(minutes=15)
"""When a one-time sync whose run failed is due again."""

_LEFT = [state.value for state in RunState if state not in FINAL and state is not RunState.HELD]  # a person's turn
ENDED_WELL = (runs.c.state == RunState.DONE.value, runs.c.trigger.not_in(ASIDE))
"""Of a sync's own runs, those that ended well: what others follow."""
_STEADY = timedelta(seconds=5)  # what clocks are set by every day


@dataclass(frozen=True)
class DueSync:
    """A sync that is due. `since` is when it became so."""

    id: int
    project_id: int
    name: str
    since: datetime


def due_syncs(
    store: Store, at: datetime, *, project_id: int | None = None, sync_id: int | None = None
) -> list[DueSync]:
    """The syncs that are due at `at`, of one project or of all; the longest waiting first.

    Due is an active sync that is not paused, and whose tick has come, or whose leader has had a run that ended well
    and was not followed yet, or whose run somebody left.
    """
    question = union_all(_ticked(at), _followers(), _left(at)).subquery()
    query = select(question).order_by(question.c.since, question.c.id)
    if project_id is not None:
        query = query.where(question.c.project_id == project_id)
    if sync_id is not None:
        query = query.where(question.c.id == sync_id)
    found: dict[int, DueSync] = {}
    with store.reading() as connection:
        for row in connection.execute(query):
            found.setdefault(row.id, DueSync(row.id, row.project_id, row.name, row.since))
    return [*found.values()]


def is_due(store: Store, rows: SyncRows, name: str, at: datetime) -> bool:
    """Whether the sync called `name` is due at `at`; not so if it was removed meanwhile."""
    try:
        sync_id = rows.row(name).id
    except NotFound:
        return False
    return bool(due_syncs(store, at, sync_id=sync_id))


def newest_done(sync_id: Any) -> Any:
    """The newest run of a sync that ended well, as part of a question; null when there is none."""
    return select(func.max(runs.c.id)).where(runs.c.sync_id == sync_id, *ENDED_WELL)


def follow_clock(store: Store, at: datetime) -> int:
    """Schedule anew what a clock that stood in the future has put off, and return how many syncs that were.

    A row that was written after `at` is of such a clock. See `hub.sync.schedule.believed`.
    """
    with store.reading() as connection:
        if not (rows := [*connection.execute(_written_after(at + _STEADY))]):
            return 0
    put_back = (
        syncs.update()
        .where(syncs.c.id == bindparam("sync"), syncs.c.updated_at == bindparam("written"))
        .values(next_run_at=bindparam("due"), updated_at=at)
    )
    values = [{"sync": row.id, "written": row.updated_at, "due": _believed(row, at)} for row in rows]
    with store.writing() as connection:
        connection.execute(put_back, values)
    return len(rows)


def _believed(row: Row[Any], at: datetime) -> datetime | None:
    schedule = schedule_of(row)
    due: datetime | None = row.next_run_at
    if due is None or isinstance(schedule, After):
        return due
    return believed(schedule, due, at, row.timezone, once_after=RETRY_ONCE_AFTER)


def _open() -> Select[Any]:
    return select(syncs.c.id, syncs.c.project_id, syncs.c.name).where(
        syncs.c.state == ACTIVE, syncs.c.removed_at.is_(None), syncs.c.paused_at.is_(None)
    )


def _ticked(at: datetime) -> Select[Any]:
    return _open().add_columns(syncs.c.next_run_at.label("since")).where(syncs.c.next_run_at <= at)


def _followers() -> Select[Any]:
    followed = (
        (runs.c.sync_id == syncs.c.after_sync_id)
        & and_(*ENDED_WELL)
        & (runs.c.id > func.coalesce(syncs.c.after_run_id, 0))
    )
    return (
        _open()
        .add_columns(func.min(runs.c.finished_at, type_=runs.c.finished_at.type).label("since"))
        .join(runs, followed)
        .where(syncs.c.after_sync_id.is_not(None))
        .group_by(syncs.c.id, syncs.c.project_id, syncs.c.name)
    )


def _left(at: datetime) -> Select[Any]:
    nobody = audiences.c.lease_until.is_(None) | (audiences.c.lease_until <= at)
    # a sync waits for a person once a run of it was taken back; the taking back does not
    undoing = (runs.c.trigger == Trigger.UNDO.value) & syncs.c.removed_at.is_(None)
    active = (syncs.c.state == ACTIVE) & syncs.c.removed_at.is_(None) & syncs.c.paused_at.is_(None)
    return (
        select(syncs.c.id, syncs.c.project_id, syncs.c.name)
        .add_columns(runs.c.created_at.label("since"))
        .join(runs, runs.c.sync_id == syncs.c.id)
        .join(audiences, audiences.c.id == runs.c.audience_id)
        .where(runs.c.state.in_(_LEFT), nobody, active | undoing)
    )


def _written_after(instant: datetime) -> Select[Any]:
    return (
        select(syncs, projects.c.timezone, literal("").label("after_name"))
        .join(projects, projects.c.id == syncs.c.project_id)
        .where(syncs.c.updated_at > instant, syncs.c.state == ACTIVE, syncs.c.removed_at.is_(None))
    )
