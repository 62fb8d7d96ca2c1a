"""The events of the lake, each once, however often they came in.

Compacted rows are free of duplicates, so that only the tail has to be looked at, and those compacted files that hold
the same time. What is looked for there, and which of two equal events stays, `hub.lake.duplicates` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from hub.lake.duplicates import ROW, Narrow, equal_again
from hub.lake.slices import beside, months_of
from hub.lake.snapshot import PRECISION, Filter, StoredFile, rows_of
from hub.lake.tables import EVENT_COLUMNS, EVENTS

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import Reader

__all__ = ["Narrow", "count", "events", "newest"]


def events(reader: Reader, filters: Sequence[Filter] = (), *, narrow: Narrow | None = None) -> ibis.Table:
    """The events of the partitions that pass `filters`, each once, with EVENT_COLUMNS.

    `narrow` names conditions on `event`, `distinct_id`, `time` and `insert_id` that the caller asks of the rows:
    duplicates are looked for only among those that pass, and rows that do not may be there, once or several times.
    Conditions on other columns have to come afterwards: which of two equal events stays does not depend on them.
    """
    files = reader.snapshot(EVENTS).stored(filters)
    tail, next_to = _doubtful(files)
    again = equal_again(reader, tail, next_to, narrow) if tail else None
    if again is None:
        return reader.of_files(EVENTS, _paths(files))[EVENT_COLUMNS.names]
    doubtful = [*tail, *next_to]
    certain = [file for file in files if file not in doubtful]
    numbered = reader.of_files(EVENTS, _paths(doubtful), numbered=True)
    once = numbered.anti_join(again, list(ROW))[EVENT_COLUMNS.names]
    return reader.of_files(EVENTS, _paths(certain))[EVENT_COLUMNS.names].union(once) if certain else once


def count(reader: Reader, filters: Sequence[Filter] = ()) -> int:
    """How many events the partitions that pass `filters` hold, each counted once: as many as the log tells of the
    files, without those that are there again."""
    files = reader.snapshot(EVENTS).stored(filters)
    tail, next_to = _doubtful(files)
    again = equal_again(reader, tail, next_to) if tail else None
    return rows_of(files) - (0 if again is None else int(reader.value(again.count())))


def newest(reader: Reader, filters: Sequence[Filter] = ()) -> datetime | None:
    """When the newest event of the partitions that pass `filters` happened; None without events.

    Opens only the files that it may be in.
    """
    files = [file for file in reader.snapshot(EVENTS).stored(filters) if file.rows != 0]
    if not files:
        return None
    ends = [file.last for file in files if file.last is not None]
    sure = max(ends) - PRECISION if ends else None
    near = [file for file in files if file.last is None or sure is None or file.last >= sure]
    found: datetime | None = reader.value(reader.of_files(EVENTS, _paths(near)).time.max())
    return found


def _doubtful(files: Sequence[StoredFile]) -> tuple[list[StoredFile], list[StoredFile]]:
    """The tail, and the compacted files that an event of it may be in, too."""
    tail, next_to = list[StoredFile](), list[StoredFile]()
    for month in months_of(files):
        tail += month.tail
        next_to += beside(month.slices, month.tail)
    return tail, next_to


def _paths(files: Sequence[StoredFile]) -> list[str]:
    return [file.path for file in files]
