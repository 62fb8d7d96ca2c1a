"""One table at one instant, and what its log tells of the files without opening any."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from hub.lake.tables import TAIL

Filter = tuple[str, str, str | list[str]]
"""A partition filter, as Delta spells it: ("month", "in", ["2026-10", "2026-11"])."""

PRECISION = timedelta(milliseconds=1)
"""The log cuts instants off after milliseconds: what it calls the last one may be followed by others for so long."""


@dataclass(frozen=True)
class StoredFile:
    """One file of a table. `rows`, and the instants between which its column `time` lies, are None when the log does
    not tell them."""

    path: str
    partition: dict[str, Any]
    size: int
    rows: int | None
    written_at: datetime
    first: datetime | None = None
    last: datetime | None = None

    @property
    def tail(self) -> int:
        """The generation of its rows; 0 or less when they are compacted, and in a table without a tail."""
        return int(self.partition.get(TAIL, 0))


class Snapshot:
    """One table at one instant: what several reads of one query must share."""

    def __init__(self, table: DeltaTable, root: str) -> None:
        self.table = table
        self._root = root

    @property
    def generation(self) -> int:
        """The generation that rows are appended in."""
        return self.committed(TAIL) or 1

    def committed(self, application: str) -> int | None:
        """The newest version that `application` has committed, None when there is none."""
        return self.table.transaction_version(application)

    @property
    def committed_at(self) -> datetime:
        """When the newest commit was made."""
        return datetime.fromtimestamp(self.table.history(1)[0]["timestamp"] / 1000, UTC)

    def files(self, filters: Sequence[Filter] = ()) -> list[str]:
        """The files of the partitions that pass `filters` (`=` and `in`)."""
        return [self._at(path) for path in self._passing(filters)["path"].to_pylist()]

    def newer(self, column: str, after: datetime, filters: Sequence[Filter] = ()) -> list[str]:
        """The files of the partitions that pass `filters` which may have a row whose instant in `column` is later than
        `after`: those of which the log tells that they have none are left out."""
        files = self._passing(filters)
        if f"max.{column}" not in files.column_names:
            return [self._at(path) for path in files["path"].to_pylist()]
        told = zip(files["path"].to_pylist(), files[f"max.{column}"].to_pylist(), strict=True)
        return [self._at(path) for path, last in told if last is None or last + PRECISION > after]

    def stored(self, filters: Sequence[Filter] = ()) -> list[StoredFile]:
        """The files of the partitions that pass `filters` (`=` and `in`), with what the log tells of them."""
        found = self._passing(filters)
        partitions = [name for name in found.column_names if name.startswith("partition.")]
        wanted = ["path", "size_bytes", "num_records", "modification_time", "min.time", "max.time", *partitions]
        return [
            StoredFile(
                path=self._at(row["path"]),
                partition={name.removeprefix("partition."): row[name] for name in partitions},
                size=row["size_bytes"],
                rows=row.get("num_records"),
                written_at=datetime.fromtimestamp(row["modification_time"] / 1000, UTC),
                first=row.get("min.time"),
                last=_up_to(row.get("max.time")),
            )
            for row in found.select([name for name in wanted if name in found.column_names]).to_pylist()
        ]

    def has_values(self, column: str, filters: Sequence[Filter] = ()) -> bool:
        """Whether a column has a value in any of the partitions that pass `filters` (`=` and `in`).

        Asks the statistics of the files and opens none; true too when they do not tell.
        """
        files = self._passing(filters)
        if f"null_count.{column}" not in files.column_names:
            return bool(files.num_rows)
        told = zip(files["num_records"].to_pylist(), files[f"null_count.{column}"].to_pylist(), strict=True)
        return any(rows is None or nulls is None or nulls < rows for rows, nulls in told)

    @cached_property
    def _added(self) -> pa.Table:
        return pa.table(self.table.get_add_actions(flatten=True))

    def _passing(self, filters: Sequence[Filter]) -> pa.Table:
        files = self._added
        for name, _, wanted in filters:
            values = pa.array([wanted] if isinstance(wanted, str) else wanted, pa.string())
            files = files.filter(pc.is_in(files[f"partition.{name}"].cast(pa.string()), values))
        return files

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"


def _up_to(last: datetime | None) -> datetime | None:
    return None if last is None else last + PRECISION


def rows_of(files: Iterable[StoredFile]) -> int:
    """How many rows some files have; those whose log does not tell it count as none."""
    return sum(file.rows or 0 for file in files)
