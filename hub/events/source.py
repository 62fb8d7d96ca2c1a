"""Files that are imported: opened, hashed, and told apart by their contents."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import IO, BinaryIO, cast

from hub.errors import InputError, Interrupted, StoreError
from hub.events.report import Stop
from hub.events.table import Table
from hub.events.unpacking import Packing, packing_of, read, said, unpacked

BOM = b"\xef\xbb\xbf"
_PIECE = 1024 * 1024
_LOOKED_AT = 64 * 1024


class Form(StrEnum):
    """How a file holds its records; the word is what one of them is called."""

    LINES = "line"
    ARRAY = "element"
    ROWS = "row"


@dataclass(frozen=True)
class Source:
    """A file, open for reading and hashed.

    `name` is what the user called it, `size` is in bytes as stored. `digest` names its import: the SHA-256 of its
    bytes, of a table's with the mapping. `table` is set when its form is rows.
    """

    name: str
    file: BinaryIO
    size: int
    digest: str
    packing: Packing = Packing.NONE
    form: Form = Form.LINES
    table: Table | None = None

    def changed(self) -> bool:
        """Whether somebody wrote to the file since it was hashed."""
        return os.fstat(self.file.fileno()).st_size != self.size

    def as_table(self, table: Table, digest: str) -> Source:
        """The same file, read as rows."""
        return replace(self, form=Form.ROWS, table=table, digest=digest)


@contextmanager
def opened(given: str | Path, *, home: Path, stop: Stop | None = None) -> Iterator[Source]:
    """Open and hash a file; `-` is standard input.

    What cannot be read twice (standard input, a pipe) is copied first to a nameless file in `home`, which is gone when
    the process is. Raises InputError when there is no such file or it cannot be read, StoreError when the copy finds
    no room, Interrupted when `stop` is set.
    """
    name = "standard input" if str(given) == "-" else os.fsencode(given).decode(errors="backslashreplace")
    with _open(given, name) as raw:
        if stat.S_ISREG(os.fstat(raw.fileno()).st_mode) and str(given) != "-":
            yield _hashed(name, raw, stop)
            return
        with tempfile.TemporaryFile(dir=home, prefix="import-") as copy:
            _spool(raw, copy, name, stop)
            yield _hashed(name, copy, stop)


def stopped(stop: Stop | None, where: str) -> None:
    """Raise Interrupted when `stop` is set. `where` says how far the work came."""
    if stop is not None and stop.is_set():
        number = int(getattr(stop, "signal_number", None) or 2)
        raise Interrupted(
            f"Stopped: {where}.", signal_number=number, hint="Run the same command again: it goes on where it stopped."
        )


def _open(given: str | Path, name: str) -> IO[bytes]:
    try:
        if str(given) == "-":
            if sys.stdin is None:
                raise InputError(
                    "Standard input is closed.", hint="Name a file, or send one: `... | hub event import -`."
                )
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        return Path(given).open("rb")
    except FileNotFoundError as error:
        raise InputError(f"There is no file {name}.", hint="Check the path.") from error
    except IsADirectoryError as error:
        raise InputError(f"{name} is a directory.", hint="Name the files in it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be read: {said(error)}.") from error


def _hashed(name: str, file: IO[bytes], stop: Stop | None) -> Source:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := read(file, _PIECE, name):
        stopped(stop, f"nothing of {name} was imported yet")
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    packing = packing_of(read(file, 4, name))
    plain = cast("BinaryIO", file)
    head = read(unpacked(plain, packing), _LOOKED_AT, name).removeprefix(BOM).lstrip()
    form = Form.ARRAY if head.startswith(b"[") else Form.LINES
    return Source(name, plain, size, digest.hexdigest(), packing, form)


def _spool(raw: IO[bytes], copy: IO[bytes], name: str, stop: Stop | None) -> None:
    while piece := read(raw, _PIECE, name):
        stopped(stop, f"nothing of {name} was imported yet")
        try:
            copy.write(piece)
        except OSError as error:
            raise StoreError(f"{name} cannot be copied to the hub's home: {said(error)}.", hint="Make room.") from error
    copy.flush()
