"""What became of an import."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hub.errors import InputError

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
    """A line that did not go in. `line` counts from 1; `excerpt` is its beginning.

    Of a JSON array, `element` is the number of the element, and `line` the one that it begins on; of CSV, `line` is the
    one that the row begins on.
    """

    line: int
    reason: str
    excerpt: str = ""
    element: int | None = None


@dataclass(frozen=True)
class ImportReport:
    """What became of one file.

    `file` is its name as given, `digest` the SHA-256 of its bytes (of CSV: with the mapping). `state` is `done`,
    `already imported`, or `refused` (strict, and nothing went in); the counts are those of the whole file, also of what
    an earlier run that was interrupted took in. `lines` counts blank lines too; of an array it counts elements, of CSV
    rows, and `unit` says so (line, element, row). `rejects` are the first SAMPLE rejected lines, `reasons` counts all
    of them. `seconds` is the wall time of this run alone.
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
    unit: str = "line"


class Refused(InputError):
    """A strict import found something wrong: nothing of the file went in. `report` tells what."""

    def __init__(self, report: ImportReport) -> None:
        some = f"{report.rejected:,} of {report.lines:,} {report.unit}s cannot"
        super().__init__(
            f"{report.file}: {some} go in, so nothing of it went in.",
            hint="Correct the file; or leave --strict out, and the others go in.",
        )
        self.report = report
