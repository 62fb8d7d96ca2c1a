"""Reading the lake through Ibis: DuckDB over the files of a table's present snapshot."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from hub.errors import StoreError, UsageError
from hub.lake.lake import Lake
from hub.lake.snapshot import Filter, Snapshot
from hub.lake.tables import TableLayout

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend


T = TypeVar("T")


class Reader:
    """One DuckDB connection over the lake. Make it with `reading`; use it in one thread.

    Every read of a table sees the snapshot that the first one saw, so that a query that reads a table twice does not
    mix what was there with what has come in between.
    """

    def __init__(self, backend: Backend, lake: Lake, scratch: Path) -> None:
        self.backend = backend
        self.scratch = scratch
        """A folder for files that this reader reads and nobody else: it goes with the reader."""
        self._lake = lake
        self._snapshots: dict[str, Snapshot] = {}
        self._made: dict[Hashable, Any] = {}

    def table(self, layout: TableLayout, filters: Sequence[Filter] = ()) -> ibis.Table:
        """The rows of a lake table's snapshot, of the partitions that pass `filters`."""
        return self.of_files(layout, self.snapshot(layout).files(filters))

    def of_files(self, layout: TableLayout, files: Sequence[str], *, numbered: bool = False) -> ibis.Table:
        """The rows of some files of a lake table; with `numbered` also `filename` and `file_row_number`."""
        extra = {"filename": pa.string(), "file_row_number": pa.int64()} if numbered else {}
        columns = pa.schema([*layout.schema, *(pa.field(name, kind) for name, kind in extra.items())])
        if not files:
            return self.rows(columns.empty_table())
        name = self._view(columns, layout.partition_by, files, extra)
        return _known_table(self.backend, name, columns)

    def has(self, layout: TableLayout, column: str, filters: Sequence[Filter] = ()) -> bool:
        """Whether a column has any value in the partitions that pass `filters` (`=` and `in`). Opens no file."""
        return self.snapshot(layout).has_values(column, filters)

    def keep(self, expression: ibis.Table) -> ibis.Table:
        """The result of an expression, worked out now and kept for as long as this reader: in memory, then on disk."""
        from ibis.util import gen_name

        with _told():
            return self.backend.create_table(gen_name("kept"), expression, temp=True)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returned when this reader was first asked for `key`: for tables that several reads share."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]  # type: ignore[no-any-return]

    def files(self, *paths: Path) -> ibis.Table:
        """The rows of Parquet files outside the tables, such as a run's plan."""
        return self.backend.read_parquet([str(path) for path in paths])

    def rows(self, rows: pa.Table) -> ibis.Table:
        """Rows that are at hand, as a table to join with."""
        import ibis

        return ibis.memtable(rows)

    def batches(self, expression: ibis.Table, *, size: int = 50_000) -> Iterator[pa.RecordBatch]:
        """The result of an expression, batch by batch, never as a whole.

        Raises StoreError when the engine runs out of memory and disk, or a file is gone.
        """
        with _told():
            yield from self.backend.to_pyarrow_batches(expression, chunk_size=size)

    def _view(self, columns: pa.Schema, partition_by: Sequence[str], files: Sequence[str], extra: Iterable[str]) -> str:
        import duckdb
        from ibis.util import gen_name

        # partition columns are only in the paths, as text
        typed = {name: f'CAST("{name}" AS INTEGER) AS "{name}"' for name in partition_by if _is_whole(columns, name)}
        selected = ", ".join(typed.get(name, f'"{name}"') for name in columns.names)
        options = ["hive_partitioning = true", "hive_types_autocast = false", *(f"{name} = true" for name in extra)]
        paths = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
        name = gen_name("lake")
        try:
            self.backend.con.execute(
                f"CREATE TEMP VIEW {name} AS SELECT {selected} FROM read_parquet([{paths}], {', '.join(options)})"
            )
        except duckdb.Error as error:
            raise _failed(error) from error
        return name

    def interrupt(self) -> None:
        """End the query that runs in another thread: it raises StoreError there."""
        self.backend.con.interrupt()

    def snapshot(self, layout: TableLayout) -> Snapshot:
        """What this reader sees of a table: the snapshot that its first read saw."""
        if layout.name not in self._snapshots:
            self._snapshots[layout.name] = self._lake.snapshot(layout)
        return self._snapshots[layout.name]

    def sql(self, expression: ibis.Table) -> str:
        """The query that the engine gets for an expression, for people to read."""
        return str(self.backend.compile(expression, pretty=True))

    def value(self, expression: Any) -> Any:
        """The single value of a scalar expression, as a Python object."""
        with _told():
            return self.backend.to_pyarrow(expression).as_py()


def _known_table(backend: Backend, view: str, columns: pa.Schema) -> ibis.Table:
    """A view whose columns are known: Ibis would ask DuckDB for them, which costs more than many a question."""
    import ibis.expr.operations as ops
    from ibis.expr.schema import Schema

    place = ops.Namespace(catalog="temp", database="main")
    table: ibis.Table = ops.DatabaseTable(
        name=view, schema=Schema.from_pyarrow(columns), source=backend, namespace=place
    ).to_expr()
    return table


def _is_whole(columns: pa.Schema, name: str) -> bool:
    return bool(pa.types.is_integer(columns.field(name).type))


@contextmanager
def reading(lake: Lake, *, memory_limit: str = "2GiB", threads: int = 0) -> Iterator[Reader]:
    """Open a reader within bounds: beyond `memory_limit` it spills to a temporary folder below the lake.

    `threads` of 0 means one a core. Raises UsageError for a `memory_limit` that is none, StoreError when the lake's
    folder cannot be written.
    """
    with _spill(lake.root) as spill:
        backend = _connected({"memory_limit": memory_limit, "temp_directory": spill}, threads)
        try:
            yield Reader(backend, lake, Path(spill))
        finally:
            backend.disconnect()


@contextmanager
def _spill(root: Path) -> Iterator[str]:
    try:
        (root / ".spill").mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(dir=root / ".spill")
    except OSError as error:
        raise StoreError(
            f"The lake in {root} cannot be written: {error.strerror}.", hint="Look at HUB_LAKE, and at the disk."
        ) from error
    with folder as spill:
        yield spill


def _connected(settings: dict[str, Any], threads: int) -> Any:
    import duckdb
    import ibis

    try:
        return ibis.duckdb.connect(**settings, **({"threads": threads} if threads else {}))
    except duckdb.ParserException as error:
        raise UsageError(
            f"The setting memory_limit is wrong: {settings['memory_limit']!r} is no amount of memory.",
            hint="Write it as 2GiB, in HUB_MEMORY_LIMIT or in hub.toml.",
        ) from error


@contextmanager
def _told() -> Iterator[None]:
    """What the engine cannot do becomes a StoreError, and Ctrl-C in the middle of it KeyboardInterrupt again."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise _failed(error) from error
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def _failed(error: Exception) -> StoreError:
    first_line = str(error).strip().splitlines()[0]
    return StoreError(
        f"The lake could not be queried: {first_line}",
        hint="If memory or disk ran out, raise HUB_MEMORY_LIMIT or make room; else run `hub doctor`.",
    )
