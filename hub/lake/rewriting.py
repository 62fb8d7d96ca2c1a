"""The rows of one commit of a compaction: what some files of a month hold, sorted and without duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import ibis

from hub.lake.slices import WHOLE, Month, slice_of
from hub.lake.snapshot import StoredFile, rows_of
from hub.lake.tables import EVENTS, TAIL

if TYPE_CHECKING:
    from hub.lake.reading import Reader

_DAY = 86_400  # seconds
_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Work:
    """What one commit replaces: `files`, which are all that there is of `slices` and of the tail up to `generation`.
    With `by_day`, a slice for each day takes their place."""

    month: Month
    slices: frozenset[int]
    files: tuple[StoredFile, ...]
    generation: int
    by_day: bool

    @property
    def predicate(self) -> str:
        """Which rows are replaced, by partition alone: delta-rs opens no file then. What is written fulfils it too."""
        slices = ", ".join(str(tail) for tail in sorted(self.slices))
        return (
            f"project_id = {self.month.project_id} and month = '{self.month.name}' and "
            f"({TAIL} in ({slices}) or ({TAIL} > {WHOLE} and {TAIL} <= {self.generation}))"
        )

    @property
    def rows(self) -> int:
        """How many rows the files hold, duplicates included."""
        return rows_of(self.files)


def work_on(reader: Reader, month: Month, *, generation: int, by_day: bool) -> Work | None:
    """What has to be written anew to compact the tail of `month` up to `generation`; None when nothing has."""
    tail = [file for file in month.tail if file.tail <= generation]
    if by_day and all(file.tail != WHOLE for file in month.slices):
        slices = frozenset(slice_of(day) for day in _days(reader, tail))
    else:
        slices = frozenset(range(-31, WHOLE + 1))
    files = (*(file for file in month.slices if file.tail in slices), *tail)
    return Work(month, slices, files, generation, by_day) if files else None


def compacted_rows(reader: Reader, work: Work) -> ibis.Table:
    """The rows (EVENTS.schema) that take the place of the work's files, slice after slice in the order of a slice."""
    paths = [file.path for file in work.files]
    rows = reader.of_files(EVENTS, paths, numbered=True)
    lost = _lost(reader, paths)
    if lost is not None:
        rows = rows.anti_join(lost, ["filename", "file_row_number"])
    if not work.by_day:
        rows = rows.mutate(**{TAIL: ibis.literal(WHOLE, "int32")})
        return rows.order_by("event", "distinct_id", "time")[EVENTS.schema.names]
    first = date.fromisoformat(f"{work.month.name}-01").toordinal() - _EPOCH
    rows = rows.mutate(**{TAIL: (first - 1 - _day(rows)).cast("int32")})
    return rows.order_by(rows[TAIL].desc(), "event", "distinct_id", "time")[EVENTS.schema.names]


def _lost(reader: Reader, paths: Sequence[str]) -> ibis.Table | None:
    """The rows that give way to a later one, by `filename` and `file_row_number`; None when there is no such row.

    Nearly always there are few or none: hashes tell which rows have to be looked at.
    """
    hashes = reader.of_files(EVENTS, paths)
    seen = hashes.select(key=_hash(hashes)).group_by("key").agg(times=ibis._.count())
    suspects = reader.keep(seen.filter(seen.times > 1).select("key"))
    if not reader.value(suspects.count()):
        return None
    rows = reader.of_files(EVENTS, paths, numbered=True)
    rows = rows.mutate(day=_day(rows), key=_hash(rows)).semi_join(suspects, "key")
    in_the_tail = rows[TAIL] > WHOLE
    newest_first = [in_the_tail.desc(), rows.received_at.desc(), rows.filename.desc(), rows.file_row_number.desc()]
    of_one_event = ibis.window(group_by=[rows.event, rows.distinct_id, rows.insert_id, rows.day], order_by=newest_first)
    ranked = rows.mutate(nth=ibis.row_number().over(of_one_event))
    return reader.keep(ranked.filter(ranked.nth > 0).select("filename", "file_row_number"))


def _days(reader: Reader, files: Sequence[StoredFile]) -> list[date]:
    rows = reader.of_files(EVENTS, [file.path for file in files])
    days = rows.select(day=_day(rows)).distinct()
    found = [value for batch in reader.batches(days) for value in batch.column(0).to_pylist()]
    return [date.fromordinal(day + _EPOCH) for day in found]


def _day(rows: ibis.Table) -> ibis.Value:
    """The number of the day (UTC) since 1970: what DuckDB cuts off at days is of the session's zone."""
    return rows.time.epoch_seconds() // _DAY


def _hash(rows: ibis.Table) -> ibis.Value:
    return _hashed(rows.event, rows.distinct_id, rows.insert_id, _day(rows))


@ibis.udf.scalar.builtin(name="hash", signature=(("string", "string", "string", "int64"), "uint64"))
def _hashed(event, distinct_id, insert_id, day):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """DuckDB's hash of several values, which Ibis has for one value only."""
