"""What was read of a folder of Currents: a cursor that skips nothing and stays small.

Of files of the last days it keeps a file's size and the rows that were read. Days that are over and read to their end
are one digest each, of their files' paths and sizes: a file that appears late, or grows, changes it, and that day is
read anew (the hub drops the events that it has).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from typing import Any

OPEN = -1
"""In the place of a size: the file was not read to its end."""


@dataclass(frozen=True, order=True)
class Found:
    """A file in the folder. `day` is that of its path (`date=2026-11-20-14`), else of its last change, in UTC."""

    day: date
    path: str
    size: int
    changed: float = field(compare=False)

    @property
    def key(self) -> str:
        """Its name in the cursor: paths of Currents have some two hundred characters."""
        return blake2b(self.path.encode(), digest_size=9).hexdigest()


@dataclass
class Consumed:
    """The cursor, while it is worked with.

    `files` holds size and rows by `Found.key`; `days` the digest of days that are closed; `broken` what could not be
    read, by path, with the reason; `unnamed` the event types that the connector had no name for.
    """

    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    days: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    unnamed: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, cursor: dict[str, Any]) -> Consumed:
        """The state that a cursor holds."""
        files = {key: (int(size), int(rows)) for key, (size, rows) in (cursor.get("files") or {}).items()}
        named = (dict(cursor.get("days") or {}), dict(cursor.get("broken") or {}), set(cursor.get("unnamed") or ()))
        return cls(files, *named)

    @property
    def cursor(self) -> dict[str, Any]:
        """The same as JSON, a copy."""
        return {
            "files": {key: list(entry) for key, entry in self.files.items()},
            "days": dict(self.days),
            "broken": dict(self.broken),
            "unnamed": sorted(self.unnamed),
        }

    def forget_gone(self, found: Iterable[Found]) -> None:
        """Let go of what is no longer in the folder."""
        there = list(found)
        keys, days, paths = ({file.key for file in there}, {file.day.isoformat() for file in there},
                             {file.path for file in there})  # fmt: skip
        self.files = {key: entry for key, entry in self.files.items() if key in keys}
        self.days = {day: digest for day, digest in self.days.items() if day in days}
        self.broken = {path: reason for path, reason in self.broken.items() if path in paths}

    def learn(self, known: Iterable[str]) -> None:
        """If a type that had no name has one now, everything in the folder is read anew."""
        if self.unnamed & set(known):
            self.files, self.days, self.broken, self.unnamed = {}, {}, {}, set()

    def rows_read(self, file: Found) -> int | None:
        """How many rows of a file were read; None when there is nothing more in it."""
        size, rows = self.files.get(file.key, (OPEN, 0))
        if size == file.size:
            return None
        # a shorter one is another file, and so may be one that could not be read
        return 0 if size > file.size or file.path in self.broken else rows

    def is_closed(self, day: date, files: Sequence[Found]) -> bool:
        """Whether a day was read to its end, and its files are those of then."""
        return self.days.get(day.isoformat()) == _digest(files)

    def close(self, day: date, files: Sequence[Found]) -> None:
        """A day is over: keep one digest of it, if all of it was read."""
        if all(self.rows_read(file) is None for file in files):
            self.days[day.isoformat()] = _digest(files)
            for file in files:
                del self.files[file.key]


def _digest(files: Sequence[Found]) -> str:
    listed = "\n".join(f"{file.path} {file.size}" for file in sorted(files))
    return blake2b(listed.encode(), digest_size=9).hexdigest()
