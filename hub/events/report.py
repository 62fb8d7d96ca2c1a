"""What became of an import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

SAMPLE = 100
"""Rejected lines that are kept and shown of one import; all of them are counted."""

Progress = Callable[[int, int, int, int], None]
"""Called now and then with bytes read, bytes in all, records accepted and lines rejected so far."""


class Stop(Protocol):
    """Whether somebody asked the work to stop, such as a `threading.Event` that a signal sets."""

    def is_set(self) -> bool:
        """Whether to stop now."""


@dataclass(frozen=True)
class Reject:
    """A line that did not go in. `line` counts from 1; `excerpt` is its beginning."""

    line: int
    reason: str
    excerpt: str = ""


@dataclass(frozen=True)
class ImportReport:
    """What became of one file.

    `file` is its name as given, `digest` the SHA-256 of its bytes. `state` is `done` or `already imported`; the counts
    are those of the whole file, also of what an earlier run that was interrupted took in. `lines` counts blank lines
    too. `rejects` are the first SAMPLE rejected lines, `reasons` counts all of them. `seconds` is the wall time of
    this run alone.
    """

    file: str
    digest: str
    state: str
    lines: int
    accepted: int
    rejected: int
    reasons: dict[str, int]
    rejects: list[Reject]
    seconds: float
