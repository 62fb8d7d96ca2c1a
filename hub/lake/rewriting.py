"""The rows of one commit of a compaction: what some files of a month hold, sorted and without duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import ibis

from hub.lake.duplicates import ROW, day_of, same_day_again
from hub.lake.slices import WHOLE, Month, slice_of
from hub.lake.snapshot import StoredFile, rows_of
from hub.lake.tables import EVENTS, TAIL

if TYPE_CHECKING:
    from hub.lake.reading import Reader

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
    again = same_day_again(reader, paths)
    if again is not None:
        rows = rows.anti_join(again, list(ROW))
    if not work.by_day:
        rows = rows.mutate(**{TAIL: ibis.literal(WHOLE, "int32")})
        return rows.order_by("event", "distinct_id", "time")[EVENTS.schema.names]
    first = date.fromisoformat(f"{work.month.name}-01").toordinal() - _EPOCH
    rows = rows.mutate(**{TAIL: (first - 1 - day_of(rows)).cast("int32")})
    return rows.order_by(rows[TAIL].desc(), "event", "distinct_id", "time")[EVENTS.schema.names]


def _days(reader: Reader, files: Sequence[StoredFile]) -> list[date]:
    rows = reader.of_files(EVENTS, [file.path for file in files])
    days = rows.select(day=day_of(rows)).distinct()
    found = [value for batch in reader.batches(days) for value in batch.column(0).to_pylist()]
    return [date.fromordinal(day + _EPOCH) for day in found]
