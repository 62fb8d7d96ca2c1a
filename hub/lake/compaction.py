"""Compaction of the events: sorted, without duplicates, in files of a good size, while others read and write.

A compaction begins a new generation: what is appended from then on is marked with it, and is no concern of this
compaction. Then month by month the tail of the earlier generations, and the slices that it overlaps with, are replaced
in one commit. Whoever appends in an earlier generation meanwhile (because it began before) makes that commit fail, and
the month is read again: nothing is ever lost. Killed anywhere, it leaves files behind that no table names, which
vacuum takes away.

Events equal in `event`, `distinct_id` and `insert_id` on the same day (UTC) are one (reference 7.2, rule 2); the one
that came in last stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.clock import now
from hub.errors import HubError, Overtaken, StoreError
from hub.lake.lake import Lake
from hub.lake.reading import Reader, reading
from hub.lake.slices import Month, cut_by_day, is_due, months_of
from hub.lake.snapshot import Snapshot
from hub.lake.tables import EVENTS, TAIL

if TYPE_CHECKING:
    import pyarrow as pa

    from hub.lake.rewriting import Work

COMPACTED = "compacted"
"""The application whose version is when the last compaction ended, in seconds since 1970."""
TOOK = "compaction took"
"""The application whose version is how long it took, in milliseconds."""

_ATTEMPTS = 5

Progress = Callable[[Month, int, int], None]
"""Told of a month, how many rows are written, and how many there are before duplicates are left out."""


@dataclass(frozen=True)
class Compacted:
    """One month of one project that was compacted: of `read` rows, `duplicates` were left out."""

    project_id: int
    month: str
    read: int
    duplicates: int


def due_months(lake: Lake, *, project_id: int | None = None, whatever: bool = False) -> list[Month]:
    """The months that are worth compacting now; with `whatever`, all that have a tail too."""
    found = months_of(lake.snapshot(EVENTS).stored())
    ours = [month for month in found if project_id in (None, month.project_id)]
    return [month for month in ours if is_due(month, now()) or (whatever and month.tail)]


def compact_events(
    lake: Lake,
    months: list[Month],
    *,
    memory_limit: str,
    threads: int = 0,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Compacted]:
    """Compact these months, one commit a month, and tell of each when it is done.

    Only whoever holds the maintenance lease may call this. Ends early when `stop` is set: then the month in hand stays
    as it was. Raises StoreError when the lake cannot be read or written, Overtaken (a StoreError) when late appends
    came in between again and again.
    """
    if not months:
        return
    began = time.monotonic()
    lake.mark(EVENTS, {TAIL: lake.snapshot(EVENTS).generation + 1})
    # in a thread: a signal finds the main one waiting, and not in the middle of a sort
    with ThreadPoolExecutor(1, "compaction") as worker:
        for month in months:
            if stop and stop.is_set():
                return
            try:
                done = worker.submit(_compact, lake, month, memory_limit, threads, progress, stop).result()
            except HubError:
                if stop and stop.is_set():
                    return
                raise
            if done:
                yield done
    lake.mark(EVENTS, {COMPACTED: int(now().timestamp()), TOOK: int((time.monotonic() - began) * 1000)})


def _compact(
    lake: Lake,
    month: Month,
    memory_limit: str,
    threads: int,
    progress: Progress | None,
    stop: threading.Event | None,
) -> Compacted | None:
    """Compact one month, again when late appends came in between. None when there is nothing to do any more."""
    with reading(lake, memory_limit=memory_limit, threads=threads) as reader, _interrupted_by(stop, reader):
        for attempt in range(_ATTEMPTS):
            try:
                return _compact_once(lake, reader, month, progress, stop)
            except Overtaken:
                if attempt + 1 == _ATTEMPTS:
                    raise
    return None


def _compact_once(
    lake: Lake, reader: Reader, month: Month, progress: Progress | None, stop: threading.Event | None
) -> Compacted | None:
    from hub.lake.rewriting import work_on

    seen = lake.snapshot(EVENTS)
    present = months_of(seen.stored([("project_id", "=", str(month.project_id)), ("month", "=", month.name)]))
    if not present:
        return None
    by_day = cut_by_day(present[0], now())
    work = work_on(reader, present[0], generation=seen.generation - 1, by_day=by_day)
    return _replace(lake, reader, seen, work, progress, stop) if work else None


def _replace(
    lake: Lake, reader: Reader, seen: Snapshot, work: Work, progress: Progress | None, stop: threading.Event | None
) -> Compacted:
    from hub.lake.rewriting import compacted_rows

    written = 0

    def rows() -> Iterator[pa.RecordBatch]:
        nonlocal written
        for batch in reader.batches(compacted_rows(reader, work)):
            yield batch
            written += batch.num_rows
            if progress:
                progress(work.month, written, work.rows)
            if stop and stop.is_set():
                raise StoreError("The compaction was stopped.")

    lake.replace(EVENTS, rows(), predicate=work.predicate, seen=seen)
    return Compacted(work.month.project_id, work.month.name, work.rows, work.rows - written)


@contextmanager
def _interrupted_by(stop: threading.Event | None, reader: Reader) -> Iterator[None]:
    """End the reader's query with an error as soon as `stop` is set: a sort may take minutes."""
    if stop is None:
        yield
        return
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            if stop.is_set():
                reader.interrupt()

    watching = threading.Thread(target=watch, name="stop of a compaction", daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
