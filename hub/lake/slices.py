"""What the partition column `tail` says, and when rows are worth compacting: pure functions.

Above 0, `tail` is the generation in which a row was appended. Compacted rows are sorted by (event, distinct_id, time),
hold no event twice, and lie in *slices*: 0 is a whole month, -d is day d of it (UTC). A month that is still coming in
is cut by day when it is large: what has just arrived then overlaps with few rows, when read and when compacted. No
duplicate is missed by that, because events of different days are never duplicates.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from hub.lake.snapshot import StoredFile, rows_of

WHOLE = 0
"""The slice that is a whole month."""

SETTLED = timedelta(days=6)
"""So long after its end a month is taken for complete: SDKs may send events that are five days late."""

LARGE_MONTH = 1_000_000
"""Rows from which on a month that is still coming in is cut by day."""

HUGE_MONTH = 50_000_000
"""Rows from which on a month stays cut by day for good: writing it anew would cost more than it gains."""

LEAST_ROWS = 200_000
SHARE = 0.2
OLDEST = timedelta(hours=12)
"""A tail is compacted when it has more than LEAST_ROWS rows and more than SHARE of the compacted rows that it overlaps
with, or when its oldest file is older than OLDEST."""


@dataclass(frozen=True)
class Month:
    """The files of one month of one project: those in slices, and the tail."""

    project_id: int
    name: str
    slices: tuple[StoredFile, ...]
    tail: tuple[StoredFile, ...]

    @property
    def is_cut(self) -> bool:
        """Whether it has slices of days."""
        return any(file.tail < WHOLE for file in self.slices)


def months_of(files: Sequence[StoredFile]) -> list[Month]:
    """The months of the files of `events`, in order."""
    found: dict[tuple[int, str], list[StoredFile]] = {}
    for file in files:
        found.setdefault((file.partition["project_id"], file.partition["month"]), []).append(file)
    return [
        Month(
            project_id,
            name,
            slices=tuple(file for file in group if file.tail <= WHOLE),
            tail=tuple(file for file in group if file.tail > WHOLE),
        )
        for (project_id, name), group in sorted(found.items())
    ]


def beside(slices: Sequence[StoredFile], tail: Sequence[StoredFile]) -> list[StoredFile]:
    """The compacted files that may hold an event of the tail, by its time."""
    spans = [(file.first, file.last) for file in tail if file.rows != 0]
    return [file for file in slices if any(_overlap(file, first, last) for first, last in spans)]


def is_due(month: Month, now: datetime) -> bool:
    """Whether the month is worth compacting at `now` (aware)."""
    if not month.tail:
        return month.is_cut and not cut_by_day(month, now)
    rows = rows_of(month.tail)
    overlapping = rows_of(beside(month.slices, month.tail))
    return rows > max(LEAST_ROWS, SHARE * overlapping) or min(file.written_at for file in month.tail) < now - OLDEST


def cut_by_day(month: Month, now: datetime) -> bool:
    """Whether the month, when it is compacted at `now` (aware), is cut by day."""
    rows = rows_of(month.slices) + rows_of(month.tail)
    coming_in = now < _end(month.name) + SETTLED
    return rows > LARGE_MONTH if coming_in else month.is_cut and rows > HUGE_MONTH


def slice_of(day: date) -> int:
    """The slice of a day, in a month that is cut by day."""
    return -day.day


def _overlap(file: StoredFile, first: datetime | None, last: datetime | None) -> bool:
    if file.first is None or file.last is None or first is None or last is None:
        return True
    return file.first <= last and first <= file.last


def _end(month: str) -> datetime:
    year, number = int(month[:4]), int(month[5:])
    return datetime(year, number, 1, tzinfo=UTC) + timedelta(days=calendar.monthrange(year, number)[1])
