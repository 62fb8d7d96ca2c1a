"""Compressed files: told by their first bytes, read as what they hold, and errors in people's words."""

from __future__ import annotations

import gzip
import sys
import zlib
from enum import StrEnum
from typing import BinaryIO, Protocol

from hub.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"  # after a byte 0x50 to 0x5f: pzstd begins with such a frame
CORRECTED = (
    "Get the whole file and import that. It counts as another file, but an event that is in already (same $insert_id) "
    "collapses with the new copy."
)


class Packing(StrEnum):
    """How a file is compressed."""

    NONE = ""
    GZIP = "gzip"
    ZSTD = "zstd"


def packing_of(head: bytes) -> Packing:
    """How a file that begins with `head` is compressed; its name says nothing."""
    if head.startswith(_GZIP):
        return Packing.GZIP
    if head.startswith(_ZSTD) or (head[1:4] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):
        return Packing.ZSTD
    return Packing.NONE


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes, fewer only at the end."""


def unpacked(file: BinaryIO, packing: Packing) -> Readable:
    """What the file holds, from its beginning. Several members or frames one after the other are one content."""
    file.seek(0)
    return file if packing is Packing.NONE else _Unpacked(file, packing)


class _Unpacked:
    """The content of a compressed file; of a broken one, all that came before the break, and the error after it."""

    def __init__(self, file: BinaryIO, packing: Packing) -> None:
        self.packing = packing
        self._stream = gzip.GzipFile(fileobj=file) if packing is Packing.GZIP else zstd.ZstdFile(file)
        self._broken: Exception | None = None

    def read(self, size: int, /) -> bytes:
        if self._broken:
            raise self._broken
        parts, missing = list[bytes](), size
        try:
            while missing and (part := self._stream.read1(missing)):
                parts.append(part)
                missing -= len(part)
        except (EOFError, gzip.BadGzipFile, zlib.error, zstd.ZstdError) as error:
            if not parts:
                raise
            self._broken = error
        return b"".join(parts)


def read(stream: Readable, size: int, name: str, line: int = 1) -> bytes:
    """Read `size` bytes, fewer only at the end. `line` is the first that they belong to.

    Raises InputError when the file is truncated, broken, or cannot be read.
    """
    where = f" after line {line - 1:,}" if line > 1 else ""
    try:
        return stream.read(size)
    except EOFError as error:
        kind = f"{stream.packing} " if isinstance(stream, _Unpacked) else ""
        raise InputError(f"{name} ends early{where}: it is a truncated {kind}file.", hint=CORRECTED) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} is a broken gzip file{where}: {said(error)}.", hint=CORRECTED) from error
    except zstd.ZstdError as error:
        raise InputError(f"{name} is a broken zstd file{where}: {said(error)}.", hint=CORRECTED) from error
    except OSError as error:
        raise InputError(f"{name} cannot be read: {said(error)}.") from error


def said(error: Exception) -> str:
    """An error's own words, to go on within a sentence."""
    return (getattr(error, "strerror", None) or str(error)).rstrip(".")
