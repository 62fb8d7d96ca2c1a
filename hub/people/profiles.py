"""Files of profiles into the control plane, and on to the lake: every line once, however often it is started or killed.

A chunk of lines is folded in one transaction that also notes how far the file is done: after a kill either both are
there or none.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hub.clock import now
from hub.errors import InputError
from hub.events import ledger
from hub.events.batch import Tally
from hub.events.blocks import Block, beginning, blocks, located
from hub.events.ledger import Entry
from hub.events.lines import Rejected, decode, excerpt
from hub.events.report import SAMPLE, ImportReport, Progress, Refused, Reject, Stop
from hub.events.sniffing import check_is_profiles
from hub.events.source import Form, Source, opened, stopped
from hub.people.profile_publishing import publish_profiles
from hub.people.profile_state import apply_updates
from hub.people.profile_update import Update, update_of
from hub.workspace import Workspace

__all__ = ["import_profiles", "publish_profiles"]

BLOCK_BYTES = 2 * 1024 * 1024


@dataclass
class _Chunk:
    """The lines of one block that were not done yet."""

    block: Block
    form: Form
    updates: list[Update] = field(default_factory=list)
    lines: list[tuple[int, bytes]] = field(default_factory=list)
    """Where each of the updates is, and what it is."""
    reasons: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)

    def add(self, number: int, line: bytes) -> None:
        try:
            self.updates.append(update_of(decode(line)))
            self.lines.append((number, line))
        except Rejected as error:
            if line and not line.isspace():
                self.reasons[error.reason] += 1
                if len(self.rejects) < SAMPLE:
                    self.rejects.append(Reject(number, error.reason, excerpt(line)))

    def tally(self, refused: Sequence[tuple[int, str]] = ()) -> Tally:
        """What was found. `refused` are the updates that could not be folded in: their places, and why."""
        unfolded = [(*self.lines[place], reason) for place, reason in refused[:SAMPLE]]
        rejects = [*self.rejects, *(Reject(number, reason, excerpt(line)) for number, line, reason in unfolded)]
        rejects = sorted(rejects, key=lambda reject: reject.line)[:SAMPLE]
        reasons = self.reasons + Counter(reason for _, reason in refused)
        tally = Tally(len(self.updates) - len(refused), reasons.total(), dict(reasons), rejects)
        return located(tally, self.block, self.form)


def import_profiles(
    workspace: Workspace,
    source: str | Path,
    *,
    strict: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> ImportReport:
    """Take in a file of profile updates: one JSON object a line, or a JSON array of them, plain or compressed with gzip
    or zstd, as sent to Mixpanel's `/engage`, or as its profile export gives them.

    `source` is a path, or `-` for standard input. Lines that cannot go in are counted by reason and the first of them
    kept; all others are folded in, in their order, or with `strict` none: then the file is gone through twice. A file
    that is in already changes nothing. The file is applied `block_bytes` at a time. Raises InputError for a file that
    is not what it says, Refused (an InputError) when `strict` found a wrong line, Interrupted when `stop` was set,
    StoreError when the control plane or the lake cannot be written, Busy when another process imports the same file:
    what was committed by then stays, and the same call goes on from there.
    """
    began = time.monotonic()
    publish_profiles(workspace)  # what a run that was killed has left behind
    with opened(source, home=workspace.settings.home, stop=stop) as file:
        check_is_profiles(file.name, beginning(file, block_bytes), file.form)
        if strict and not ledger.is_done(workspace.store, workspace.project.id, "profiles", file):
            _check_whole(file, block_bytes, stop, began)
        found = ledger.begin(workspace.store, workspace.project.id, "profiles", file)
        entry = found
        if not found.done:
            try:
                for chunk in _chunks(file, found.lines, block_bytes):
                    stopped(stop, _how_far(entry, file.form))
                    entry = _commit(workspace, entry, chunk)
                    if progress:
                        progress(chunk.block.read, file.size, entry.tally.accepted, entry.tally.rejected)
            except InputError as error:
                raise InputError(
                    f"{error.message} {_how_far(entry, file.form).capitalize()}.", hint=error.hint
                ) from error
            finally:
                publish_profiles(workspace)
            ledger.finish(workspace.store, entry)
        return ledger.report(entry, file, time.monotonic() - began)


def _check_whole(file: Source, block_bytes: int, stop: Stop | None, began: float) -> None:
    """Go through a file without taking anything in. Raises Refused when anything is wrong with it."""
    tally, last = Tally(), 0
    try:
        for chunk in _chunks(file, 0, block_bytes):
            stopped(stop, f"nothing of {file.name} was imported yet")
            tally, last = tally + chunk.tally(), chunk.block.last
    except InputError as error:
        raise InputError(f"{error.message} Nothing of it went in.", hint=error.hint) from error
    if tally.rejected:
        raise Refused(ledger.refused(tally, last, file, time.monotonic() - began))


def _chunks(file: Source, done: int, block_bytes: int) -> Iterator[_Chunk]:
    """The lines after the first `done`, decoded."""
    for block in blocks(file, block_bytes):
        if block.last <= done:
            continue
        chunk = _Chunk(block, file.form)
        for number, line in enumerate(block.data.split(b"\n"), block.first):
            if number > done:
                chunk.add(number, line)
        yield chunk


def _commit(workspace: Workspace, entry: Entry, chunk: _Chunk) -> Entry:
    with workspace.store.writing() as connection:
        ledger.check_alone(connection, entry)
        applied = apply_updates(connection, workspace.project, chunk.updates, now())
        after = entry.after(chunk.block.last, chunk.tally(applied.refused))
        ledger.record(connection, after)
    return after


def _how_far(entry: Entry, form: Form) -> str:
    if not entry.lines:
        return "nothing of it is in"
    rejected = f" ({entry.tally.rejected:,} rejected)" if entry.tally.rejected else ""
    return f"{entry.tally.accepted:,} updates of it are in{rejected}, up to {form} {entry.lines:,}"
