"""Every attempt of every batch of a run, with its requests and answers: written before and after, kept beside the run.

A run's folder has one file for each process that worked on it, `attempts-0001.log` and so on: frames of a length (four
bytes, big-endian) and a MessagePack map. Nothing is ever changed in it; a frame that is torn, because the process was
killed, is the last one. What was begun and has no end in its file is an attempt whose answer is unknown.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    pass

LENGTH = struct.Struct(">I")
"""What stands before each frame: its length in bytes."""


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


def _opened(packed: bytes, length: int) -> bytes:
    import pyarrow as pa

    return bytes(pa.Codec("zstd").decompress(packed, decompressed_size=length, asbytes=True)) if length else b""
