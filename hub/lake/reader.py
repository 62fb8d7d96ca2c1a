"""What every engine offers to the questions that are asked of the lake: the seam between questions and engines.

An engine brings a class of its own for it (`hub.lake.duckdb_reader`, `hub.lake.spark.reader`). Questions are Ibis
expressions over the tables that a reader hands out, and are written once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import pyarrow as pa

from hub.errors import StoreError
from hub.lake.snapshot import Filter, Snapshot
from hub.lake.tables import TableLayout

if TYPE_CHECKING:
    import ibis

    from hub.lake.lake import Lake

T = TypeVar("T")

NUMBERED: dict[str, pa.DataType] = {"filename": pa.string(), "file_row_number": pa.int64()}
"""What tells one row of some files from all others."""


class Reader(ABC):
    """The lake, open for questions. Make it with `hub.lake.reading.reading`; use it in one thread.

    Every read of a table sees the snapshot that the first one saw, so that a query that reads a table twice does not
    mix what was there with what has come in between.
    """

    engine: ClassVar[str]
    """The engine's name (`hub.lake.engines`)."""

    def __init__(self, lake: Lake, scratch: Path) -> None:
        self.scratch = scratch
        """A folder for files that this reader reads and nobody else: it goes with the reader."""
        self._lake = lake
        self._snapshots: dict[str, Snapshot] = {}
        self._made: dict[Hashable, Any] = {}

    def table(self, layout: TableLayout, filters: Sequence[Filter] = ()) -> ibis.Table:
        """The rows of a lake table's snapshot, of the partitions that pass `filters`."""
        return self.of_files(layout, self.snapshot(layout).files(filters))

    @abstractmethod
    def of_files(self, layout: TableLayout, files: Sequence[str], *, numbered: bool = False) -> ibis.Table:
        """The rows of some files of a lake table; with `numbered` also the columns of NUMBERED."""

    def has(self, layout: TableLayout, column: str, filters: Sequence[Filter] = ()) -> bool:
        """Whether a column has any value in the partitions that pass `filters` (`=` and `in`). Opens no file."""
        return self.snapshot(layout).has_values(column, filters)

    @abstractmethod
    def keep(self, expression: ibis.Table) -> ibis.Table:
        """The result of an expression, worked out once and kept for as long as this reader: in memory, then on
        disk."""

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returned when this reader was first asked for `key`: for tables that several reads share."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[no-any-return]

    @abstractmethod
    def files(self, *paths: Path) -> ibis.Table:
        """The rows of Parquet files outside the tables, such as a run's plan."""

    @abstractmethod
    def rows(self, rows: pa.Table) -> ibis.Table:
        """Rows that are at hand, as a table to join with."""

    @abstractmethod
    def batches(self, expression: ibis.Table, *, size: int = 50_000) -> Iterator[pa.RecordBatch]:
        """The result of an expression, batch by batch, never as a whole.

        Raises StoreError when the engine runs out of memory and disk, is gone, or a file is.
        """

    @abstractmethod
    def sql(self, expression: ibis.Table) -> str:
        """The query that the engine gets for an expression, for people to read."""

    @abstractmethod
    def value(self, expression: Any) -> Any:
        """The single value of a scalar expression, as a Python object. Raises StoreError as of `batches`."""

    @abstractmethod
    def interrupt(self) -> None:
        """End the query that runs in another thread: it raises StoreError there."""

    def snapshot(self, layout: TableLayout) -> Snapshot:
        """What this reader sees of a table: the snapshot that its first read saw."""
        if layout.name not in self._snapshots:
            self._snapshots[layout.name] = self._lake.snapshot(layout)
        return self._snapshots[layout.name]


@contextmanager
def scratch_of(root: Path) -> Iterator[Path]:
    """A folder below the lake in `root` for what does not fit into memory; it goes at the end.

    Raises StoreError when the lake's folder cannot be written.
    """
    try:
        (root / ".spill").mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=root / ".spill")
    except OSError as error:
        raise StoreError(
            f"The lake in {root} cannot be written: {error.strerror}.", hint="Look at HUB_LAKE, and at the disk."
        ) from error
    with folder as path:
        yield Path(path)
