"""When a sync runs: once, every so often, at local times, or after another sync. Pure functions of instants.

A cron schedule follows the clocks of its zone. Where its hour is `*` (or `*/1`), it goes on through a clock change as
time passes. All others name times of day: one that a clock change skips is served once, right after the change; one
that happens twice is served the first time. These are the rules of Debian's cron, which the library cronsim keeps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hub.errors import UsageError
from hub.sync.intervals import interval_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cronsim import CronSim

SHORTEST = timedelta(minutes=1)
MOST_MISSED = 10_000
"""So many ticks of a cron schedule are counted as missed at once; who was away for longer missed at least as many."""

_HINT = 'Write five fields, minute, hour, day of the month, month and day of the week, such as "0 7 * * 1-5".'


@dataclass(frozen=True)
class Once:
    """One run that ends well, and no more."""

    def __str__(self) -> str:
        return "once"


@dataclass(frozen=True)
class Every:
    """A run each `length` from the first one on; a minute at least. Raises UsageError for less."""

    length: timedelta

    def __post_init__(self) -> None:
        if self.length < SHORTEST:
            raise UsageError("A sync runs every minute at most.", hint="Give --every 1m or longer.")

    def __str__(self) -> str:
        return f"every {interval_text(self.length)}"


@dataclass(frozen=True)
class Cron:
    """Runs at the local times of `expression`, five fields, in `zone`, an IANA name; empty: the project's.

    Raises UsageError when it cannot be read, never comes true, or there is no such zone.
    """

    expression: str
    zone: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", " ".join(self.expression.split()))
        if self.zone:
            _zone(self.zone)
        self.next_after(datetime(2000, 1, 1, tzinfo=UTC), "UTC")

    def __str__(self) -> str:
        return f"cron {self.expression}{f' ({self.zone})' if self.zone else ''}"

    def next_after(self, instant: datetime, zone: str) -> datetime:
        """The first tick after `instant`, in UTC. `zone` is the project's, used when the schedule has none."""
        return next(self._ticks(instant, zone))

    def passed(self, start: datetime, end: datetime, zone: str) -> int:
        """How many ticks lie after `start`, up to `end`; MOST_MISSED at most."""
        count = 0
        for tick in islice(self._ticks(start, zone), MOST_MISSED):
            if tick > end:
                break
            count += 1
        return count

    def _ticks(self, after: datetime, zone: str) -> Iterator[datetime]:
        last = after
        for local in self._simulated(after.astimezone(_zone(self.zone or zone))):
            tick = local.astimezone(UTC)
            if tick > last:  # within the second 02:30 of a night, its first one is past
                yield tick
                last = tick
        raise UsageError(f"The schedule {self.expression!r} never comes true.", hint=_HINT)

    def _simulated(self, local: datetime) -> CronSim:
        from cronsim import CronSim, CronSimError

        fields = self.expression.split()
        if len(fields) != 5:
            raise UsageError(f"{self.expression[:60]!r} is not a cron schedule.", hint=_HINT)
        try:
            if CronSim(self.expression, local).hours == {*range(24)}:
                fields[1] = "*"
            else:  # times of day, even when written with a star
                fields[0] = re.sub(r"^\*", "0-59", fields[0])
                fields[1] = re.sub(r"^\*", "0-23", fields[1])
            return CronSim(" ".join(fields), local)
        except CronSimError as error:
            raise UsageError(f"{self.expression[:60]!r} is not a cron schedule: {error}.", hint=_HINT) from error


@dataclass(frozen=True)
class After:
    """A run whenever one of the sync called `sync`, of the same project, has ended well."""

    sync: str

    def __str__(self) -> str:
        return f"after {self.sync}"


Schedule = Once | Every | Cron | After


def next_tick(schedule: Every | Cron, due: datetime, now: datetime, zone: str) -> tuple[datetime, int]:
    """The first tick after `now` of a schedule that was due at `due`, and how many were missed in between.

    `due` itself is the tick that is being served, so it does not count as missed. All instants are aware; `zone` is
    the project's.
    """
    if isinstance(schedule, Every):
        passed = max(0, (now - due) // schedule.length)
        return due + (passed + 1) * schedule.length, passed
    return schedule.next_after(max(due, now), zone), schedule.passed(due, now, zone)


def first_tick(schedule: Every | Cron, now: datetime, zone: str) -> datetime:
    """When a sync that begins now is due first: an interval begins with a run, a cron schedule with its next time."""
    return now if isinstance(schedule, Every) else schedule.next_after(now, zone)


def believed(
    schedule: Once | Every | Cron, due: datetime, now: datetime, zone: str, *, once_after: timedelta
) -> datetime:
    """When a sync is due that was to be at `due`, once the clock was set back to `now`.

    An interval waits for its length at most, a one-time sync for `once_after`. A cron schedule keeps its tick if that
    is the next or the next but one by the new clock, so that no local time is served twice; one that is further away
    is of a clock that was wrong, and the next tick is meant.
    """
    if isinstance(schedule, Cron):
        following = schedule.next_after(now, zone)
        return due if due <= schedule.next_after(following, zone) else following
    return min(due, now + (schedule.length if isinstance(schedule, Every) else once_after))


def schedule_of(row: Any) -> Schedule:
    """The schedule of a row of the syncs, which has `after_name` beside its columns."""
    if row.every_seconds is not None:
        return Every(timedelta(seconds=row.every_seconds))
    if row.cron is not None:
        return Cron(row.cron, row.cron_zone or "")
    return After(row.after_name) if row.after_sync_id is not None else Once()


def columns_of(schedule: Schedule) -> dict[str, Any]:
    """What a row of the syncs holds of a schedule. Whom it follows is looked up by whoever writes it."""
    return {
        "every_seconds": int(schedule.length.total_seconds()) if isinstance(schedule, Every) else None,
        "cron": schedule.expression if isinstance(schedule, Cron) else None,
        "cron_zone": schedule.zone or None if isinstance(schedule, Cron) else None,
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:  # not found, a folder, not a name
        raise UsageError(
            f"There is no time zone {name[:60]!r}.", hint="Give an IANA name, such as Europe/Oslo."
        ) from error
