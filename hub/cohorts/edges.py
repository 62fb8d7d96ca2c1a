"""From a window to instants: computed in Python as UTC, because zone casts in SQL gave wrong days (design: "Time")."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hub.clock import day_start, utc_months
from hub.cohorts.windows import Before, Between, BetweenAgo, Last, MoreThanAgo, Since, Span, Window
from hub.errors import UsageError

MICROSECOND = timedelta(microseconds=1)
_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


@dataclass(frozen=True)
class Moment:
    """When a question is asked, and whose days and months count: `now` is aware."""

    now: datetime
    zone: ZoneInfo


@dataclass(frozen=True)
class Bounds:
    """The instants of a window, UTC: start <= time < end. A start of None means from the beginning.

    Times are whole microseconds, so that an end that is included is the microsecond after it.
    """

    start: datetime | None
    end: datetime

    def contain(self, instant: datetime) -> bool:
        """Whether the instant lies within."""
        return (self.start is None or self.start <= instant) and instant < self.end

    def months(self) -> list[str] | None:
        """The UTC months that the bounds touch, `YYYY-MM`; None when they have no start."""
        return None if self.start is None else utc_months(self.start, self.end)


def bounds(window: Window | None, now: datetime, zone: ZoneInfo) -> Bounds:
    """The instants of `window` at `now` (aware), in a project's zone. No window means ever, which ends at now."""
    now = now.astimezone(UTC)
    match window:
        case Last():
            return Bounds(before(now, window.last, zone), now + MICROSECOND)
        case MoreThanAgo():
            return Bounds(None, before(now, window.more_than_ago, zone))
        case BetweenAgo():
            spans = window.between_ago
            return Bounds(_before(now, spans.n, spans.unit, zone), _before(now, spans.m, spans.unit, zone))
        case _:
            return _dated(window, now + MICROSECOND, zone)


def _dated(window: Window | None, until_now: datetime, zone: ZoneInfo) -> Bounds:
    """The instants of a window that names days of the zone, or of none; nothing later than now is in it."""
    match window:
        case Since():
            return Bounds(day_start(window.since, zone), until_now)
        case Before():
            return Bounds(None, min(until_now, day_start(window.before, zone)))
        case Between():
            after_last_day = day_start(window.to + timedelta(days=1), zone)
            return Bounds(day_start(window.from_, zone), min(until_now, after_last_day))
        case _:
            return Bounds(None, until_now)


def instant(text: str, zone: ZoneInfo) -> datetime:
    """The instant that somebody asks about: one with its zone, or a day of a project's zone, which stands for its end.

    Raises UsageError for anything else.
    """
    try:
        if len(text) == len("2026-11-23"):
            return day_start(date.fromisoformat(text) + timedelta(days=1), zone) - MICROSECOND
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        f"{text!r} is neither a day nor an instant with its zone.",
        hint="Write 2026-11-23 for the end of that day, or 2026-11-23T14:00:00Z, or 2026-11-23T14:00:00+01:00.",
    )


def before(now: datetime, span: Span, zone: ZoneInfo) -> datetime:
    """The instant so long before `now`."""
    return _before(now, span.n, span.unit, zone)


def after(now: datetime, span: Span, zone: ZoneInfo) -> datetime:
    """The instant so long after `now`."""
    return _before(now, -span.n, span.unit, zone)


def _before(now: datetime, n: int, unit: str, zone: ZoneInfo) -> datetime:
    """A day is 24 hours and a week seven of them; a month ago is the same clock time of the zone, n months earlier.

    A month without that day is taken at its last one. A negative `n` leads to what is to come.
    """
    if unit != "month":
        return now - n * _LENGTHS[unit]
    local = now.astimezone(zone)
    number = local.year * 12 + local.month - 1 - n
    year, month = number // 12, number % 12 + 1
    day = min(local.day, calendar.monthrange(year, month)[1])
    return local.replace(year=year, month=month, day=day).astimezone(UTC)
