"""Writing the attempts of a run into a file of this process, as they happen. See `hub.sync.attempts` for its form."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from hub.errors import AddressRefused, Busy, HubError, PartnerError, PartnerUnavailable, PluginError, StoreError, Wait
from hub.sync.attempts import LENGTH, End

if TYPE_CHECKING:
    from hub.connectors.contract import Outcome
    from hub.store.lease import Lease
    from hub.workspace import Workspace

MOST_SENT, MOST_ANSWERED = 1_048_576, 262_144
"""Bytes of a request's and of an answer's body that are kept; what is longer is cut there, and said to be cut."""


class Attempts:
    """Writes the attempts of one run, in a file of this process. Raises StoreError when the disk is full.

    What is no run (a verification) has a name in the place of a number. With the `lease` of the run's audience no
    request leaves once somebody else may have it: Busy is raised.
    """

    def __init__(self, workspace: Workspace, run_id: int | str, *, lease: Lease | None = None) -> None:
        self._lease = lease
        self._compressor = zstd.ZstdCompressor(level=1)  # one for all: making one takes longer than using it
        self._numbers = itertools.count(1)
        self._file = _new_file(workspace.runs_folder / str(run_id))
        self._written = 0

    def begin(self, batch: int | None, action: str, number: int, keys: Sequence[str]) -> Writing:
        """An attempt begins now; use it as a context manager, and let requests be `recorded_by` it."""
        own = next(self._numbers)
        ends = (min(keys), max(keys)) if keys else ("", "")
        self.write(
            {"kind": "begin", "id": own, "at": _us(), "batch": batch, "action": action, "number": number,
             "size": len(keys), "first": ends[0], "last": ends[1]}
        )  # fmt: skip
        return Writing(self, own)

    def check_term(self) -> None:
        """Raises Busy when somebody else may have the audience by now."""
        if self._lease:
            self._lease.check_term()

    def number(self) -> int:
        """A number for a request, different from all others of this file."""
        return next(self._numbers)

    def packed(self, body: bytes, most: int) -> tuple[bytes, int]:
        """A body as it is kept, and its length without compression."""
        kept = body[:most]
        return (self._compressor.compress(kept, zstd.ZstdCompressor.FLUSH_FRAME), len(kept)) if kept else (b"", 0)

    def write(self, frame: dict[str, Any]) -> None:
        """Write down one frame, at once."""
        content = msgspec.msgpack.encode(frame)
        whole = LENGTH.pack(len(content)) + content
        left = memoryview(whole)
        try:
            while left:  # a disk that is nearly full takes a part, and says so only when it is asked again
                left = left[self._file.write(left) :]
        except OSError as error:
            self._file.truncate(self._written)  # half a frame would hide those after it
            self._file.seek(self._written)
            raise _unwritable(error) from error
        self._written += len(whole)

    def close(self) -> None:
        """Let the file go."""
        self._file.close()

    def __enter__(self) -> Attempts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Writing:
    """One attempt that is under way: a recorder of the requests that belong to it."""

    def __init__(self, attempts: Attempts, own: int) -> None:
        self._attempts, self._own = attempts, own
        self._over = False

    def leaves(self, method: str, url: str, body: bytes) -> int:
        """See `hub.connectors.recording.Recorder`. What was given up on sends nothing any more: raises PluginError."""
        if self._over:
            raise PluginError(f"A call that was given up on wanted to {method} {url}.")
        self._attempts.check_term()
        number = self._attempts.number()
        kept = self._attempts.packed(body, MOST_SENT)
        self._attempts.write(
            {"kind": "request", "of": self._own, "id": number, "at": _us(), "method": method, "url": url,
             "bytes": len(body), "body": kept}
        )  # fmt: skip
        return number

    def answered(self, number: int, *, seconds: float, status: int, body: bytes, request_id: str, error: str) -> None:
        """See `hub.connectors.recording.Recorder`."""
        if self._over:
            return  # it was written down as a lost answer
        kept = self._attempts.packed(body, MOST_ANSWERED)
        self._attempts.write(
            {"kind": "answer", "of": self._own, "id": number, "seconds": seconds, "status": status, "bytes": len(body),
             "body": kept, "request_id": request_id, "error": error}
        )  # fmt: skip

    def acknowledged(self, outcome: Outcome | None = None) -> None:
        """The partner took it, but for those whom the outcome refuses."""
        refused = {each.key: each.reason for each in outcome.refused} if outcome else {}
        self._end(End.ACKNOWLEDGED, refused=refused, request_id=outcome.request_id if outcome else "")

    def __enter__(self) -> Writing:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over = True
        if isinstance(error, HubError) and not isinstance(error, StoreError):
            self._end(end_of(error), message=error.message)

    def _end(self, end: End, *, message: str = "", **values: Any) -> None:
        self._attempts.write(
            {"kind": "end", "id": self._own, "at": _us(), "end": end.value, "message": message, **values}
        )


def end_of(error: HubError) -> End:
    """How an attempt ended that raised this."""
    if isinstance(error, PluginError) or (isinstance(error, PartnerError) and error.answer_lost):
        return End.LOST
    if isinstance(error, Wait | PartnerUnavailable | AddressRefused | Busy):
        return End.PASSING
    return End.REFUSED


def _new_file(folder: Path) -> Any:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(len([*folder.glob("attempts-*.log")]) + 1):
            try:
                descriptor = os.open(folder / f"attempts-{number:04}.log", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            return os.fdopen(descriptor, "wb", buffering=0)
    except OSError as error:
        raise _unwritable(error) from error


def _unwritable(error: OSError) -> StoreError:
    return StoreError(
        f"The ledger cannot be written: {error.strerror or error}.",
        hint="Make room on the disk and run the sync again: it goes on where it stopped.",
    )


def _us() -> int:
    return time_ns() // 1_000
