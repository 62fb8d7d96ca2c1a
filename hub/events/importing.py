"""Files of events into the lake: every line once, however often the import is started or killed.

The file's SHA-256 names the application that writes, and the number of a chunk's last line is the version that it
writes: the Delta log itself says how much of the file is in, whatever became of the process. The row in `imports`
holds the counts; it may be one chunk behind, and then that chunk is decoded again to be counted, and not written.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from hub.clock import now
from hub.errors import InputError, Interrupted
from hub.events import ledger
from hub.events.batch import Job, Tally
from hub.events.decoding import Decoded, Decoder, decode_here, helpers
from hub.events.ledger import Entry
from hub.events.report import ImportReport, Progress, Stop
from hub.events.sniffing import check_is_events
from hub.events.source import Block, Source, beginning, blocks, opened, stopped
from hub.lake.tables import EVENTS
from hub.workspace import Workspace

_LOOKED_AT = 256 * 1024  # bytes, to see what a file is


@dataclass(frozen=True)
class Sizes:
    """How a file is cut: a chunk is one commit of at least `chunk_lines` lines or `chunk_bytes` bytes, made of whole
    blocks of about `block_bytes`. Files below `alone_bytes` are decoded without helper processes."""

    chunk_lines: int = 200_000
    chunk_bytes: int = 128 * 1024 * 1024
    block_bytes: int = 4 * 1024 * 1024
    alone_bytes: int = 8 * 1024 * 1024


@dataclass
class _Chunk:
    """Decoded blocks that are committed together."""

    last: int = 0
    lines: int = 0
    size: int = 0
    tally: Tally = field(default_factory=Tally)
    rows: list[pa.RecordBatch] = field(default_factory=list)

    def add(self, block: Block, tally: Tally, rows: pa.RecordBatch) -> None:
        self.last = block.last
        self.lines += block.lines
        self.size += len(block.data)
        self.tally += tally
        self.rows.append(rows)


def import_events(
    workspace: Workspace,
    source: str | Path,
    *,
    progress: Progress | None = None,
    stop: Stop | None = None,
    sizes: Sizes | None = None,
) -> ImportReport:
    """Take in a file of events: one JSON object a line, plain or gzipped, in the form of Mixpanel's import and raw
    export.

    `source` is a path, or `-` for standard input. Lines that cannot go in are counted by reason and the first of them
    kept; all others go in. A file that is in already adds nothing. Raises InputError for a file that is not what it
    says, Interrupted when `stop` was set, StoreError when the lake or the control plane cannot be written: what was
    committed by then stays, and the same call goes on from there.
    """
    began = time.monotonic()
    with opened(source, home=workspace.settings.home, stop=stop) as file:
        check_is_events(file.name, beginning(file, _LOOKED_AT))
        entry = ledger.begin(workspace.store, workspace.project.id, "events", file)
        if entry.done:
            return ledger.report(entry, file, time.monotonic() - began)
        ended = _Import(workspace, file, entry, sizes=sizes or Sizes(), progress=progress, stop=stop).run()
        ledger.finish(workspace.store, ended)
        return ledger.report(ended, file, time.monotonic() - began)


class _Import:
    """One import on its way: decoded ahead by helpers, committed behind by a thread."""

    def __init__(
        self,
        workspace: Workspace,
        file: Source,
        entry: Entry,
        *,
        sizes: Sizes,
        progress: Progress | None,
        stop: Stop | None,
    ) -> None:
        self._workspace, self._file, self._entry, self._sizes = workspace, file, entry, sizes
        self._progress, self._stop = progress, stop
        self._application = f"import:{workspace.project.id}:{file.digest}"
        self._counted, self._seen = entry.lines, entry.tally

    def run(self) -> Entry:
        with self._decoder() as decode, ThreadPoolExecutor(1, "commit") as committer:
            pending: Future[None] = committer.submit(lambda: None)
            try:
                for chunk in self._chunks(decode(self._jobs())):
                    pending.result()
                    pending = committer.submit(self._commit, chunk)
            except Interrupted:
                pending.result()
                stopped(self._stop, self._how_far())
            except InputError as error:
                pending.result()
                raise InputError(f"{error.message} {self._how_far().capitalize()}.", hint=error.hint) from error
            pending.result()
        return self._entry

    def _how_far(self) -> str:
        done = self._entry
        return (
            f"{done.tally.accepted:,} events of it are in, up to line {done.lines:,}"
            if done.lines
            else "nothing of it is in"
        )

    def _decoder(self) -> AbstractContextManager[Decoder]:
        return helpers() if self._file.size >= self._sizes.alone_bytes else nullcontext(decode_here)

    def _jobs(self) -> Iterator[tuple[Block, Job]]:
        """The blocks that are not counted yet."""
        written = self._workspace.lake.committed(EVENTS, self._application) or 0
        project, received_at = self._workspace.project.id, now()
        for block in blocks(self._file, self._sizes.block_bytes):
            stopped(self._stop, self._file.name)
            if block.last > self._counted:
                yield block, Job(project, received_at, block.first, self._counted, written)

    def _chunks(self, decoded: Iterable[Decoded]) -> Iterator[_Chunk]:
        chunk = _Chunk()
        for block, tally, rows in decoded:
            chunk.add(block, tally, rows)
            self._tell(block, tally)
            if chunk.lines >= self._sizes.chunk_lines or chunk.size >= self._sizes.chunk_bytes:
                yield chunk
                chunk = _Chunk()
        if chunk.lines:
            yield chunk

    def _tell(self, block: Block, tally: Tally) -> None:
        self._seen += tally
        if self._progress:
            self._progress(block.read, self._file.size, self._seen.accepted, self._seen.rejected)

    def _commit(self, chunk: _Chunk) -> None:
        if self._file.changed():
            raise InputError(
                f"{self._file.name} was written to while it was read.", hint="Import it when it is finished."
            )
        rows = pa.Table.from_batches(chunk.rows, EVENTS.schema)
        if rows.num_rows:
            self._workspace.lake.append(EVENTS, rows, application=self._application, version=chunk.last)
        entry = self._entry.after(chunk.last, chunk.tally)
        with self._workspace.store.writing() as connection:
            ledger.record(connection, entry)
        self._entry = entry
