"""Reading a plan for its delivery: ranges of its rows, as the members that a connector is given."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from hub.cohorts.mapped import decode
from hub.connectors.contract import Member, Value
from hub.connectors.matching import Kinds
from hub.sync.batches import PlannedMember
from hub.sync.documents import columns_of, documents
from hub.sync.states import Action

_COLUMNS = ["key", "person", "fingerprint", "send"]
_DOCUMENT = "document"


@dataclass(frozen=True)
class PlannedRows:
    """Some rows of a plan, all with the same action. `keys` are in its order."""

    keys: Sequence[str]
    _rows: pa.Table

    def members(self, action: Action, kinds: Kinds) -> list[Member]:
        """What the connector is given: each key with the values that are to be sent."""
        sent: list[dict[str, Any]] = [values for part in self._rows.to_batches() for values in _values(part)]
        if action is Action.CLEAR:  # what was written before is what is emptied
            sent = [dict.fromkeys(values) for values in sent]
        keys, of_kinds = kinds.read_all(self.keys)
        return [*map(Member, keys, sent, of_kinds)]

    def planned(self, keys: Collection[str]) -> list[PlannedMember]:
        """Who those of these members are who have one of `keys`, and what stands for their values."""
        places = pa.array([place for place, key in enumerate(self.keys) if key in keys], pa.int64())
        rows = self._rows.select(["key", "person", "fingerprint"]).take(places)
        return [PlannedMember(**row) for row in rows.to_pylist()]


class PlanReader:
    """Reads ranges of rows of a plan, a row group ahead. Keeps two of them, so memory follows the batch."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path, pre_buffer=False)
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._starts = [0, *accumulate(sizes)]
        self._groups_of_rows = len(sizes)
        self._kept: dict[int, Future[pa.RecordBatch]] = {}
        self._lock = threading.Lock()
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="plan")

    def rows(self, first: int, size: int) -> PlannedRows:
        """Rows `first` to `first + size` of the plan."""
        groups = self._groups(first, size)
        with self._lock:
            reading = [self._fetched(group) for group in groups]
            if groups[-1] + 1 < self._groups_of_rows:
                self._fetched(groups[-1] + 1)
        table = pa.Table.from_batches([group.result() for group in reading])
        rows = table.slice(first - self._starts[groups[0]], size)
        return PlannedRows(_texts(rows.column("key")), rows)

    def at_hand(self, first: int, size: int) -> bool:
        """Whether these rows are in memory, so that `rows` is quick."""
        kept = (self._kept.get(group) for group in self._groups(first, size))
        return all(group is not None and group.done() for group in kept)

    def _groups(self, first: int, size: int) -> range:
        low = bisect.bisect_right(self._starts, first) - 1
        return range(low, bisect.bisect_right(self._starts, first + size - 1))

    def _fetched(self, group: int) -> Future[pa.RecordBatch]:
        if group not in self._kept:
            while len(self._kept) > 1:
                self._kept.pop(min(self._kept))
            self._kept[group] = self._reading.submit(self._read, group)
        return self._kept[group]

    def _read(self, group: int) -> pa.RecordBatch:
        return _prepared(self._file.read_row_group(group, columns=_COLUMNS, use_threads=False))


def _prepared(group: pa.Table) -> pa.RecordBatch:
    """A row group with the values to be sent as JSON, if they can be that."""
    [rows] = group.combine_chunks().to_batches()
    made = documents(rows.column("send"))
    return rows if made is None else rows.drop_columns("send").append_column(_DOCUMENT, made)


def _values(rows: pa.RecordBatch) -> list[dict[str, Value | None]]:
    """The values of each row that are to be sent."""
    if _DOCUMENT not in rows.schema.names:
        return [{target: decode(text) for target, text in sent.items()} for sent in _typed(rows.column("send"))]
    # the texts of a column stand one behind the other: together they are what a JSON array has within
    column = rows.column(_DOCUMENT)
    _, offsets, content = column.buffers()
    first, last = (memoryview(offsets).cast("i")[column.offset + place] for place in (0, len(column)))
    found: list[dict[str, Value | None]] = orjson.loads(
        b"".join((b"[", memoryview(content)[first : max(last - 1, first)], b"]"))
    )
    return found


def _typed(values: pa.Array) -> Iterator[dict[str, str]]:
    """The typed texts of each row, by target."""
    columns = {target: _texts(texts) for target, texts in columns_of(values).items()}
    for place in range(len(values)):
        yield {target: texts[place] for target, texts in columns.items() if texts[place] is not None}


def _texts(column: Any) -> list[Any]:
    # not to_pylist, which makes an object of the library's own of each
    found: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
    return found
