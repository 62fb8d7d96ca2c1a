"""Every attempt of every batch of a run, with its requests and answers: written before and after, kept beside the run.

A run's folder has one file for each process that worked on it, `attempts-0001.log` and so on: frames of a length (four
bytes, big-endian) and a MessagePack map. Nothing is ever changed in it; a frame that is torn, because the process was
killed, is the last one. What was begun and has no end in its file is an attempt whose answer is unknown.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from time import time_ns
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec

from hub.errors import AddressRefused, HubError, PartnerError, PartnerUnavailable, PluginError, StoreError, Wait
from hub.store.tables import runs
from hub.sync.states import FINAL

if TYPE_CHECKING:
    from datetime import timedelta

    from hub.connectors.contract import Outcome
    from hub.workspace import Workspace

MOST_SENT, MOST_ANSWERED = 1_048_576, 262_144
"""Bytes of a request's and of an answer's body that are kept; what is longer is cut there, and said to be cut."""

_LENGTH = struct.Struct(">I")


class End(StrEnum):
    """How an attempt, or one request, ended."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    PASSING = "passing failure"
    LOST = "lost answer"
    UNKNOWN = "unknown"
    """The process ended in between: it may have been carried out."""


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, without secrets and without the request's headers.

    `status` is 0 when no answer came: then `error` says why. `sent` and `answer` are the bodies, cut where
    `sent_bytes` and `answer_bytes` are larger.
    """

    at: datetime
    method: str
    url: str
    sent_bytes: int
    seconds: float | None = None
    status: int = 0
    answer_bytes: int = 0
    request_id: str = ""
    error: str = ""
    answered: bool = False
    _sent: tuple[bytes, int] = (b"", 0)
    _answer: tuple[bytes, int] = (b"", 0)

    @property
    def sent(self) -> bytes:
        """The body of the request."""
        return _opened(*self._sent)

    @property
    def answer(self) -> bytes:
        """The body of the answer."""
        return _opened(*self._answer)

    def figures(self, *, bodies: bool = False) -> dict[str, Any]:
        """For machines: stable keys."""
        told: dict[str, Any] = {
            "at": self.at.isoformat(),
            "method": self.method,
            "url": self.url,
            "sent_bytes": self.sent_bytes,
            "seconds": self.seconds,
            "status": self.status or None,
            "answer_bytes": self.answer_bytes,
            "request_id": self.request_id,
            "error": self.error,
            "answer_known": self.answered,
        }
        if bodies:
            told |= {"sent": self.sent.decode(errors="replace"), "answer": self.answer.decode(errors="replace")}
        return told


@dataclass(frozen=True)
class Attempt:
    """One attempt of a batch; of what is no batch (finding or making the audience) `batch` is None.

    `refused` is key -> the partner's words. `size` is how many members went with it: a refused batch is halved.
    """

    run: int
    batch: int | None
    action: str
    number: int
    size: int
    at: datetime
    end: End = End.UNKNOWN
    message: str = ""
    seconds: float | None = None
    refused: dict[str, str] = field(default_factory=dict)
    request_id: str = ""
    first_key: str = ""
    last_key: str = ""
    exchanges: tuple[Exchange, ...] = ()

    def had(self, key: str) -> bool:
        """Whether a member of its batch went with this attempt (a batch goes out in the order of its keys)."""
        return self.batch is None or self.first_key <= key <= self.last_key

    def figures(self, *, bodies: bool = False) -> dict[str, Any]:
        """For machines: the stable keys of `hub sync attempts --json`."""
        return {
            "run": self.run,
            "batch": self.batch,
            "action": self.action,
            "attempt": self.number,
            "members": self.size,
            "at": self.at.isoformat(),
            "end": self.end.value,
            "message": self.message,
            "seconds": self.seconds,
            "refused": dict(self.refused),
            "request_id": self.request_id,
            "requests": [each.figures(bodies=bodies) for each in self.exchanges],
        }


class Attempts:
    """Writes the attempts of one run, in a file of this process. Raises StoreError when the disk is full."""

    def __init__(self, workspace: Workspace, run_id: int) -> None:
        import pyarrow as pa

        self._codec = pa.Codec("zstd", compression_level=1)
        self._numbers = itertools.count(1)
        self._file = _new_file(workspace.runs_folder / str(run_id))

    def begin(self, batch: int | None, action: str, number: int, keys: Sequence[str]) -> Writing:
        """An attempt begins now; use it as a context manager, and let requests be `recorded_by` it."""
        own = next(self._numbers)
        ends = (min(keys), max(keys)) if keys else ("", "")
        self.write(
            {"kind": "begin", "id": own, "at": _us(), "batch": batch, "action": action, "number": number,
             "size": len(keys), "first": ends[0], "last": ends[1]}
        )  # fmt: skip
        return Writing(self, own)

    def number(self) -> int:
        """A number for a request, different from all others of this file."""
        return next(self._numbers)

    def packed(self, body: bytes, most: int) -> tuple[bytes, int]:
        """A body as it is kept, and its length without compression."""
        kept = body[:most]
        return (self._codec.compress(kept, asbytes=True), len(kept)) if kept else (b"", 0)

    def write(self, frame: dict[str, Any]) -> None:
        """Write down one frame, at once."""
        content = msgspec.msgpack.encode(frame)
        left = memoryview(_LENGTH.pack(len(content)) + content)
        end = self._file.tell()
        try:
            while left:  # a disk that is nearly full takes a part, and says so only when it is asked again
                left = left[self._file.write(left) :]
        except OSError as error:
            self._file.truncate(end)  # half a frame would hide those after it
            self._file.seek(end)
            raise _unwritable(error) from error

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

    def leaves(self, method: str, url: str, body: bytes) -> int:
        """See `hub.connectors.recording.Recorder`."""
        number = self._attempts.number()
        kept = self._attempts.packed(body, MOST_SENT)
        self._attempts.write(
            {"kind": "request", "of": self._own, "id": number, "at": _us(), "method": method, "url": url,
             "bytes": len(body), "body": kept}
        )  # fmt: skip
        return number

    def answered(self, number: int, *, seconds: float, status: int, body: bytes, request_id: str, error: str) -> None:
        """See `hub.connectors.recording.Recorder`."""
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
    if isinstance(error, Wait | PartnerUnavailable | AddressRefused):
        return End.PASSING
    return End.REFUSED


def attempts_of(workspace: Workspace, run_id: int, *, batch: int | None = None) -> list[Attempt]:
    """The attempts of a run, or of one batch of it, in the order in which they began.

    Reads all files of the run once; bodies stay compressed until they are asked for.
    """
    found = []
    for file in sorted((workspace.runs_folder / str(run_id)).glob("attempts-*.log")):
        found += [each for each in _read(file, run_id) if batch is None or each.batch == batch]
    return sorted(found, key=lambda each: each.at)


def forget_attempts(workspace: Workspace, keep: timedelta) -> list[str]:
    """Delete the attempts and the plans of the runs of all projects that ended longer ago than `keep`.

    Their figures, batches and refusals stay in the control plane. Returns what was done, in words.
    """
    from sqlalchemy import select

    from hub.clock import counted, now

    ended = select(runs.c.id).where(runs.c.state.in_([each.value for each in FINAL]), runs.c.finished_at < now() - keep)
    with workspace.store.reading() as connection:
        old = {str(run_id) for run_id in connection.execute(ended).scalars()}
    removed = 0
    for folder in workspace.runs_folder.glob("*"):
        if folder.name not in old:
            continue
        files = [*folder.glob("attempts-*.log"), *folder.glob("plan.parquet")]
        for file in files:
            file.unlink(missing_ok=True)
        removed += bool(files)
        with suppress(OSError):  # something else lies there
            folder.rmdir()
    days = counted(keep.days, "day")
    return [f"the ledger of {counted(removed, 'run')} that ended more than {days} ago was removed"] if removed else []


def _read(file: Path, run_id: int) -> Iterator[Attempt]:
    begun: dict[int, dict[str, Any]] = {}
    ends: dict[int, dict[str, Any]] = {}
    requests: dict[int, dict[int, Exchange]] = {}
    for frame in _frames(file):
        match frame["kind"]:
            case "begin":
                begun[frame["id"]] = frame
            case "request":
                requests.setdefault(frame["of"], {})[frame["id"]] = _asked(frame)
            case "answer":
                of = requests[frame["of"]]
                of[frame["id"]] = _with_answer(of[frame["id"]], frame)
            case "end":
                ends[frame["id"]] = frame
    for own, frame in begun.items():
        yield _attempt(run_id, frame, ends.get(own), tuple(requests.get(own, {}).values()))


def _frames(file: Path) -> Iterator[dict[str, Any]]:
    with file.open("rb") as content:
        while len(head := content.read(_LENGTH.size)) == _LENGTH.size:
            (length,) = _LENGTH.unpack(head)
            frame = content.read(length)
            if len(frame) < length:
                return
            yield msgspec.msgpack.decode(frame)


def _attempt(
    run_id: int, begin: dict[str, Any], end: dict[str, Any] | None, exchanges: tuple[Exchange, ...]
) -> Attempt:
    attempt = Attempt(
        run=run_id,
        batch=begin["batch"],
        action=begin["action"],
        number=begin["number"],
        size=begin["size"],
        at=_time(begin["at"]),
        first_key=begin["first"],
        last_key=begin["last"],
        exchanges=exchanges,
    )
    if end is None:
        return attempt
    partner_id = next((each.request_id for each in reversed(exchanges) if each.request_id), "")
    return replace(
        attempt,
        end=End(end["end"]),
        message=end["message"],
        seconds=round((end["at"] - begin["at"]) / 1_000_000, 6),
        refused=end.get("refused", {}),
        request_id=end.get("request_id") or partner_id,
    )


def _asked(frame: dict[str, Any]) -> Exchange:
    return Exchange(_time(frame["at"]), frame["method"], frame["url"], frame["bytes"], _sent=tuple(frame["body"]))


def _with_answer(asked: Exchange, frame: dict[str, Any]) -> Exchange:
    return replace(
        asked,
        seconds=round(frame["seconds"], 6),
        status=frame["status"],
        answer_bytes=frame["bytes"],
        request_id=frame["request_id"],
        error=frame["error"],
        answered=True,
        _answer=tuple(frame["body"]),
    )


def _opened(packed: bytes, length: int) -> bytes:
    import pyarrow as pa

    return bytes(pa.Codec("zstd").decompress(packed, decompressed_size=length, asbytes=True)) if length else b""


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


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
