"""Writing the lake: appends that are atomic, and harmless when repeated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from hub.errors import StoreError
from hub.lake.tables import LAYOUTS, TableLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WRITING = WriterProperties(compression="ZSTD", compression_level=1)
_ATTEMPTS = 5

Filter = tuple[str, str, str | list[str]]
"""A partition filter, as Delta spells it: ("month", "in", ["2026-10", "2026-11"])."""


class Lake:
    """The Delta tables below one folder. Cheap to make; safe to use from several threads and processes.

    An append names the application that writes and the version that it writes: a version that is already in is
    not written again, so whoever was killed in the middle may simply repeat itself.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self) -> None:
        """Make the tables that are missing."""
        for layout in LAYOUTS:
            DeltaTable.create(
                self._path(layout),
                schema=layout.schema,
                mode="ignore",
                partition_by=list(layout.partition_by),
                name=layout.name,
            )

    def append(
        self,
        layout: TableLayout,
        rows: pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch] | Callable[[], Iterable[pa.RecordBatch]],
        *,
        application: str,
        version: int,
    ) -> bool:
        """Append `rows` in one commit, unless `application` has committed `version` or a later one.

        Returns whether this call wrote them. Versions of one application must rise. Rows that can be had again (a
        table, or a function that gives them) are written again when another process's commit came in between.
        Raises StoreError when the disk is full or the table cannot be written; nothing is half-written.
        """
        for attempt in range(_ATTEMPTS):
            table = self._table(layout)
            committed = table.transaction_version(application)
            if committed is not None and committed >= version:
                return False
            try:
                write_deltalake(
                    table,
                    _reader(layout, rows),
                    mode="append",
                    writer_properties=_WRITING,
                    commit_properties=CommitProperties(app_transactions=[Transaction(application, version)]),
                )
                return True
            except CommitFailedError as error:
                # the same application's version, or a compaction, was committed in this instant: look again
                again = isinstance(rows, pa.Table | pa.RecordBatch) or callable(rows)
                if attempt + 1 == _ATTEMPTS or not again:
                    raise self._unwritable(layout, error) from error
            except (DeltaError, OSError) as error:
                raise self._unwritable(layout, error) from error
        return False

    def replace(
        self,
        layout: TableLayout,
        rows: pa.Table | Iterable[pa.RecordBatch],
        *,
        predicate: str,
        seen: Snapshot | None = None,
    ) -> None:
        """Put `rows` in the place of all rows that fulfil `predicate`, in one commit: for compaction.

        With `seen`, the snapshot that `rows` were made of, rows that came in since are not lost: then it fails.
        Raises StoreError; then nothing was changed.
        """
        try:
            write_deltalake(
                seen.table if seen else self._table(layout),
                _reader(layout, rows),
                mode="overwrite",
                predicate=predicate,
                writer_properties=_WRITING,
            )
        except (DeltaError, OSError) as error:
            raise self._unwritable(layout, error) from error

    def committed(self, layout: TableLayout, application: str) -> int | None:
        """The newest version that `application` has committed, None when there is none."""
        return self._table(layout).transaction_version(application)

    def files(self, layout: TableLayout, filters: Sequence[Filter] = ()) -> list[str]:
        """The files of the table's present snapshot, of the partitions that pass `filters`."""
        return self._table(layout).file_uris(file_pruning_predicate=list(filters) or None)

    def snapshot(self, layout: TableLayout) -> Snapshot:
        """The table as it is now, whatever is written later."""
        return Snapshot(self._table(layout))

    def _table(self, layout: TableLayout) -> DeltaTable:
        try:
            return DeltaTable(self._path(layout))
        except TableNotFoundError as error:
            raise StoreError(
                f"The lake in {self.root} has no table {layout.name}.",
                hint="`hub doctor` tells what is missing; `hub init` makes it.",
            ) from error
        except (DeltaError, OSError) as error:
            raise StoreError(
                f"The table {layout.name} of the lake cannot be read: {error}.", hint="Run `hub doctor`."
            ) from error

    def _path(self, layout: TableLayout) -> Path:
        return self.root / layout.name

    def _unwritable(self, layout: TableLayout, error: Exception) -> StoreError:
        full = "No space left" in str(error)
        said = "the disk is full" if full else str(error)
        return StoreError(
            f"The table {layout.name} of the lake cannot be written: {said}.",
            hint="Make room and run the command again: it goes on where it stopped." if full else "Run `hub doctor`.",
        )


class Snapshot:
    """One table at one instant: what several reads of one query must share."""

    def __init__(self, table: DeltaTable) -> None:
        self.table = table

    def files(self, filters: Sequence[Filter] = ()) -> list[str]:
        """The files of the partitions that pass `filters`."""
        return self.table.file_uris(file_pruning_predicate=list(filters) or None)

    def has_values(self, column: str, filters: Sequence[Filter] = ()) -> bool:
        """Whether a column has a value in any of the partitions that pass `filters` (`=` and `in`).

        Asks the statistics of the files and opens none; true too when they do not tell.
        """
        import pyarrow.compute as pc

        files = pa.table(self.table.get_add_actions(flatten=True))
        for name, _, wanted in filters:
            values = pa.array([wanted] if isinstance(wanted, str) else wanted, pa.string())
            files = files.filter(pc.is_in(files[f"partition.{name}"].cast(pa.string()), values))
        if f"null_count.{column}" not in files.column_names:
            return bool(files.num_rows)
        told = zip(files["num_records"].to_pylist(), files[f"null_count.{column}"].to_pylist(), strict=True)
        return any(rows is None or nulls is None or nulls < rows for rows, nulls in told)


def _reader(
    layout: TableLayout,
    rows: pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch] | Callable[[], Iterable[pa.RecordBatch]],
) -> pa.Table | pa.RecordBatchReader:
    if isinstance(rows, pa.Table):
        return rows
    if callable(rows):
        rows = rows()
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows], layout.schema)
    # pyarrow takes batches of other types as they are, and reads their bytes as numbers of the schema's types
    return pa.RecordBatchReader.from_batches(layout.schema, (batch.cast(layout.schema) for batch in rows))
