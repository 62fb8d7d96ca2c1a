"""Making a backup: one instant of the hub, in one file, while everything goes on."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO

from hub.backup.archive import CONTROL_PLANE, INTAKE, SETTINGS, Manifest, Progress, TableHeld, Watch, writing
from hub.backup.image import Image, control_plane_file, taken
from hub.backup.toml import without
from hub.errors import AlreadyExists, InputError, Interrupted, StoreError
from hub.events.report import Stop
from hub.settings import Settings, version
from hub.store.store import SCHEMA_HEAD, Store

_PAGES = 1000  # of SQLite, that are copied between two looks at `stop`

_COUNTS = {
    "projects": "SELECT count(*) FROM projects",
    "profiles": "SELECT count(*) FROM profiles WHERE NOT deleted",
    "cohorts": "SELECT count(*) FROM cohorts WHERE removed_at IS NULL",
    "connections": "SELECT count(*) FROM connections WHERE removed_at IS NULL",
    "syncs": "SELECT count(*) FROM syncs WHERE removed_at IS NULL",
}


@dataclass(frozen=True)
class Made:
    """A backup that was made: where, its size in bytes, and what it holds."""

    file: Path
    size: int
    manifest: Manifest
    seconds: float

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub backup --json`."""
        return {
            "file": str(self.file),
            "bytes": self.size,
            "made_at": self.manifest.made_at.isoformat(),
            "events": self.manifest.events,
            **self.manifest.holds,
            "seconds": round(self.seconds, 3),
        }


def back_up(
    settings: Settings,
    target: Path,
    *,
    replace: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Made:
    """Write a backup of the hub to `target`, whole or not at all; an older one is there until the new one is whole.

    The key of the secrets is not in it, nor are sandboxes. Raises AlreadyExists when there is a file (unless
    `replace`), UsageError when the control plane is not SQLite, InputError for a place where no file can be,
    StoreError when the hub cannot be read or the disk is full, Interrupted when `stop` was set.
    """
    began = monotonic()
    control_plane_file(settings)
    store = Store(settings.control_plane_url)
    store.check_schema()
    store.engine.dispose()
    _refuse_place(target, replace=replace)
    watch = Watch(progress, lambda: _heed(stop))
    with _unfinished(target) as (folder, file), taken(settings) as image:
        manifest = _write(file, folder, settings, image, watch)
    return Made(target, target.stat().st_size, manifest, monotonic() - began)


def _refuse_place(target: Path, *, replace: bool) -> None:
    try:
        taken, is_file = target.exists(), target.is_file()
    except (OSError, ValueError) as error:
        raise InputError(f"{target} cannot be written: {error}.", hint="Name another place.") from error
    if taken and not is_file:
        raise InputError(f"{target} is no file.", hint="Name a file that is not there yet.")
    if taken and not replace:
        raise AlreadyExists(f"There is a file {target} already.", hint="Name another, or give --replace.")


def look_at(settings: Settings) -> Manifest:
    """What a backup of the hub would hold now. Raises as `back_up` does."""
    with taken(settings) as image:
        return _manifest(image, {})


def _write(file: BinaryIO, folder: Path, settings: Settings, image: Image, watch: Watch) -> Manifest:
    counted = _counts(image)
    copies = {CONTROL_PLANE: _copied(image.control_plane, folder / CONTROL_PLANE, watch)}
    if image.intake is not None:
        copies[INTAKE] = _copied(image.intake, folder / INTAKE, watch)
    runs = {name: os.fstat(opened.fileno()).st_size for name, opened in image.runs.items()}
    others = sum(path.stat().st_size for path in copies.values()) + sum(runs.values())
    manifest = _manifest(image, counted, others)
    with writing(file, manifest, watch) as archive:
        for name, path in copies.items():
            with path.open("rb") as copy:
                archive.add(name, copy, path.stat().st_size)
            path.unlink()
        if own_settings := _own_settings(settings.home):
            archive.add_bytes(SETTINGS, own_settings.encode())
        for name, opened in image.runs.items():
            archive.add(f"runs/{name}", opened, runs[name])
        for table in image.tables:
            for part in table.files:
                with _still_there(part.path) as still:
                    archive.add(f"lake/{table.name}/{part.name}", still, part.size)
    return manifest


def _manifest(image: Image, counted: dict[str, int], others: int = 0) -> Manifest:
    """The manifest of an image, beside whose tables there are `others` bytes."""
    return Manifest(
        made_at=image.at,
        hub=version(),
        schema=SCHEMA_HEAD,
        tables={each.name: TableHeld(each.version, each.rows, len(each.files), each.size) for each in image.tables},
        holds=counted or _counts(image),
        size=others + sum(table.size for table in image.tables),
    )


def _counts(image: Image) -> dict[str, int]:
    counted = {name: image.control_plane.execute(query).fetchone()[0] for name, query in _COUNTS.items()}
    waiting = "SELECT entries FROM intake_meta"
    return {**counted, "waiting": image.intake.execute(waiting).fetchone()[0] if image.intake else 0}


def _copied(source: sqlite3.Connection, path: Path, watch: Watch) -> Path:
    """A copy of a database as `source` sees it, in one file."""
    with closing(sqlite3.connect(path)) as copy:
        source.backup(copy, pages=_PAGES, progress=lambda *_: watch.advance(0))
    source.rollback()  # lets go of the instant: SQLite may tidy up behind it
    return path


def _own_settings(home: Path) -> str:
    """The home's `hub.toml` without the key; empty when there is none."""
    try:
        return without((home / "hub.toml").read_text(), ["key"])
    except FileNotFoundError:
        return ""


@contextmanager
def _still_there(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise StoreError(
            f"{path} was taken away while the backup was made.", hint="Make it again; nothing is lost."
        ) from error
    with file:
        yield file


@contextmanager
def _unfinished(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A folder beside `target`, and a file in it that takes its place when the block ends well."""
    try:
        folder = tempfile.TemporaryDirectory(dir=target.parent, prefix=".hub-backup-")
    except OSError as error:
        raise InputError(f"{target.parent} cannot be written: {error.strerror}.", hint="Name another place.") from error
    with folder as name, _room(target):
        unfinished = Path(name) / "backup"
        with unfinished.open("xb") as file:
            yield Path(name), file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
        _sync(target.parent)


@contextmanager
def _room(target: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{target} cannot be written: {error}.", hint="Make room, or name another place.") from error
    except OSError as error:
        raise StoreError(
            f"{target} cannot be written: {error.strerror or error}.", hint="Make room, or name another place."
        ) from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _heed(stop: Stop | None) -> None:
    if stop is not None and stop.is_set():
        raise Interrupted(
            "The backup was stopped; there is no file of it.",
            signal_number=int(getattr(stop, "signal_number", None) or 2),
            hint="Run the command again.",
        )
