"""The file that a backup is: a tar in a zstd stream, whose first member tells what it is and the last that it is whole.

::

    manifest.json                             what it holds, and of when
    hub.db  intake.db                         the control plane and the intake log
    hub.toml                                  the settings of the home, if there are any
    runs/<run>/<file>                         the files of runs that have not ended
    lake/<table>/_delta_log/...               each table's log up to its version
    lake/<table>/...                          the files that this version names
    end                                       empty
"""

from __future__ import annotations

import io
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import orjson

from hub.errors import InputError, StoreError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FORMAT = 1
MANIFEST, END = "manifest.json", "end"
CONTROL_PLANE, INTAKE, SETTINGS = "hub.db", "intake.db", "hub.toml"

_LEVEL = 1  # most of it is Parquet, which is compressed already
_PIECE = 1024 * 1024
_SOUND = re.compile(r"hub\.db|intake\.db|hub\.toml|end|runs/\d+/\w+\.parquet|lake/\w+(/[^/]+)+")

Progress = Callable[[int, int], None]
"""Told now and then how many bytes of how many are done."""


@dataclass(frozen=True)
class TableHeld:
    """One table in a backup: its version, its rows (duplicates included), its files and their bytes (log included)."""

    version: int
    rows: int
    files: int
    size: int


@dataclass(frozen=True)
class Manifest:
    """What a backup holds, and of when: an instant in UTC.

    `schema` is that of the control plane, `hub` the version that made it. `holds` counts projects, profiles, cohorts,
    connections, syncs, and requests that wait to be moved. `size` is the bytes of all members.
    """

    made_at: datetime
    hub: str
    schema: str
    tables: dict[str, TableHeld]
    holds: dict[str, int]
    size: int

    @property
    def events(self) -> int:
        """Rows of events in the lake."""
        return self.tables["events"].rows

    def packed(self) -> bytes:
        """The manifest as it is written."""
        return orjson.dumps({"format": FORMAT, **asdict(self)}, option=orjson.OPT_INDENT_2)


def manifest_of(packed: bytes, name: str) -> Manifest:
    """The manifest of the backup `name`. Raises InputError when it is none, or of a newer hub."""
    try:
        told = orjson.loads(packed)
        newer = told.pop("format") > FORMAT
        if not newer:
            tables = {table: TableHeld(**held) for table, held in told.pop("tables").items()}
            return Manifest(**{**told, "made_at": datetime.fromisoformat(told["made_at"]), "tables": tables})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{name} is no backup of a hub: its manifest cannot be read.") from error
    raise InputError(f"{name} was made by a newer hub.", hint="Restore it with that version, or a later one.")


class Writer:
    """Writes members, one after the other, and tells how far it is. Make it with `writing`."""

    def __init__(self, archive: tarfile.TarFile, at: datetime, total: int, watch: Watch) -> None:
        self._archive, self._at, self._watch = archive, at, watch
        watch.total = total

    def add(self, name: str, file: BinaryIO, size: int) -> None:
        """Add a member of `size` bytes. Raises StoreError when the file has fewer."""
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(self._at.timestamp())
        try:
            self._archive.addfile(member, cast("IO[bytes]", _Watched(file, self._watch)))
        except OSError as error:
            if "unexpected end of data" in str(error):
                raise StoreError(
                    f"{name} became shorter while it was copied.", hint="Make the backup again."
                ) from error
            raise

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a member with this content."""
        self.add(name, io.BytesIO(content), len(content))


class Watch:
    """Counts bytes that are done, tells `progress`, and ends the work by raising what `check` raises."""

    def __init__(self, progress: Progress | None, check: Callable[[], None]) -> None:
        self.done = self.total = 0
        self._progress, self._check = progress, check

    def advance(self, size: int) -> None:
        """Note that so many more bytes are done."""
        self._check()
        self.done += size
        if self._progress:
            self._progress(self.done, self.total)


class _Watched:
    """A file whose reading is counted."""

    def __init__(self, file: IO[bytes], watch: Watch) -> None:
        self._file, self._watch = file, watch

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self._watch.advance(len(piece))
        return piece


@contextmanager
def writing(file: BinaryIO, manifest: Manifest, watch: Watch) -> Iterator[Writer]:
    """Write a backup to `file`: the manifest, what is added within the block, and the end."""
    options: dict[int, int] = {
        zstd.CompressionParameter.compression_level: _LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
    }
    with (
        zstd.ZstdFile(cast("Any", file), "wb", options=options) as packed,
        tarfile.open(
            fileobj=cast("IO[bytes]", packed), mode="w|", bufsize=_PIECE, format=tarfile.PAX_FORMAT
        ) as archive,
    ):
        writer = Writer(archive, manifest.made_at, manifest.size, watch)
        writer.add_bytes(MANIFEST, manifest.packed())
        yield writer
        writer.add_bytes(END, b"")


class Reader:
    """Reads a backup from its beginning to its end, once. Make it with `reading`."""

    def __init__(self, archive: tarfile.TarFile, manifest: Manifest, name: str, watch: Watch) -> None:
        self.manifest = manifest
        self._archive, self._name, self._watch = archive, name, watch
        watch.total = manifest.size

    def members(self) -> Iterator[tuple[str, IO[bytes]]]:
        """Each member's name and contents, which have to be read before the next is asked for.

        Names are sound: below no other folder than those of this module. Raises InputError when the backup is broken,
        not whole, or holds what no backup holds.
        """
        with _told(self._name):
            while (member := self._archive.next()) is not None:
                if member.name == END:
                    return
                file = self._archive.extractfile(member) if member.isreg() else None
                if file is None or not _SOUND.fullmatch(member.name) or ".." in Path(member.name).parts:
                    raise InputError(f"{self._name} is no backup of a hub: it holds {member.name!r}.")
                yield member.name, cast("IO[bytes]", _Watched(file, self._watch))
        raise InputError(f"{self._name} is not whole: its end is missing.", hint="Use another copy of it.")


@contextmanager
def reading(source: Path, watch: Watch) -> Iterator[Reader]:
    """Open a backup and read its manifest. Raises InputError when it is none."""
    name = str(source)
    try:
        file = source.open("rb")
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror}.", hint="Check the path.") from error
    with file:
        with _told(name):
            packed = cast("IO[bytes]", zstd.ZstdFile(file, "rb"))
            archive = tarfile.open(fileobj=packed, mode="r|", bufsize=_PIECE)  # noqa: SIM115 - it owns no file
            first = archive.next()
            content = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
            if content is None:
                raise InputError(f"{name} is no backup of a hub.", hint="`hub backup FILE` makes one.")
            manifest = manifest_of(content.read(), name)
        yield Reader(archive, manifest, name, watch)


def manifest_only(source: Path) -> Manifest:
    """What a backup holds, without reading further. Raises InputError when it is none."""
    with reading(source, Watch(None, lambda: None)) as archive:
        return archive.manifest


@contextmanager
def _told(name: str) -> Iterator[None]:
    try:
        yield
    except zstd.ZstdError as error:
        raise InputError(f"{name} is no backup of a hub, or a broken one: {error}.") from error
    except tarfile.TarError as error:
        raise InputError(f"{name} is no backup of a hub, or a broken one: {error}.") from error
    except EOFError as error:
        raise InputError(f"{name} is not whole: it ends in the middle.", hint="Use another copy of it.") from error
