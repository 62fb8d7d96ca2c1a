"""On which local day something was, as a number that an engine can work out without knowing any zone.

Zone casts in SQL gave wrong days (design: "Time"). Here the offset of the zone is a constant between two changes of its
clocks, which Python knows.
"""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa

from hub.lake.functions import microseconds

if TYPE_CHECKING:
    from hub.cohorts.edges import Bounds
    from hub.lake.reading import Reader

DAY = 86_400_000_000
"""Microseconds in 24 hours."""

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
"""No event is earlier: they are refused when they come in."""

_EPOCH = date(1970, 1, 1)
_STEP = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


def local_day(instant: ibis.Value, bounds: Bounds, zone: ZoneInfo) -> ibis.Value:
    """The number of the zone's day on which instants within `bounds` lie: the same for the same day, and no other."""
    return (microseconds(instant) + offset(instant, bounds, zone)) // DAY


class MonthsLater:
    """The instant so many calendar months of a zone after another: the same clock time.

    A month without that day is taken at its last one. A clock time that is there twice is the first of the two; one
    that is skipped is taken by the clock before the change. Works for instants within `bounds`.
    """

    def __init__(self, reader: Reader, bounds: Bounds, zone: ZoneInfo, months: int) -> None:
        self._start, self._end = _range(bounds)
        self._zone = zone
        self._bounds = bounds
        first, last = (instant.astimezone(zone).date() for instant in (self._start, self._end))
        days = range(first.toordinal() - 1, last.toordinal() + 2)
        later = [(_months_later(date.fromordinal(day), months) - _EPOCH).days for day in days]
        numbers = [day - _EPOCH.toordinal() for day in days]
        self._days = reader.rows(pa.table({"day": pa.array(numbers, pa.int64()), "later": pa.array(later, pa.int64())}))
        self._last = _months_later(last + _STEP, months)

    def beside(self, events: ibis.Table) -> ibis.Table:
        """Events with what `deadline` needs; they have `time` and `at`, their microseconds since 1970."""
        wall = events["at"] + offset(events.time, self._bounds, self._zone)
        told = events.mutate(day=wall // DAY, clock=wall % DAY)
        return told.join(self._days, "day")

    def deadline(self, events: ibis.Table) -> ibis.Value:
        """Microseconds since 1970 of the instant so much later than each event."""
        wall = events.later * DAY + events.clock
        end = datetime.combine(self._last + _STEP, time.min, UTC)
        (_, first), *changes = offsets(self._start, end, self._zone)
        behind, edges = first, []
        for since, ahead in changes:
            edges.append((wall >= (since - _FIRST) // _MICROSECOND + max(behind, ahead), ahead))
            behind = ahead
        return wall - (ibis.cases(*reversed(edges), else_=first) if edges else first)


def offset(instant: ibis.Value, bounds: Bounds, zone: ZoneInfo) -> ibis.Value:
    """How many microseconds the zone's clocks are ahead of UTC at instants within `bounds`."""
    first, *later = offsets(*_range(bounds), zone)
    if not later:
        return ibis.literal(first[1])
    newest_first = [(instant >= since, ahead) for since, ahead in reversed(later)]
    return ibis.cases(*newest_first, else_=first[1])


def offsets(start: datetime, end: datetime, zone: ZoneInfo) -> list[tuple[datetime, int]]:
    """From when on the zone's clocks are ahead of UTC by how many microseconds; the first entry is of `start`."""
    changes = (change for year in range(start.year, end.year + 1) for change in _changes(year, zone))
    return [(start, _ahead(start, zone)), *(change for change in changes if start < change[0] < end)]


@lru_cache(maxsize=1_000)
def _changes(year: int, zone: ZoneInfo) -> tuple[tuple[datetime, int], ...]:
    """When the zone's clocks were changed in a year of UTC, and how far they were ahead from then on."""
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [first + number * _STEP for number in range(-1, 368)]
    found = [_change(left, right, zone) for left, right in pairwise(days) if _ahead(left, zone) != _ahead(right, zone)]
    return tuple((since, _ahead(since, zone)) for since in found if since.year == year)


def _range(bounds: Bounds) -> tuple[datetime, datetime]:
    start = max(bounds.start or _FIRST, _FIRST)
    return start, max(bounds.end, start)


def _months_later(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 + months
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


def _change(left: datetime, right: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after `left` at which the clocks show what they show at `right`."""
    while right - left > _MICROSECOND:
        middle = left + (right - left) // 2
        left, right = (middle, right) if _ahead(middle, zone) == _ahead(left, zone) else (left, middle)
    return right


def _ahead(instant: datetime, zone: ZoneInfo) -> int:
    ahead = instant.astimezone(zone).utcoffset()
    assert ahead is not None, "an aware time has an offset"
    return ahead // _MICROSECOND
