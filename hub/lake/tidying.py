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

from hub.clock import counted, now
from hub.errors import Overtaken
from hub.lake.lake import Lake
from hub.lake.reading import Reader, reading
from hub.lake.snapshot import Filter, StoredFile, rows_of
from hub.lake.tables import DELIVERIES, EVENTS, IDENTITY, LAYOUTS, MEMBERSHIP_CHANGES, PROFILES, TableLayout

MOST_FILES = 16
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


def is_scattered(lake: Lake) -> bool:
    """Whether `gather` would find something to do."""
    return any(_scattered(lake, layout) for layout in _GATHERED)


def gather(lake: Lake, *, memory_limit: str, threads: int = 0, project_id: int | None = None) -> Iterator[str]:
    """Put small files together in every table where a partition has too many, and tell of each table in words.

    With `project_id` only files of that project. Raises StoreError when the lake cannot be read or written. What
    somebody else replaces meanwhile is left to him.
    """
    for layout in _GATHERED:
        small = _scattered(lake, layout, project_id)
        if not small:
            continue
        if layout is IDENTITY:
            for project in {file.partition["project_id"] for file in small}:
                _join_if_worth_it(lake, project, small, memory_limit=memory_limit, threads=threads)
        with contextlib.suppress(Overtaken):
            lake.gather(layout, [] if project_id is None else _of(project_id), size=2 * SMALL)
        yield f"{layout.name}: {counted(len(small), 'small file')} put together"


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
    paths = seen.files(_of(project_id))
    known = reader.of_files(IDENTITY, paths)
    intervals = known.group_by("project_id", "id", "person", "known_from").agg(known_to=known.known_to.max())
    rows = reader.batches(intervals.order_by("id", "known_from")[IDENTITY.schema.names])
    lake.replace(IDENTITY, rows, predicate=f"project_id = {project_id}", seen=seen)


def _scattered(lake: Lake, layout: TableLayout, project_id: int | None = None) -> list[StoredFile]:
    """The small files of the partitions that have too many."""
    partitions: dict[tuple[Any, ...], list[StoredFile]] = {}
    for file in lake.snapshot(layout).stored([] if project_id is None else _of(project_id)):
        if file.size < SMALL:
            partitions.setdefault(tuple(file.partition.values()), []).append(file)
    return [file for files in partitions.values() if len(files) > MOST_FILES for file in files]


def _join_if_worth_it(lake: Lake, project_id: int, small: list[StoredFile], *, memory_limit: str, threads: int) -> None:
    """Join the intervals of a project when a good part of them is new, unless somebody keeps on appending."""
    ours = [file for file in small if file.partition["project_id"] == project_id]
    if rows_of(ours) < SHARE * rows_of(lake.snapshot(IDENTITY).stored(_of(project_id))):
        return
    with reading(lake, memory_limit=memory_limit, threads=threads) as reader:
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(Overtaken):
                join_intervals(lake, reader, project_id)
                return


def _of(project_id: int) -> list[Filter]:
    return [("project_id", "=", str(project_id))]


def _forget_spilled(lake: Lake) -> None:
    """Delete what queries of killed processes have left on the disk."""
    for folder in (lake.root / ".spill").glob("*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > KEPT.total_seconds():
                shutil.rmtree(folder)
