"""Files that are imported: opened, told apart, and read in blocks of whole lines."""

from __future__ import annotations

import gzip
import hashlib
import os
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from hub.errors import InputError, Interrupted, StoreError
from hub.events.lines import MAX_BYTES
from hub.events.report import Stop

_GZIP = b"\x1f\x8b"
_PIECE = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_CORRECTED = (
    "Get the whole file and import that. It counts as another file, but an event that is in already (same $insert_id) "
    "collapses with the new copy."
)


@dataclass(frozen=True)
class Source:
    """A file, open for reading and hashed. `name` is what the user called it, `size` is in bytes as stored."""

    name: str
    file: BinaryIO
    size: int
    digest: str
    compressed: bool

    def changed(self) -> bool:
        """Whether somebody wrote to the file since it was hashed."""
        return os.fstat(self.file.fileno()).st_size != self.size


@dataclass(frozen=True)
class Block:
    """Whole lines of a file. `first` is the number of the first one, from 1; `read` is how far the file was read, in
    bytes."""

    first: int
    lines: int
    data: bytes
    read: int

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + self.lines - 1


@contextmanager
def opened(given: str | Path, *, home: Path, stop: Stop | None = None) -> Iterator[Source]:
    """Open and hash a file; `-` is standard input.

    What cannot be read twice (standard input, a pipe) is copied first to a nameless file in `home`, which is gone when
    the process is. Raises InputError when there is no such file or it cannot be read, StoreError when the copy finds
    no room, Interrupted when `stop` is set.
    """
    name = "standard input" if str(given) == "-" else str(given)
    with _open(given, name) as raw:
        if stat.S_ISREG(os.fstat(raw.fileno()).st_mode) and str(given) != "-":
            yield _hashed(name, raw, stop)
            return
        with tempfile.TemporaryFile(dir=home, prefix="import-") as copy:
            _spool(raw, copy, name, stop)
            yield _hashed(name, copy, stop)


def blocks(source: Source, size: int) -> Iterator[Block]:
    """The file's lines, decompressed, in blocks of about `size` bytes: the same blocks each time.

    Of a line longer than an event may be, only the beginning is kept in memory: enough to see that it is too long.
    Raises InputError when the file ends early or is broken; what came before was given out.
    """
    source.file.seek(0)
    stream = cast("IO[bytes]", gzip.GzipFile(fileobj=source.file) if source.compressed else source.file)
    line, rest = 1, b""
    while piece := _read(stream, size, source.name, line):
        if line == 1 and not rest:
            piece = piece.removeprefix(_BOM)
        data = rest + piece
        cut = data.rfind(b"\n") + 1
        if not cut:
            rest = data[: MAX_BYTES + 1]
            continue
        block = Block(line, data.count(b"\n", 0, cut), data[:cut], source.file.tell())
        rest = data[cut:]
        line += block.lines
        yield block
    if rest:
        yield Block(line, 1, rest, source.size)


def beginning(source: Source, size: int) -> bytes:
    """The file's first lines, about `size` bytes of them. Raises InputError as `blocks` does."""
    first = next(blocks(source, size), None)
    return first.data if first else b""


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
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
        return Path(given).open("rb")
    except FileNotFoundError as error:
        raise InputError(f"There is no file {name}.", hint="Check the path.") from error
    except IsADirectoryError as error:
        raise InputError(f"{name} is a directory.", hint="Name the files in it.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be read: {_said(error)}.") from error


def _hashed(name: str, file: IO[bytes], stop: Stop | None) -> Source:
    digest, size = hashlib.sha256(), 0
    file.seek(0)
    while piece := _read(file, _PIECE, name, 1):
        stopped(stop, f"nothing of {name} was imported yet")
        digest.update(piece)
        size += len(piece)
    file.seek(0)
    compressed = file.read(2) == _GZIP
    return Source(name, cast("BinaryIO", file), size, digest.hexdigest(), compressed)


def _spool(raw: IO[bytes], copy: IO[bytes], name: str, stop: Stop | None) -> None:
    while piece := _read(raw, _PIECE, name, 1):
        stopped(stop, f"nothing of {name} was imported yet")
        try:
            copy.write(piece)
        except OSError as error:
            raise StoreError(
                f"{name} cannot be copied to the hub's home: {_said(error)}.", hint="Make room."
            ) from error
    copy.flush()


def _read(stream: IO[bytes], size: int, name: str, line: int) -> bytes:
    """Read `size` bytes, fewer only at the end. `line` is the first that they belong to."""
    where = f" after line {line - 1:,}" if line > 1 else ""
    try:
        return stream.read(size)
    except EOFError as error:
        raise InputError(f"{name} ends early{where}: it is a truncated gzip file.", hint=_CORRECTED) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} is a broken gzip file{where}: {_said(error)}.", hint=_CORRECTED) from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {_said(error)}.") from error


def _said(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
