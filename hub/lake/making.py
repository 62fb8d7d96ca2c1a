"""Making the tables, and bringing one of an older layout into the present one: its rows, and how far each application
had written.

The new table is made beside the old one and then takes its place. Killed anywhere, it begins anew or ends what it
began; nobody else may write meanwhile, which is why it belongs to `hub init`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from hub.lake.snapshot import Snapshot
from hub.lake.tables import TAIL, TableLayout

if TYPE_CHECKING:
    from hub.lake.lake import Lake


_KEEPING: dict[str, str | None] = {
    "delta.logRetentionDuration": "interval 2 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}
"""Nobody reads old versions (design: "Time"), and the mover commits every few seconds: the log must not grow long."""


def make(path: Path, layout: TableLayout) -> None:
    """Make an empty table, unless there is one."""
    DeltaTable.create(
        path,
        schema=layout.schema,
        mode="ignore",
        partition_by=list(layout.partition_by),
        name=layout.name,
        configuration=_KEEPING,
    )


def rebuild(lake: Lake, layout: TableLayout) -> bool:
    """Bring the table into the present layout when it has another one. Returns whether it had."""
    here = lake.path(layout)
    new, old = here.with_name(f".{layout.name}.new"), here.with_name(f".{layout.name}.old")
    if old.exists() and not here.exists():
        new.rename(here)  # the new table was whole before the old one was moved away
    shutil.rmtree(old, ignore_errors=True)
    if not DeltaTable.is_deltatable(str(here)) or _is_present(here, layout):
        return False
    shutil.rmtree(new, ignore_errors=True)
    _copy(here, new, layout)
    here.rename(old)
    new.rename(here)
    shutil.rmtree(old)
    return True


def _is_present(path: Path, layout: TableLayout) -> bool:
    table = DeltaTable(path)
    names = [field.name for field in table.schema().fields]
    return tuple(table.metadata().partition_columns) == layout.partition_by and names == layout.schema.names


def _copy(source: Path, target: Path, layout: TableLayout) -> None:
    old = DeltaTable(source)
    marks = [Transaction(name, version) for name, version in _versions(old, source).items()]
    make(target, layout)
    write_deltalake(
        target,
        pa.RecordBatchReader.from_batches(layout.schema, _rows(Snapshot(old, str(source)), layout)),
        mode="append",
        commit_properties=CommitProperties(app_transactions=marks),
    )


def _rows(old: Snapshot, layout: TableLayout) -> Iterator[pa.RecordBatch]:
    for file in old.stored():
        for batch in pq.ParquetFile(file.path).iter_batches(batch_size=50_000):
            columns = {column.name: _column(batch, column, file.partition) for column in layout.schema}
            yield pa.RecordBatch.from_pydict(columns, schema=layout.schema)


def _column(batch: pa.RecordBatch, column: pa.Field, partition: dict[str, object]) -> pa.Array:
    if column.name in batch.schema.names:
        return batch[column.name].cast(column.type)
    value = 1 if column.name == TAIL else partition.get(column.name)  # the first generation
    return pa.repeat(pa.scalar(value, column.type), batch.num_rows)


def _versions(table: DeltaTable, path: Path) -> dict[str, int]:
    """The newest version of every application: a checkpoint holds them all."""
    table.create_checkpoint()
    log = path / "_delta_log"
    version = json.loads((log / "_last_checkpoint").read_text())["version"]
    marks = pq.read_table(log / f"{version:020}.checkpoint.parquet", columns=["txn"])["txn"].to_pylist()
    return {mark["appId"]: mark["version"] for mark in marks if mark and mark["appId"]}
