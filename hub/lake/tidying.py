"""Keeping the tables tidy: small files put together, intervals of identity that have ended, files that nobody reads.

Whoever holds the maintenance lease calls this; others may read and append meanwhile.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from hub.clock import now
from hub.errors import Overtaken
from hub.lake.lake import Lake
from hub.lake.reading import Reader, reading
from hub.lake.snapshot import StoredFile, rows_of
from hub.lake.tables import DELIVERIES, EVENTS, IDENTITY, LAYOUTS, MEMBERSHIP_CHANGES, PROFILES, TableLayout

MOST_FILES = 32
SMALL = 32 * 1024 * 1024
"""More than MOST_FILES files of one partition that are below SMALL bytes are put together."""

SHARE = 0.2
"""Of the rows of identity: when so many came since the last time, ended intervals are looked for."""

KEPT = timedelta(hours=24)
"""So long replaced files stay, for those who are reading them."""

VACUUM_EVERY = timedelta(hours=6)
VACUUMED = "vacuumed"
"""The application whose version is when files were deleted last, in seconds since 1970."""

_ATTEMPTS = 3

_GATHERED = (EVENTS, PROFILES, IDENTITY, DELIVERIES, MEMBERSHIP_CHANGES)
"""`held` is written anew by its syncs, which a change of its files would disturb."""


def scattered(lake: Lake, layout: TableLayout, project_id: int | None = None) -> list[list[StoredFile]]:
    """The partitions of a table whose small files are too many: those files. All of one project, or of all."""
    partitions: dict[tuple[Any, ...], list[StoredFile]] = {}
    for file in lake.snapshot(layout).stored():
        if file.size < SMALL and project_id in (None, file.partition["project_id"]):
            partitions.setdefault(tuple(file.partition.values()), []).append(file)
    return [files for files in partitions.values() if len(files) > MOST_FILES]


def is_scattered(lake: Lake) -> bool:
    """Whether `gather` would find something to do."""
    return any(scattered(lake, layout) for layout in _GATHERED)


def gather(lake: Lake, *, memory_limit: str, threads: int = 0, project_id: int | None = None) -> Iterator[str]:
    """Put small files together wherever they are too many, and tell of each partition in words.

    Raises StoreError when the lake cannot be read or written. What somebody else replaces meanwhile is left to him.
    """
    for layout in _GATHERED:
        for files in scattered(lake, layout, project_id):
            partition = files[0].partition
            with contextlib.suppress(Overtaken):
                if layout is not IDENTITY or not _intervals_joined(
                    lake, files, memory_limit=memory_limit, threads=threads
                ):
                    lake.gather(layout, partition, size=2 * SMALL)
                where = ", ".join(f"{name} {value}" for name, value in partition.items())
                yield f"{layout.name}: {len(files)} files of {where} put together"


def vacuum_is_due(lake: Lake) -> bool:
    """Whether VACUUM_EVERY has passed."""
    return now().timestamp() - (lake.committed(EVENTS, VACUUMED) or 0) >= VACUUM_EVERY.total_seconds()


def vacuum(lake: Lake) -> Iterator[str]:
    """Delete what nobody reads any more, if it is due, and tell of each table in words. Raises StoreError."""
    if not vacuum_is_due(lake):
        return
    for layout in LAYOUTS:
        deleted = lake.vacuum(layout, older_than=KEPT)
        if deleted:
            yield f"{layout.name}: {deleted} old files deleted"
    _forget_spilled(lake)
    lake.mark(EVENTS, {VACUUMED: int(now().timestamp())})


def join_intervals(lake: Lake, reader: Reader, project_id: int) -> None:
    """Write the identity of one project anew: an interval that has ended is one row again, with both its ends.

    Raises Overtaken when somebody appended meanwhile, StoreError; then nothing was changed.
    """
    seen = lake.snapshot(IDENTITY)
    paths = seen.files([("project_id", "=", str(project_id))])
    known = reader.of_files(IDENTITY, paths)
    intervals = known.group_by("project_id", "id", "person", "known_from").agg(known_to=known.known_to.max())
    rows = reader.batches(intervals.order_by("id", "known_from")[IDENTITY.schema.names])
    lake.replace(IDENTITY, rows, predicate=f"project_id = {project_id}", seen=seen)


def _intervals_joined(lake: Lake, files: list[StoredFile], *, memory_limit: str, threads: int) -> bool:
    """Join the intervals if it is worth it and nobody keeps on appending. Returns whether it was done."""
    project_id = files[0].partition["project_id"]
    every = lake.snapshot(IDENTITY).stored([("project_id", "=", str(project_id))])
    if rows_of(files) < SHARE * rows_of(every):
        return False
    with reading(lake, memory_limit=memory_limit, threads=threads) as reader:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(Overtaken):
                join_intervals(lake, reader, project_id)
                return True
    return False


def _forget_spilled(lake: Lake) -> None:
    """Delete what queries of killed processes have left on the disk."""
    for folder in (lake.root / ".spill").glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > KEPT.total_seconds():
                shutil.rmtree(folder)
