"""Files of events into the lake: every line once, however often the import is started or killed.

The file's SHA-256 (of CSV: with its mapping) names the application that writes, and the number of a chunk's last line
(of an array: element; of CSV: row) is the version that it writes: the Delta log itself says how much of the file is in,
whatever became of the process. The row in `imports` holds the counts; it may be one chunk behind, and then that chunk
is decoded again to be counted, and not written.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from hub.clock import now
from hub.errors import InputError, Interrupted
from hub.events import ledger
from hub.events.batch import Job, Tally
from hub.events.blocks import Block, beginning, blocks, header, located
from hub.events.decoding import Decoded, Decoder, decode_here, helpers
from hub.events.ledger import Entry
from hub.events.mapping import Mapping, delimiter_of, digest_of, is_called_a_table, table_of
from hub.events.report import ImportReport, Progress, Refused, Stop
from hub.events.sniffing import check_is_events
from hub.events.source import Source, opened, stopped
from hub.lake.tables import EVENT_COLUMNS, EVENTS
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


class People(Protocol):
    """Who has to know what events say about people. Calls may be repeated, for the same rows too."""

    def learn(self, rows: pa.Table) -> None:
        """Take note of who is who in rows (EVENT_COLUMNS) that are about to go into the lake."""

    def publish(self) -> None:
        """Let the lake know what was learnt."""


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
    mapping: Mapping | None = None,
    people: People | None = None,
    strict: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
    sizes: Sizes | None = None,
) -> ImportReport:
    """Take in a file of events in the form of Mixpanel's import and raw export: one JSON object a line, or a JSON array
    of them; or CSV, whose columns `mapping` explains. Each may be compressed with gzip or zstd.

    `source` is a path, or `-` for standard input. A file is CSV when there is a mapping, or its name ends in .csv or
    .tsv. Lines that cannot go in are counted by reason and the first of them kept; all others go in, or with `strict`
    none: then the file is gone through twice. A file that is in already adds nothing; of CSV, the same file with
    another mapping is another import. `people` gets to know of all rows before they are in. Raises InputError for a
    file that is not what it says or a mapping that does not fit it, Refused (an InputError) when `strict` found a wrong
    line, Interrupted when `stop` was set, StoreError when the lake or the control plane cannot be written: what was
    committed by then stays, and the same call goes on from there.
    """
    began = time.monotonic()
    sizes = sizes or Sizes()
    with opened(source, home=workspace.settings.home, stop=stop) as opened_file:
        file = _as_told(opened_file, mapping, workspace)
        if file.table is None:
            check_is_events(file.name, beginning(file, _LOOKED_AT), file.form)
        if strict and not ledger.is_done(workspace.store, workspace.project.id, "events", file):
            _check_whole(workspace, file, sizes=sizes, progress=progress, stop=stop, began=began)
        entry = ledger.begin(workspace.store, workspace.project.id, "events", file)
        if entry.done:
            return ledger.report(entry, file, time.monotonic() - began)
        try:
            ended = _Import(workspace, file, entry, people, sizes=sizes, progress=progress, stop=stop).run()
        finally:
            if people:
                people.publish()
        ledger.finish(workspace.store, ended)
        return ledger.report(ended, file, time.monotonic() - began)


def _as_told(file: Source, mapping: Mapping | None, workspace: Workspace) -> Source:
    """The file as a table, when the user or its name says that it is one."""
    if mapping is None and not is_called_a_table(file.name):
        return file
    mapping = mapping or Mapping()
    headings = header(file, delimiter_of(mapping, file.name))
    table = table_of(mapping, headings, name=file.name, zone=workspace.project.timezone)
    return file.as_table(table, digest_of(file.digest, table))


def _check_whole(
    workspace: Workspace, file: Source, *, sizes: Sizes, progress: Progress | None, stop: Stop | None, began: float
) -> None:
    """Go through a file without taking anything in. Raises Refused when anything is wrong with it."""
    tally, last = Tally(), 0
    try:
        with _decoder(file, sizes) as decode:
            for block, found, _ in decode(_jobs(workspace, file, sizes, stop)):
                tally += located(found, block, file.form)
                last = block.last
                if progress:
                    progress(block.read, file.size, 0, tally.rejected)
    except Interrupted:
        stopped(stop, f"nothing of {file.name} was imported yet")
    except InputError as error:
        raise InputError(f"{error.message} Nothing of it went in.", hint=error.hint) from error
    if tally.rejected:
        raise Refused(ledger.refused(tally, last, file, time.monotonic() - began))


def _decoder(file: Source, sizes: Sizes) -> AbstractContextManager[Decoder]:
    return helpers() if file.size >= sizes.alone_bytes else nullcontext(decode_here)


def _jobs(
    workspace: Workspace, file: Source, sizes: Sizes, stop: Stop | None, *, counted: int = 0, written: int = 0
) -> Iterator[tuple[Block, Job]]:
    """The blocks that are not counted yet."""
    project, received_at = workspace.project, now()
    for block in blocks(file, sizes.block_bytes):
        stopped(stop, file.name)
        if block.last > counted:
            simplified = project.identity == "simplified"
            yield block, Job(project.id, received_at, block.first, counted, written, file.table, simplified)


class _Import:
    """One import on its way: decoded ahead by helpers, committed behind by a thread."""

    def __init__(
        self,
        workspace: Workspace,
        file: Source,
        entry: Entry,
        people: People | None,
        *,
        sizes: Sizes,
        progress: Progress | None,
        stop: Stop | None,
    ) -> None:
        self._workspace, self._file, self._entry, self._people, self._sizes = workspace, file, entry, people, sizes
        self._progress, self._stop = progress, stop
        self._application = f"import:{workspace.project.id}:{file.digest}"
        self._counted, self._seen = entry.lines, entry.tally

    def run(self) -> Entry:
        with _decoder(self._file, self._sizes) as decode, ThreadPoolExecutor(1, "commit") as committer:
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
        rejected = f" ({done.tally.rejected:,} rejected)" if done.tally.rejected else ""
        return (
            f"{done.tally.accepted:,} events of it are in{rejected}, up to {self._file.form} {done.lines:,}"
            if done.lines
            else "nothing of it is in"
        )

    def _jobs(self) -> Iterator[tuple[Block, Job]]:
        written = self._workspace.lake.committed(EVENTS, self._application) or 0
        counted = self._counted
        return _jobs(self._workspace, self._file, self._sizes, self._stop, counted=counted, written=written)

    def _chunks(self, decoded: Iterable[Decoded]) -> Iterator[_Chunk]:
        chunk = _Chunk()
        broken: InputError | None = None
        try:
            for block, found, rows in decoded:
                tally = located(found, block, self._file.form)
                chunk.add(block, tally, rows)
                self._tell(block, tally)
                if chunk.lines >= self._sizes.chunk_lines or chunk.size >= self._sizes.chunk_bytes:
                    yield chunk
                    chunk = _Chunk()
        except InputError as error:
            broken = error  # what came before the break goes in
        if chunk.lines:
            yield chunk
        if broken:
            raise broken

    def _tell(self, block: Block, tally: Tally) -> None:
        self._seen += tally
        if self._progress:
            self._progress(block.read, self._file.size, self._seen.accepted, self._seen.rejected)

    def _commit(self, chunk: _Chunk) -> None:
        if self._file.changed():
            raise InputError(
                f"{self._file.name} was written to while it was read.", hint="Import it when it is finished."
            )
        rows = pa.Table.from_batches(chunk.rows, EVENT_COLUMNS)
        if rows.num_rows:
            if self._people:  # first: rows that are in already do not come again after a kill
                self._people.learn(rows)
            self._workspace.lake.append(EVENTS, rows, application=self._application, version=chunk.last)
        entry = self._entry.after(chunk.last, chunk.tally)
        with self._workspace.store.writing() as connection:
            ledger.record(connection, entry)
        self._entry = entry
