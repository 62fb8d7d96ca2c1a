"""What the tables of the lake hold, as their logs tell it; no file is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.lake.compaction import COMPACTED, TOOK
from hub.lake.lake import Lake
from hub.lake.slices import WHOLE
from hub.lake.snapshot import Snapshot, StoredFile, rows_of
from hub.lake.tables import EVENTS, LAYOUTS, TableLayout


@dataclass(frozen=True)
class TableState:
    """One table. `tail_rows` of its `rows` are not compacted yet, and some may be there twice; None in a table that has
    no tail."""

    name: str
    rows: int
    files: int
    bytes: int
    tail_rows: int | None
    committed_at: datetime

    def figures(self) -> dict[str, Any]:
        """The table for machines: the stable keys of `hub lake status --json`."""
        return {
            "table": self.name,
            "rows": self.rows,
            "files": self.files,
            "bytes": self.bytes,
            "tail_rows": self.tail_rows,
            "committed_at": self.committed_at.isoformat(),
        }


@dataclass(frozen=True)
class LakeState:
    """All tables, and when the last compaction ended and how long it took (None: there was none)."""

    tables: tuple[TableState, ...]
    compacted_at: datetime | None
    took: timedelta | None


def state_of(lake: Lake) -> LakeState:
    """What the lake holds now. Raises StoreError when a table cannot be read."""
    found = {layout.name: lake.snapshot(layout) for layout in LAYOUTS}
    ended, took = (found[EVENTS.name].committed(name) for name in (COMPACTED, TOOK))
    return LakeState(
        tables=tuple(_table(layout, found[layout.name]) for layout in LAYOUTS),
        compacted_at=None if ended is None else datetime.fromtimestamp(ended, UTC),
        took=None if took is None else timedelta(milliseconds=took),
    )


def _table(layout: TableLayout, seen: Snapshot) -> TableState:
    files: Sequence[StoredFile] = seen.stored()
    return TableState(
        name=layout.name,
        rows=rows_of(files),
        files=len(files),
        bytes=sum(file.size for file in files),
        tail_rows=rows_of(file for file in files if file.tail > WHOLE) if layout.has_tail else None,
        committed_at=seen.committed_at,
    )
