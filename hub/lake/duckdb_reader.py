"""DuckDB over the lake: the engine that is always there, within this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hub.errors import OutOfMemory, StoreError, UsageError
from hub.lake.engines import DUCKDB
from hub.lake.reader import NUMBERED, Reader, scratch_of
from hub.lake.tables import TableLayout

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

    from hub.lake.lake import Lake


class DuckDbReader(Reader):
    """One DuckDB connection over the lake."""

    engine = DUCKDB

    def __init__(self, backend: Backend, lake: Lake, scratch: Path) -> None:
        super().__init__(lake, scratch)
        self.backend = backend

    def of_files(self, layout: TableLayout, files: Sequence[str], *, numbered: bool = False) -> ibis.Table:
        extra = NUMBERED if numbered else {}
        columns = pa.schema([*layout.schema, *(pa.field(name, kind) for name, kind in extra.items())])
        if not files:
            return self.rows(columns.empty_table())
        name = self._view(columns, layout.partition_by, files, extra)
        return _known_table(self.backend, name, columns)

    def keep(self, expression: ibis.Table) -> ibis.Table:
        from ibis.util import gen_name

        with _told():
            return self.backend.create_table(gen_name("kept"), expression, temp=True)

    def files(self, *paths: Path) -> ibis.Table:
        return self.backend.read_parquet([str(path) for path in paths])

    def rows(self, rows: pa.Table) -> ibis.Table:
        import ibis

        return ibis.memtable(rows)

    def batches(self, expression: ibis.Table, *, size: int = 50_000) -> Iterator[pa.RecordBatch]:
        with _told():
            yield from self.backend.to_pyarrow_batches(expression, chunk_size=size)

    def sql(self, expression: ibis.Table) -> str:
        import ibis

        with _option(ibis.options.sql, "fuse_selects", True):
            return str(self.backend.compile(expression, pretty=True))

    def value(self, expression: Any) -> Any:
        with _told():
            return self.backend.to_pyarrow(expression).as_py()

    @contextmanager
    def one_thread(self, memory_limit: str) -> Iterator[None]:
        """Within the block one thread works, with that much memory: what several keep in their hands is beside it."""
        asked = "SELECT current_setting('threads'), current_setting('memory_limit')"
        threads, limit = self.backend.con.execute(asked).fetchone() or (1, memory_limit)
        settings = "SET threads = {}; SET memory_limit = '{}'"
        self.backend.con.execute(settings.format(1, memory_limit))
        try:
            yield
        finally:
            self.backend.con.execute(settings.format(threads, limit))

    def interrupt(self) -> None:
        self.backend.con.interrupt()

    def _view(self, columns: pa.Schema, partition_by: Sequence[str], files: Sequence[str], extra: Iterable[str]) -> str:
        import duckdb
        from ibis.util import gen_name

        # partition columns are only in the paths, as text
        typed = {name: f'CAST("{name}" AS INTEGER) AS "{name}"' for name in partition_by if _is_whole(columns, name)}
        selected = ", ".join(typed.get(name, f'"{name}"') for name in columns.names)
        options = ["hive_partitioning = true", "hive_types_autocast = false", *(f"{name} = true" for name in extra)]
        paths = ", ".join("'" + path.replace("'", "''") + "'" for path in files)
        name: str = gen_name("lake")
        try:
            self.backend.con.execute(
                f"CREATE TEMP VIEW {name} AS SELECT {selected} FROM read_parquet([{paths}], {', '.join(options)})"
            )
        except duckdb.Error as error:
            raise failed(error) from error
        return name


@contextmanager
def opened(lake: Lake, *, memory_limit: str, threads: int) -> Iterator[DuckDbReader]:
    """Open a connection within bounds: beyond `memory_limit` it spills to a temporary folder below the lake.

    `threads` of 0 means one a core. Raises UsageError for a `memory_limit` that is none, StoreError when the lake's
    folder cannot be written.
    """
    import ibis

    ibis.options.sql.fuse_selects = False  # DuckDB does that by itself, and in less time
    with scratch_of(lake.root) as scratch:
        backend = _connected({"memory_limit": memory_limit, "temp_directory": str(scratch)}, threads)
        try:
            yield DuckDbReader(backend, lake, scratch)
        finally:
            backend.disconnect()


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
def _option(options: Any, name: str, value: object) -> Iterator[None]:
    before = getattr(options, name)
    setattr(options, name, value)
    try:
        yield
    finally:
        setattr(options, name, before)


@contextmanager
def _told() -> Iterator[None]:
    """What the engine cannot do becomes a StoreError, and Ctrl-C in the middle of it KeyboardInterrupt again."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise failed(error) from error
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def failed(error: Exception) -> StoreError:
    """What an error of DuckDB's is told as."""
    import duckdb

    first_line = str(error).strip().splitlines()[0]
    kind = OutOfMemory if isinstance(error, duckdb.OutOfMemoryException) else StoreError
    return kind(
        f"The lake could not be queried: {first_line}",
        hint="If memory or disk ran out, raise HUB_MEMORY_LIMIT or make room; else run `hub doctor`.",
    )
