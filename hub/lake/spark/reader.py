"""Spark over the lake: questions run on a cluster whose workers see the lake's folder under the same path.

What is asked is worked out by the workers; rows come back as Arrow, a partition at a time, so that a result larger
than this machine's memory passes through it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hub.errors import StoreError
from hub.lake.engines import SPARK, Engine
from hub.lake.reader import NUMBERED, Reader, scratch_of
from hub.lake.spark.failing import told
from hub.lake.spark.session import Cluster, cluster

if TYPE_CHECKING:
    import ibis
    from pyspark.sql import DataFrame

    from hub.lake.lake import Lake
    from hub.lake.tables import TableLayout


class SparkReader(Reader):
    """A session on a cluster."""

    engine = SPARK

    def __init__(self, on: Cluster, lake: Lake, scratch: Path) -> None:
        super().__init__(lake, scratch)
        self._cluster = on
        self._session = on.session()
        self._group = f"{os.getpid()} {id(self)}"
        self._numbers = count(1)
        self._kept: list[DataFrame] = []

    @cached_property
    def _backend(self) -> Any:
        from hub.lake.spark.backend import connected

        return connected(self._session)

    def of_files(self, layout: TableLayout, files: Sequence[str], *, numbered: bool = False) -> ibis.Table:
        columns = pa.schema([*layout.schema, *(pa.field(*extra) for extra in (NUMBERED if numbered else {}).items())])
        if not files:
            return self.rows(columns.empty_table())
        with self._told():
            stored = (
                self._session.read.schema(_spark_schema(layout.schema))  # partition columns are only in the paths
                .option("basePath", _place(self._lake.path(layout)))
                .parquet(*(_place(Path(file)) for file in files))
            )
            if numbered:
                stored = stored.selectExpr(
                    *layout.schema.names, "_metadata.file_path AS filename", "_metadata.row_index AS file_row_number"
                )
            return self._view(stored.select(*columns.names))

    def keep(self, expression: ibis.Table) -> ibis.Table:
        with self._told():
            frame = self._persisted(expression)
            self._kept.append(frame)
            return self._view(frame)

    def files(self, *paths: Path) -> ibis.Table:
        with self._told():
            return self._view(self._session.read.parquet(*(_place(self._seen_by_workers(path)) for path in paths)))

    def rows(self, rows: pa.Table) -> ibis.Table:
        with self._told():
            return self._view(self._session.createDataFrame(rows))

    def batches(self, expression: ibis.Table, *, size: int = 50_000) -> Iterator[pa.RecordBatch]:
        from hub.lake.spark.arrow import arrow_batches

        wanted = expression.schema().to_pyarrow()
        with self._told():
            # all partitions are worked out at once, and kept by the workers until they have been fetched one by one
            frame = self._persisted(expression)
            try:
                frame.write.format("noop").mode("overwrite").save()
                self._session.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(size))
                for batch in arrow_batches(frame):
                    yield _as_asked(batch, wanted)
            finally:
                frame.unpersist()

    def sql(self, expression: ibis.Table) -> str:
        return str(self._backend.compile(expression, pretty=True))

    def value(self, expression: Any) -> Any:
        table = expression.as_table()
        (row,) = [row for batch in self._collected(table) for row in batch.to_pylist()]
        return row[table.columns[0]]

    def interrupt(self) -> None:
        self._cluster.cancel(self._group)

    def close(self) -> None:
        """Let go of what the workers keep for this reader."""
        with self._told():
            for frame in self._kept:
                frame.unpersist()

    def _collected(self, table: ibis.Table) -> list[pa.RecordBatch]:
        wanted = table.schema().to_pyarrow()
        with self._told():
            found: pa.Table = self._frame(table).toArrow()
        return [_as_asked(batch, wanted) for batch in found.to_batches()]

    def _frame(self, expression: ibis.Table) -> DataFrame:
        frame: DataFrame = self._session.sql(self._backend.compile(expression))
        return frame

    def _persisted(self, expression: ibis.Table) -> DataFrame:
        from pyspark import StorageLevel

        return self._frame(expression).persist(StorageLevel.MEMORY_AND_DISK)

    def _view(self, frame: DataFrame) -> ibis.Table:
        from hub.lake.spark.backend import table_of

        name = f"hub_{next(self._numbers)}"
        frame.createOrReplaceTempView(name)
        return table_of(self._backend, name, frame.schema)

    def _seen_by_workers(self, path: Path) -> Path:
        """The file itself, or if it is not below the lake a copy of it that is: the workers see that folder alone."""
        path = path.absolute()
        if path.is_relative_to(self._lake.root.absolute()):
            return path
        copy = self.scratch / f"{next(self._numbers)} {path.name}"
        try:
            shutil.copyfile(path, copy)
        except OSError as error:
            raise StoreError(f"{path} cannot be copied to the lake: {error.strerror}.", hint="Make room.") from error
        return copy

    @contextmanager
    def _told(self) -> Iterator[None]:
        with self._cluster.watched(self._group) as watch, told(self._cluster.engine, watch):
            yield


@contextmanager
def opened(lake: Lake, engine: Engine, *, memory_limit: str) -> Iterator[SparkReader]:
    """Open a session on the cluster of `engine`; this machine's part of it uses at most `memory_limit`.

    Raises UsageError without pyspark and Java, and for options that Spark refuses; StoreError when the cluster is away
    or has nobody to work, and when the lake's folder cannot be written.
    """
    with cluster(engine, memory_limit=memory_limit) as on, scratch_of(lake.root) as scratch:
        scratch.chmod(lake.root.stat().st_mode & 0o777)  # who may read the lake may read this, too
        reader = SparkReader(on, lake, scratch)
        try:
            yield reader
        finally:
            reader.close()


def _place(path: Path) -> str:
    """A path as Spark takes it: what would be a pattern of files is not one."""
    return "file:" + re.sub(r"([\\*?\[\]{}])", r"\\\1", str(path.absolute()))


def _spark_schema(columns: pa.Schema) -> Any:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(columns)


def _as_asked(batch: pa.RecordBatch, wanted: pa.Schema) -> pa.RecordBatch:
    """The columns by the types that the expression says, as every engine returns them."""
    arrays = [array.cast(field.type, safe=False) for array, field in zip(batch.columns, wanted, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=wanted.names)
