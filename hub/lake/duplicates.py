"""Rows of `events` that are there more than once: which of them give way.

The one that came in last stays: what is in the tail came after what is compacted, and within each `received_at` tells;
of rows that were received at the same instant, the later row of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.datatypes as dt

from hub.lake.slices import WHOLE
from hub.lake.snapshot import StoredFile, rows_of
from hub.lake.tables import EVENTS, TAIL

if TYPE_CHECKING:
    from hub.lake.reading import Reader

KEY = ("event", "distinct_id", "time", "insert_id")
"""Events of a project that are equal in these are one (reference 7.2, rule 1)."""

Narrow = Callable[[ibis.Table], Sequence[Any]]
"""Conditions on the columns of KEY and on no other: of two equal events both pass, or none."""

ROW = ("filename", "file_row_number")
"""What tells one row of some files from all others (`Reader.of_files`, numbered)."""

_FEW = 500_000
"""Compacted rows up to which one pass over all is quicker than two."""

_DAY = 86_400  # seconds


def equal_again(
    reader: Reader, tail: Sequence[StoredFile], beside: Sequence[StoredFile], narrow: Narrow | None = None
) -> ibis.Table | None:
    """The rows of these files that give way to another that is equal in KEY, by ROW; None when there is none.

    Those `beside` the tail are compacted: no two of them are equal. With `narrow` only those of the rows that pass are
    told.
    """
    # without insert_id, which is most of what there is to read, nearly all rows differ from each other already
    if rows_of(beside) <= _FEW:
        suspects = _several(_hashed(reader, [*tail, *beside], narrow))
    else:
        suspects = _several_of_many(_hashed(reader, tail, narrow), _hashed(reader, beside, narrow), reader)
    return _again(
        reader,
        [file.path for file in (*tail, *beside)],
        narrow,
        reader.keep(suspects),
        lambda rows: [rows.project_id, *(rows[name] for name in KEY)],
        lambda rows: _hash_of(rows.event, rows.distinct_id, rows.time),
    )


def same_day_again(reader: Reader, paths: Sequence[str]) -> ibis.Table | None:
    """The rows of these files that give way to another of the same `event`, `distinct_id`, `insert_id` and day (UTC),
    by ROW; None when there is none (reference 7.2, rule 2)."""

    def hashed(rows: ibis.Table) -> ibis.Value:
        return _hash_with_day(rows.event, rows.distinct_id, rows.insert_id, day_of(rows))

    seen = reader.of_files(EVENTS, paths)
    return _again(
        reader,
        paths,
        None,
        reader.keep(_several(seen.select(hashed=hashed(seen)))),
        lambda rows: [rows.project_id, rows.event, rows.distinct_id, rows.insert_id, day_of(rows)],
        hashed,
    )


def day_of(rows: ibis.Table) -> ibis.Value:
    """The number of the day (UTC) since 1970: what DuckDB cuts off at days is of the session's zone."""
    return rows.time.epoch_seconds() // _DAY


def _hashed(reader: Reader, files: Sequence[StoredFile], narrow: Narrow | None) -> ibis.Table:
    rows = _passing(reader.of_files(EVENTS, [file.path for file in files]), narrow)
    return rows.select(hashed=_hash_of(rows.event, rows.distinct_id, rows.time), time=rows.time)


def _several(rows: ibis.Table) -> ibis.Table:
    """What is `hashed` more than once."""
    times = rows.group_by("hashed").agg(times=ibis._.count())
    return times.filter(times.times > 1).select("hashed")


def _several_of_many(arrived: ibis.Table, there: ibis.Table, reader: Reader) -> ibis.Table:
    """As `_several` of both; from the few that arrived, so that the many that are there are only passed by."""
    arrived = reader.keep(arrived.group_by("hashed", "time").agg(times=ibis._.count()))
    again = there.semi_join(arrived, ["hashed", "time"])
    return arrived.filter(arrived.times > 1).select("hashed").union(again.select("hashed"), distinct=True)


def _again(
    reader: Reader,
    paths: Sequence[str],
    narrow: Narrow | None,
    suspects: ibis.Table,
    key: Callable[[ibis.Table], list[Any]],
    hashed: Callable[[ibis.Table], ibis.Value],
) -> ibis.Table | None:
    """Nearly always there are few or none: hashes of narrow columns (`suspects`) tell which rows have to be looked
    at."""
    if not reader.value(suspects.count()):
        return None
    rows = _passing(reader.of_files(EVENTS, paths, numbered=True), narrow)
    rows = rows.mutate(hashed=hashed(rows)).semi_join(suspects, "hashed")
    newest_first = [
        (rows[TAIL] > WHOLE).desc(),
        rows.received_at.desc(),
        rows.filename,
        rows.file_row_number.desc(),
    ]
    ranked = rows.mutate(nth=ibis.row_number().over(group_by=key(rows), order_by=newest_first))
    again = reader.keep(ranked.filter(ranked.nth > 0).select(*ROW))
    return again if reader.value(again.count()) else None


def _passing(rows: ibis.Table, narrow: Narrow | None) -> ibis.Table:
    conditions = narrow(rows) if narrow else ()
    return rows.filter(*conditions) if conditions else rows


_TIME = dt.Timestamp(timezone="UTC", scale=6)


@ibis.udf.scalar.builtin(name="hash", signature=(("string", "string", _TIME), "uint64"))
def _hash_of(event, distinct_id, time):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """DuckDB's hash of several values, which Ibis has for one value only. On Spark: xxhash64."""


@ibis.udf.scalar.builtin(name="hash", signature=(("string", "string", "string", "int64"), "uint64"))
def _hash_with_day(event, distinct_id, insert_id, day):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """As `_hash_of`."""
