"""The events of the lake, each once, however often they came in.

Events that are equal in `event`, `distinct_id`, `time` and `insert_id` are one (reference 7.2, rule 1), and the one
that came in last stays: what is in the tail came after what is compacted, and in the tail `received_at` tells.
Compacted rows are free of duplicates, so that only what the tail overlaps with has to be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TYPE_CHECKING

import ibis

from hub.lake.slices import beside, months_of
from hub.lake.snapshot import Filter, StoredFile, rows_of
from hub.lake.tables import EVENT_COLUMNS, EVENTS

if TYPE_CHECKING:
    from hub.lake.reading import Reader

KEY = ("event", "distinct_id", "time", "insert_id")
"""Events that are equal in these are one."""

Narrow = Callable[[ibis.Table], Sequence[ibis.Value]]
"""Conditions on the columns of KEY, and on no other."""


def events(reader: Reader, filters: Sequence[Filter] = (), *, narrow: Narrow | None = None) -> ibis.Table:
    """The events of the partitions that pass `filters`, each once, with the columns EVENT_COLUMNS.

    `narrow` names conditions that the caller asks of the rows anyway: duplicates are looked for only among those that
    pass. What is left out by other conditions has to be filtered afterwards: which of two equal events stays does not
    depend on them.
    """
    clean, overlapping, tail = _parts(reader, filters)
    found = [_rows(reader, clean, narrow)] if clean or not tail else []
    if overlapping:
        keys = _rows(reader, tail, narrow).select(*KEY)
        found.append(_rows(reader, overlapping, narrow).anti_join(keys, list(KEY)))
    if tail:
        found.append(_newest(reader, tail, narrow))
    return reduce(lambda left, right: left.union(right), found)


def count(reader: Reader, filters: Sequence[Filter] = ()) -> int:
    """How many events the partitions that pass `filters` hold, each counted once.

    Opens only the files that the tail overlaps with.
    """
    clean, overlapping, tail = _parts(reader, filters)
    unread = rows_of([*clean, *overlapping])
    if not tail:
        return unread
    keys = _rows(reader, tail, None).select(*KEY).distinct()
    counted = int(reader.value(keys.count()))
    if overlapping:
        again = _rows(reader, overlapping, None).semi_join(keys, list(KEY))
        counted -= int(reader.value(again.count()))
    return unread + counted


def _parts(reader: Reader, filters: Sequence[Filter]) -> tuple[list[StoredFile], list[StoredFile], list[StoredFile]]:
    """The files: compacted ones that no event of the tail can be in, the other compacted ones, and the tail."""
    clean: list[StoredFile] = []
    overlapping: list[StoredFile] = []
    tail: list[StoredFile] = []
    for month in months_of(reader.snapshot(EVENTS).stored(filters)):
        near = beside(month.slices, month.tail)
        overlapping += near
        clean += [file for file in month.slices if file not in near]
        tail += month.tail
    return clean, overlapping, tail


def _rows(reader: Reader, files: Sequence[StoredFile], narrow: Narrow | None) -> ibis.Table:
    rows = reader.of_files(EVENTS, [file.path for file in files])[EVENT_COLUMNS.names]
    conditions = narrow(rows) if narrow else ()
    return rows.filter(*conditions) if conditions else rows


def _newest(reader: Reader, tail: Sequence[StoredFile], narrow: Narrow | None) -> ibis.Table:
    rows = reader.of_files(EVENTS, [file.path for file in tail], numbered=True)
    conditions = narrow(rows) if narrow else ()
    rows = rows.filter(*conditions) if conditions else rows
    newest_first = [rows.received_at.desc(), rows.filename.desc(), rows.file_row_number.desc()]
    of_one_event = ibis.window(group_by=[rows[name] for name in KEY], order_by=newest_first)
    numbered = rows.mutate(nth=ibis.row_number().over(of_one_event))
    return numbered.filter(numbered.nth == 0)[EVENT_COLUMNS.names]
