"""Writing the lake: appends that are atomic, and harmless when repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from hub.errors import Busy, Overtaken, StoreError
from hub.lake.snapshot import Filter, Snapshot
from hub.lake.tables import LAYOUTS, TAIL, TableLayout

_WRITING = WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=128 * 1024)
"""Groups of rows so small that a question about one event passes over most of them, and several threads share them; who
writes keeps a group in memory until it is whole."""
_COMPACTING = _WRITING
_COMPACTED_FILE = 512 * 1024 * 1024
_ATTEMPTS = 10
"""Each commit of a compaction makes an append that is under way begin anew."""

Rows: TypeAlias = pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch] | Callable[[], Iterable[pa.RecordBatch]]
"""What is written: at hand, or as batches; a function that gives batches may be asked again."""


class Lake:
    """The Delta tables below one folder. Cheap to make; safe to use from several threads and processes.

    An append names the application that writes and the version that it writes: a version that is already in is
    not written again, so whoever was killed in the middle may simply repeat itself.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self) -> None:
        """Make the tables that are missing, and bring those of an older layout into the present one.

        Raises StoreError when that cannot be done.
        """
        from hub.lake.making import make, rebuild

        for layout in LAYOUTS:
            try:
                rebuild(self, layout)
                make(self.path(layout), layout)
            except (DeltaError, OSError) as error:
                raise self._unwritable(layout, error) from error

    def append(
        self, layout: TableLayout, rows: Rows, *, application: str, version: int, after: int | None = None
    ) -> bool:
        """Append `rows` (with `layout.columns`) in one commit, unless `application` has committed `version` or a later
        one. Returns whether this call wrote them. Versions of one application must rise.

        With `after`, the version that the caller believes to be the last committed (0: none): when it is not, somebody
        else has moved on, and Busy is raised. Rows that can be had again (a table, or a function that gives them) are
        written again when another process's commit came in between. Raises StoreError when the disk is full or the
        table cannot be written; nothing is half-written.
        """
        for attempt in range(_ATTEMPTS):
            table = self._table(layout)
            committed = table.transaction_version(application)
            if after is not None and (committed or 0) != after:
                raise Busy(
                    f"Another process has written to the lake's table {layout.name} as {application}: "
                    f"up to {committed or 0}, and not {after}.",
                    hint="Nothing is lost: the other goes on with it.",
                )
            if committed is not None and committed >= version:
                return False
            failed: list[Exception] = []
            try:
                write_deltalake(
                    table,
                    _of_generation(layout, rows, self._snapshot(layout, table).generation, failed),
                    mode="append",
                    writer_properties=_WRITING,
                    commit_properties=_marked({application: version}),
                )
                return True
            except CommitFailedError as error:
                # the same application's version, or a compaction, was committed in this instant: look again
                again = isinstance(rows, pa.Table | pa.RecordBatch) or callable(rows)
                if attempt + 1 == _ATTEMPTS or not again:
                    raise self._unwritable(layout, error) from error
            except (DeltaError, OSError) as error:
                raise failed[0] if failed else self._unwritable(layout, error) from error
        return False

    def replace(
        self,
        layout: TableLayout,
        rows: pa.Table | Iterable[pa.RecordBatch],
        *,
        predicate: str,
        seen: Snapshot | None = None,
    ) -> None:
        """Put `rows` (with `layout.schema`) in the place of all rows that fulfil `predicate`, in one commit: for
        compaction.

        With `seen`, the snapshot that `rows` were made of, rows that came in since and fulfil it are not lost: then
        Overtaken is raised. Raises StoreError when it cannot be written, and what `rows` raise. After any of these
        nothing was changed.
        """
        failed: list[Exception] = []
        try:
            write_deltalake(
                seen.table if seen else self._table(layout),
                _reader(layout.schema, rows, failed),
                mode="overwrite",
                predicate=predicate,
                target_file_size=_COMPACTED_FILE,
                writer_properties=_COMPACTING,
            )
        except CommitFailedError as error:
            raise Overtaken(
                f"Rows of the lake's table {layout.name} changed while they were written anew.",
                hint="Nothing was changed or lost; run the command again.",
            ) from error
        except (DeltaError, OSError) as error:
            raise failed[0] if failed else self._unwritable(layout, error) from error

    def mark(self, layout: TableLayout, versions: Mapping[str, int]) -> None:
        """Commit versions of applications, and no rows. Raises Overtaken when one of them was committed meanwhile."""
        try:
            write_deltalake(
                self._table(layout), layout.schema.empty_table(), mode="append", commit_properties=_marked(versions)
            )
        except CommitFailedError as error:
            raise Overtaken(
                f"Another process is maintaining the lake's table {layout.name}.", hint="Wait for it to end."
            ) from error
        except (DeltaError, OSError) as error:
            raise self._unwritable(layout, error) from error

    def gather(self, layout: TableLayout, filters: Sequence[Filter] = (), *, size: int) -> None:
        """Put the files that are smaller than `size` bytes together, partition by partition, in one commit, in all
        partitions that pass `filters`; rows and their order stay. Raises Overtaken when files were replaced meanwhile,
        StoreError when it cannot be written; then nothing was changed.
        """
        try:
            self._table(layout).optimize.compact(
                partition_filters=list(filters) or None, target_size=size, writer_properties=_WRITING
            )
        except CommitFailedError as error:
            raise Overtaken(
                f"Files of the lake's table {layout.name} were replaced while they were put together.",
                hint="Nothing was changed or lost; run the command again.",
            ) from error
        except (DeltaError, OSError) as error:
            raise self._unwritable(layout, error) from error

    def vacuum(self, layout: TableLayout, *, older_than: timedelta) -> int:
        """Delete files that have been replaced for so long, and files as old that no commit names: of whoever was
        killed while writing. Returns how many. Raises StoreError."""
        hours = int(older_than / timedelta(hours=1))
        try:
            return len(self._table(layout).vacuum(hours, dry_run=False, enforce_retention_duration=False, full=True))
        except (DeltaError, OSError) as error:
            raise self._unwritable(layout, error) from error

    def committed(self, layout: TableLayout, application: str) -> int | None:
        """The newest version that `application` has committed, None when there is none."""
        return self._table(layout).transaction_version(application)

    def files(self, layout: TableLayout, filters: Sequence[Filter] = ()) -> list[str]:
        """The files of the table's present snapshot, of the partitions that pass `filters`."""
        return self.snapshot(layout).files(filters)

    def snapshot(self, layout: TableLayout) -> Snapshot:
        """The table as it is now, whatever is written later."""
        return self._snapshot(layout, self._table(layout))

    def path(self, layout: TableLayout) -> Path:
        """The folder of a table."""
        return self.root / layout.name

    def _table(self, layout: TableLayout) -> DeltaTable:
        try:
            return DeltaTable(self.path(layout))
        except TableNotFoundError as error:
            raise StoreError(
                f"The lake in {self.root} has no table {layout.name}.",
                hint="`hub doctor` tells what is missing; `hub init` makes it.",
            ) from error
        except (DeltaError, OSError) as error:
            raise StoreError(
                f"The table {layout.name} of the lake cannot be read: {error}.", hint="Run `hub doctor`."
            ) from error

    def _snapshot(self, layout: TableLayout, table: DeltaTable) -> Snapshot:
        return Snapshot(table, str(self.path(layout)))

    def _unwritable(self, layout: TableLayout, error: Exception) -> StoreError:
        full = "No space left" in str(error)
        said = "the disk is full" if full else str(error).strip().splitlines()[0]
        return StoreError(
            f"The table {layout.name} of the lake cannot be written: {said}.",
            hint="Make room and run the command again: it goes on where it stopped." if full else "Run `hub doctor`.",
        )


