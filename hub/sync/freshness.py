"""How fresh what a sync keeps is: up to when every change is at the partner, and how old one may be that is not.

A sync is *delivered to* an instant when every change that the hub knew of by then was acknowledged: who entered, who
left, and whose mapped values are others. It is the instant as of which the last run was evaluated that left nothing
owed. What a run left (owed, or refused by a person) holds it back to when the oldest of those changes came in, or, of
changes that only the passing of time made, to the run before. So the age of the oldest change that is not at the
partner is at most the time since then, whatever has come in meanwhile: nobody has to evaluate a cohort to tell.

Members whom the partner refused (parked) hold nothing back: they are counted beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, select

from hub.clock import now
from hub.errors import UsageError
from hub.store.store import Store
from hub.store.tables import sync_freshness, syncs
from hub.sync.latency import Latency, latency_of, together
from hub.sync.models import Run
from hub.sync.schedule import SHORTEST, After, Cron, Every, Schedule, schedule_of
from hub.sync.states import ACTIVE

FRESH, LATE, STALE = "fresh", "late", "stale"

LATE_TICKS, STALE_TICKS = 2, 4
"""Without a threshold of its own a sync is late when so many of its ticks have passed since it was delivered to, and
its usual run has had the time to end; then stale."""
ONE_TIME = timedelta(minutes=30)
"""What stands for a tick of a one-time sync, which is tried every quarter of an hour until a run ends well."""

Leader = Callable[[int], Any]
"""The row of a sync by its id, to follow those that run after another."""


@dataclass(frozen=True)
class Freshness:
    """How fresh what a sync keeps is, at one instant.

    `state` is fresh, late or stale; empty for a sync that is not active (nobody promises anything of it then).
    `delivered_to` is None before the first run that left nothing owed: the age is then that of the sync. `within` is
    how old a change may become, if a person has said so. `latency` is of the last runs that changed anything.
    """

    state: str
    delivered_to: datetime | None
    age: timedelta
    late_at: datetime | None
    stale_at: datetime | None
    within: timedelta | None
    owed: int
    parked: int
    latency: Latency

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `freshness` in `hub sync list --json`."""
        return {
            "state": self.state,
            "delivered_to": self.delivered_to.isoformat() if self.delivered_to else None,
            "age_seconds": round(self.age.total_seconds(), 3),
            "late_at": self.late_at.isoformat() if self.late_at else None,
            "stale_at": self.stale_at.isoformat() if self.stale_at else None,
            "within_seconds": self.within.total_seconds() if self.within else None,
            "owed": self.owed,
            "parked": self.parked,
            "acknowledged_after": {
                "p50_seconds": self.latency.quantile(0.5),
                "p95_seconds": self.latency.quantile(0.95),
                "measured": self.latency.measured,
                "unmeasured": self.latency.unmeasured,
            },
        }


def freshness_of(
    store: Store, found: Sequence[Row[Any]], newest: Mapping[int, Run], zone: str, at: datetime | None = None
) -> dict[int, Freshness]:
    """How fresh these syncs (rows of `hub.sync.rows`) are at `at` (None: now), by their ids. `newest` has their last
    runs, and `zone` is the project's."""
    ids = [row.id for row in found]
    known: dict[int, Any] = {row.id: row for row in found}
    with store.reading() as connection:
        kept = {row.sync_id: row for row in connection.execute(_kept(ids))}

    def leader(sync_id: int) -> Any:
        if sync_id not in known:
            with store.reading() as connection:
                known[sync_id] = connection.execute(
                    select(syncs, syncs.c.name.label("after_name")).where(syncs.c.id == sync_id)
                ).first()
        return known[sync_id]

    def fresh(row: Row[Any]) -> Freshness:
        run = newest.get(row.id)
        owed, parked = (run.owed, run.parked + run.rejected) if run else (0, 0)
        return judged(row, kept.get(row.id), leader, zone, at or now(), owed=owed, parked=parked)

    return {row.id: fresh(row) for row in found}


def judged(row: Any, kept: Any, leader: Leader, zone: str, at: datetime, *, owed: int, parked: int) -> Freshness:
    """How fresh one sync is: its row, what is kept of its freshness (None: nothing yet), and whom its last run left."""
    since = (kept and kept.delivered_to) or row.created_at
    within = timedelta(seconds=kept.within_seconds) if kept and kept.within_seconds else None
    slowest = timedelta(seconds=kept.slowest_seconds) if kept else timedelta(0)
    active = row.state == ACTIVE and row.paused_at is None and row.removed_at is None
    late_at = stale_at = None
    if active:
        late_at, stale_at = edges(schedule_to_follow(row, leader), since, within=within, slowest=slowest, zone=zone)
    return Freshness(
        state=_word(late_at, stale_at, at),
        delivered_to=kept.delivered_to if kept else None,
        age=max(at - since, timedelta(0)),
        late_at=late_at,
        stale_at=stale_at,
        within=within,
        owed=owed,
        parked=parked,
        latency=together(latency_of(each) for each in kept.latencies) if kept else Latency(),
    )


def edges(
    schedule: Schedule, since: datetime, *, within: timedelta | None, slowest: timedelta, zone: str
) -> tuple[datetime, datetime]:
    """When a sync that is delivered to `since` becomes late, and stale."""
    if within is not None:
        return since + within, since + 2 * within
    if isinstance(schedule, Cron):
        ticks = _cron_ticks(schedule, since, zone)
        return ticks[LATE_TICKS - 1] + slowest, ticks[STALE_TICKS - 1] + slowest
    length = schedule.length if isinstance(schedule, Every) else ONE_TIME
    return since + LATE_TICKS * length + slowest, since + STALE_TICKS * length + slowest


def schedule_to_follow(row: Any, leader: Leader) -> Schedule:
    """The schedule that makes a sync run: its own, or that of the first of those that it follows."""
    schedule, seen = schedule_of(row), set[int]()
    while isinstance(schedule, After) and row.after_sync_id not in seen:
        seen.add(row.after_sync_id)
        row = leader(row.after_sync_id)
        if row is None:
            break
        schedule = schedule_of(row)
    return schedule


def set_within(store: Store, sync_id: int, within: timedelta | None) -> None:
    """Keep how old a change may become before a sync is late; None: as its schedule says. Raises UsageError."""
    if within is not None and within < SHORTEST:
        raise UsageError("A sync is fresh for a minute at least.", hint="Give --within 1m or longer.")
    seconds = int(within.total_seconds()) if within else None
    with store.writing() as connection:
        of_sync = sync_freshness.update().where(sync_freshness.c.sync_id == sync_id)
        if not connection.execute(of_sync.values(within_seconds=seconds)).rowcount:
            connection.execute(sync_freshness.insert().values(sync_id=sync_id, within_seconds=seconds, latencies=[]))


def _kept(ids: Sequence[int]) -> Any:
    query = select(sync_freshness)
    return query if len(ids) > 10_000 else query.where(sync_freshness.c.sync_id.in_(ids))  # as SQLite takes them


def _word(late_at: datetime | None, stale_at: datetime | None, at: datetime) -> str:
    if late_at is None or stale_at is None:
        return ""
    return STALE if at >= stale_at else LATE if at >= late_at else FRESH


@lru_cache(maxsize=50_000)
def _cron_ticks(schedule: Cron, since: datetime, zone: str) -> tuple[datetime, ...]:
    ticks: list[datetime] = []
    for _ in range(STALE_TICKS):
        ticks.append(schedule.next_after(ticks[-1] if ticks else since, zone))
    return tuple(ticks)
