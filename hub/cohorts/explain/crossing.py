"""When what a definition asks relative to now passes an instant: the edges of windows, in the project's zone.

An edge of a window is `before(now, n units)`. It passes an event when now is n units later; with calendar months it may
pass it several times, because the clock times of some days all fall on the last day of a short month, and it may pass
it with a leap, at midnight or when the clocks are changed. So a day is cut into pieces within which the edge moves as
now does.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from hub.clock import day_start
from hub.cohorts.days import offsets
from hub.cohorts.edges import MICROSECOND, after, before
from hub.cohorts.windows import Before, Between, BetweenAgo, Last, MoreThanAgo, Since, Span, Window

_LENGTHS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
_DAY = timedelta(days=1)
_NEAR = range(-2, 6)
"""The days around the same day of another month on which an edge may pass: a short month has up to three days less."""


def passed(instant: datetime, n: int, unit: str, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants of now at which whether `before(now, n units) > instant` may change. A negative `n`: `after`."""
    if unit != "month" or n == 0:
        yield instant + n * _LENGTHS.get(unit, _DAY) + MICROSECOND
        return
    anchor = _months_later(instant.astimezone(zone).date(), n)
    for number in _NEAR:
        for start, end, ahead in _pieces(anchor + number * _DAY, n, zone):
            yield start
            if start <= instant + ahead + MICROSECOND < end:
                yield instant + ahead + MICROSECOND


def window_moments(window: Window | None, instant: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants of now at which whether a window holds `instant` may change."""
    match window:
        case Last():
            yield instant
            yield from passed(instant, window.last.n, window.last.unit, zone)
        case MoreThanAgo():
            yield from passed(instant, window.more_than_ago.n, window.more_than_ago.unit, zone)
        case BetweenAgo():
            spans = window.between_ago
            yield from passed(instant, spans.n, spans.unit, zone)
            yield from passed(instant, spans.m, spans.unit, zone)
        case None | Since() | Before() | Between() | _:
            yield instant  # days of the calendar do not move: an event is in there from when it takes place


def earlier_moments(window: Window, span: Span, instant: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """As `window_moments`, of the time of length `span` right before a window."""
    yield from window_moments(window, instant, zone)
    length = window.last if isinstance(window, Last) else window.between_ago if isinstance(window, BetweenAgo) else None
    if length is None:
        yield instant
        return
    for start in passed(instant, span.n, span.unit, zone):  # the window's own beginning, when it passes
        yield from passed(start - MICROSECOND, length.n, length.unit, zone)


def months_later(instant: datetime, n: int, zone: ZoneInfo) -> datetime:
    """The same clock time `n` calendar months later; of a clock time that is there twice, the first."""
    local = instant.astimezone(zone)
    return datetime.combine(_months_later(local.date(), n), local.time(), zone).astimezone(instant.tzinfo)


def _months_later(day: date, n: int) -> date:
    number = day.year * 12 + day.month - 1 + n
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1]))


@lru_cache(maxsize=4_000)
def _pieces(day: date, n: int, zone: ZoneInfo) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """The pieces of a day (start, end, how far the edge is behind) within which an edge moves as now does."""
    start, end = day_start(day, zone), day_start(day + _DAY, zone)
    cuts = {start, *(since for since, _ in offsets(start, end, zone)[1:]), *_clocks(day, n, zone)}
    inside = sorted(cut for cut in cuts if start <= cut < end)
    return tuple((first, last, first - _edge(first, n, zone)) for first, last in pairwise([*inside, end]))


def _clocks(day: date, n: int, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants of a day whose clock times are those of a change of clocks on the day that the edge is on."""
    target = _months_later(day, -n)
    around = offsets(day_start(target, zone) - _DAY, day_start(target + _DAY, zone) + _DAY, zone)
    for (_, behind), (since, ahead) in pairwise(around):
        for offset in (behind, ahead):
            clock = (since + offset * MICROSECOND).time()
            for fold in (0, 1):
                yield datetime.combine(day, time(*_parts(clock), fold=fold), zone).astimezone(since.tzinfo)


def _parts(clock: time) -> tuple[int, int, int, int]:
    return clock.hour, clock.minute, clock.second, clock.microsecond


def _edge(instant: datetime, n: int, zone: ZoneInfo) -> datetime:
    span = Span.model_construct(n=abs(n), unit="month")
    return before(instant, span, zone) if n > 0 else after(instant, span, zone)
