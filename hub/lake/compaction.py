"""Compaction of the events: sorted, without duplicates, in files of a good size, while others read and write.

A compaction begins a new generation: what is appended from then on is marked with it, and is no concern of this
compaction. Then month by month the tail of the earlier generations, and the slices that it overlaps with, are replaced
in one commit. Whoever appends in an earlier generation meanwhile (because it began before) makes that commit fail, and
the month is read again; whoever is in the middle of any append at that instant repeats it (`Lake.append`, which is
delta-rs's rule): nothing is ever lost. Killed anywhere, it leaves files behind that no table names, which
vacuum takes away.

Events equal in `event`, `distinct_id` and `insert_id` on the same day (UTC) are one (reference 7.2, rule 2); the one
that came in last stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.clock import now
from hub.errors import HubError, Overtaken, StoreError
from hub.lake.lake import Lake
from hub.lake.reading import Reader, reading
from hub.lake.slices import Month, cut_by_day, is_due, months_of
from hub.lake.snapshot import Snapshot, rows_of
from hub.lake.tables import EVENTS, TAIL

if TYPE_CHECKING:
    import pyarrow as pa

    from hub.lake.rewriting import Work

COMPACTED = "compacted"
"""The application whose version is when the last compaction ended, in seconds since 1970."""
TOOK = "compaction took"
"""The application whose version is how long it took, in milliseconds."""

_ATTEMPTS = 5
_ROWS_AT_ONCE = 1_000_000
_MONTHS_AT_ONCE = 50

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
    """Compact these months, and tell of each when it is done: small ones together in one commit, a large one alone.

    Only whoever holds the maintenance lease may call this. Ends early when `stop` is set: then the months in hand stay
    as they were. Raises StoreError when the lake cannot be read or written, Overtaken (a StoreError) when late appends
    came in between again and again.
    """
    if not months:
        return
    began = time.monotonic()
    lake.mark(EVENTS, {TAIL: lake.snapshot(EVENTS).generation + 1})
    run = _Run(lake, memory_limit, threads, progress, stop)
    # in a thread: a signal finds the main one waiting, and not in the middle of a sort
    with ThreadPoolExecutor(1, "compaction") as worker:
        for some in _at_once(months):
            if run.is_stopped:
                return
            try:
                done = worker.submit(run.compact, some).result()
            except HubError:
                if run.is_stopped:
                    return
                raise
            yield from done
    lake.mark(EVENTS, {COMPACTED: int(now().timestamp()), TOOK: int((time.monotonic() - began) * 1000)})


def _at_once(months: Sequence[Month]) -> Iterator[list[Month]]:
    """The months of each commit: each commit makes those write anew who are appending at that instant."""
    some: list[Month] = []
    for month in months:
        some.append(month)
        if sum(rows_of([*each.slices, *each.tail]) for each in some) >= _ROWS_AT_ONCE or len(some) >= _MONTHS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


@dataclass(frozen=True)
class _Run:
    """One compaction on its way."""

    lake: Lake
    memory_limit: str
    threads: int
    progress: Progress | None
    stop: threading.Event | None

    @property
    def is_stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()

    def compact(self, months: Sequence[Month]) -> list[Compacted]:
        """Compact some months in one commit, again when late appends came in between. Returns what was done."""
        opened = reading(self.lake, memory_limit=self.memory_limit, threads=self.threads)
        with opened as reader, _interrupted_by(self.stop, reader):
            for attempt in range(_ATTEMPTS):
                try:
                    return self._compact_once(reader, months)
                except Overtaken:
                    if attempt + 1 == _ATTEMPTS:
                        raise
        return []

    def _compact_once(self, reader: Reader, months: Sequence[Month]) -> list[Compacted]:
        from hub.lake.rewriting import work_on

        seen = self.lake.snapshot(EVENTS)
        asked = {(month.project_id, month.name) for month in months}
        present = [month for month in months_of(seen.stored()) if (month.project_id, month.name) in asked]
        found = [
            work_on(reader, month, generation=seen.generation - 1, by_day=cut_by_day(month, now())) for month in present
        ]
        works = [work for work in found if work]
        return self._replace(reader, seen, works) if works else []

    def _replace(self, reader: Reader, seen: Snapshot, works: Sequence[Work]) -> list[Compacted]:
        from hub.lake.rewriting import compacted_rows

        written = [0] * len(works)

        def rows() -> Iterator[pa.RecordBatch]:
            for number, work in enumerate(works):
                for batch in reader.batches(compacted_rows(reader, work)):
                    yield batch
                    written[number] += batch.num_rows
                    if self.progress:
                        self.progress(work.month, written[number], work.rows)
                    if self.is_stopped:
                        raise StoreError("The compaction was stopped.")

        self.lake.replace(EVENTS, rows(), predicate=" or ".join(f"({work.predicate})" for work in works), seen=seen)
        return [
            Compacted(work.month.project_id, work.month.name, work.rows, work.rows - kept)
            for work, kept in zip(works, written, strict=True)
        ]


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