def _marked(versions: Mapping[str, int]) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(name, version) for name, version in versions.items()])


def _of_generation(
    layout: TableLayout, rows: Rows, generation: int, failed: list[Exception]
) -> pa.Table | pa.RecordBatchReader:
    """Rows as they are written, with the generation of the very snapshot that the commit is made on."""
    found = _reader(layout.columns, rows, failed)
    if not layout.has_tail:
        return found
    number = pa.scalar(generation, pa.int32())
    if isinstance(found, pa.Table):
        return found.append_column(TAIL, pa.repeat(number, found.num_rows)).select(layout.schema.names)

    def marked() -> Iterator[pa.RecordBatch]:
        for batch in found:
            yield batch.append_column(TAIL, pa.repeat(number, batch.num_rows)).select(layout.schema.names)

    return pa.RecordBatchReader.from_batches(layout.schema, marked())


def _reader(columns: pa.Schema, rows: Rows, failed: list[Exception]) -> pa.Table | pa.RecordBatchReader:
    """Rows as delta-rs takes them. What they raise is noted in `failed`, as delta-rs makes an unreadable text of it."""
    if isinstance(rows, pa.Table):
        return rows
    if callable(rows):
        rows = rows()
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows], columns)

    def cast(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        try:
            for batch in batches:
                # pyarrow takes batches of other types as they are, and reads their bytes as numbers of these types
                yield batch.cast(columns)
        except Exception as error:
            failed.append(error)
            raise

    return pa.RecordBatchReader.from_batches(columns, cast(rows))
