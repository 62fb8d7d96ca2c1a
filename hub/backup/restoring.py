"""Putting a backup back: into an empty home, or in the place of the hub that is there.

Everything is written beside what is there, looked at, and made a hub of this version, before anything is replaced. Then
the old parts are moved away, the control plane first, and the new ones in, the control plane last. An error in between
moves everything back. Whoever is killed in between leaves a home without a control plane, into which the backup can be
restored again, and the old parts in `.replaced` folders; never a hub that is half of each.
"""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from hub.backup.archive import CONTROL_PLANE, INTAKE, SETTINGS, Manifest, Progress, Watch, manifest_only, reading
from hub.backup.image import control_plane_file
from hub.backup.reviving import Revived, opens_secrets, revive
from hub.backup.toml import without
from hub.errors import AlreadyExists, Busy, InputError, Interrupted, StoreError, UsageError
from hub.events.report import Stop
from hub.intake.disk import flush
from hub.lake.tables import LAYOUTS
from hub.settings import Settings
from hub.store.store import SCHEMA_HEAD

_PIECE = 1024 * 1024
_COMING, _LEAVING = ".restoring", ".replaced"
_PLACES = ["home", "lake", "database_url"]
"""Settings that say where the hub is: those of the home that is restored into count, not those of the old one."""


@dataclass(frozen=True)
class Restored:
    """What was put back, and what is to be said about it, in sentences."""

    home: Path
    manifest: Manifest
    notes: tuple[str, ...]
    seconds: float

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub restore --json`."""
        return {
            "home": str(self.home),
            "made_at": self.manifest.made_at.isoformat(),
            "events": self.manifest.events,
            **self.manifest.holds,
            "notes": list(self.notes),
            "seconds": round(self.seconds, 3),
        }


def look_into(source: Path) -> Manifest:
    """What a backup holds. Raises InputError when it is none."""
    return manifest_only(source)


def present(settings: Settings) -> list[str]:
    """What of a hub is in the home, by name: empty when a backup can be restored without replacing anything."""
    return [path.name for path in _parts(settings) if path.exists()]


def restore(
    settings: Settings,
    source: Path,
    *,
    replace: bool = False,
    certain: bool = False,
    progress: Progress | None = None,
    stop: Stop | None = None,
) -> Restored:
    """Put the backup `source` back into the home, and bring it up to this version.

    The key of the secrets is not touched. With `certain`, nothing has been sent to partners since the backup was made;
    else the next run of each sync sends everybody once more. Raises UsageError when the control plane is not SQLite,
    AlreadyExists when a hub is there (unless `replace`), Busy when some process has that open, InputError for what is
    no whole backup, StoreError when it cannot be written, Interrupted: then everything is as it was.
    """
    began = monotonic()
    control_plane_file(settings)
    if (there := present(settings)) and not replace:
        raise AlreadyExists(
            f"There is a hub in {settings.home} already ({', '.join(there)}).",
            hint="Restore into another home, or give --replace to put the backup in its place.",
        )
    with _room(settings.home), _staged(settings) as staged:
        with reading(source, Watch(progress, lambda: _heed(stop))) as archive:
            manifest = archive.manifest
            _refuse_newer(manifest, source)
            for name, content in archive.members():
                with _place(staged, name).open("xb") as file:
                    shutil.copyfileobj(content, file, _PIECE)
        _check(staged, manifest, source)
        revived = revive(staged, certain=certain)
        flush(staged.home, staged.lake_root)
        _heed(stop)
        with _alone(settings):
            _swap(settings, staged)
    opens = opens_secrets(settings)
    return Restored(settings.home, manifest, (*_notes(settings, opens, revived),), monotonic() - began)


@contextmanager
def _staged(settings: Settings) -> Iterator[Settings]:
    """The settings of a hub beside the one of `settings`, on the same disks; empty for the block, and gone after it."""
    staged = settings.model_copy(
        update={"home": settings.home / _COMING, "lake": settings.lake_root / _COMING, "database_url": ""}
    )
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (settings.home / f"{_COMING}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(f"Another process is restoring into {settings.home}.", hint="Wait for it to end.") from error
        try:
            for folder in (staged.home, staged.lake_root):
                shutil.rmtree(folder, ignore_errors=True)  # of one who was killed
                folder.mkdir(parents=True, mode=0o700)
            yield staged
        finally:
            for folder in (staged.home, staged.lake_root):
                shutil.rmtree(folder, ignore_errors=True)
            Path(lock.name).unlink(missing_ok=True)


def _place(staged: Settings, member: str) -> Path:
    """Where a member goes; its folder is there."""
    folder, _, rest = member.partition("/")
    path = staged.lake_root / rest if folder == "lake" else staged.home / member
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _parts(settings: Settings) -> Iterator[Path]:
    """What a hub is made of, the control plane first."""
    file = control_plane_file(settings)
    for database in (file, settings.home / INTAKE):
        yield database
        yield from (database.with_name(f"{database.name}{end}") for end in ("-wal", "-shm"))
    yield from (settings.lake_root / layout.name for layout in LAYOUTS)
    yield settings.home / "runs"


def _check(staged: Settings, manifest: Manifest, source: Path) -> None:
    """Look whether everything is there and whole."""
    for name in (CONTROL_PLANE, INTAKE):
        if (staged.home / name).exists():
            with closing(sqlite3.connect(staged.home / name)) as database:
                (said,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise InputError(f"{source} is broken: {name}: {said}.", hint="Use another copy of it.")
        elif name == CONTROL_PLANE:
            raise InputError(f"{source} is no backup of a hub: it has no {name}.")
    for name, held in manifest.tables.items():
        folder = staged.lake_root / name
        try:
            table = DeltaTable(folder)
            found, sizes = table.version(), table.get_add_actions(flatten=True)
        except DeltaError as error:
            raise InputError(f"{source} is broken: the table {name}: {error}.", hint="Use another copy.") from error
        missing = [
            path
            for path, size in zip(sizes["path"].to_pylist(), sizes["size_bytes"].to_pylist(), strict=True)
            if not (folder / path).is_file() or (folder / path).stat().st_size != size
        ]
        if found != held.version or missing:
            raise InputError(f"{source} is broken: the table {name} is not whole.", hint="Use another copy of it.")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Make sure that no process has the databases open, and put each into one file. Raises Busy."""
    for file in (control_plane_file(settings), settings.home / INTAKE):
        if not file.exists():
            continue
        try:
            with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as database:
                database.execute("PRAGMA journal_mode = DELETE")  # only the last one who has it open can do this
        except sqlite3.OperationalError as error:
            raise Busy(
                f"Another process has {file} open.",
                hint="End the server, the daemon and the terminal UI of this home; nothing was changed.",
            ) from error
        except sqlite3.DatabaseError:
            continue  # it is no database (any more): a reason to restore
    yield


def _swap(settings: Settings, staged: Settings) -> None:
    """Put the parts of the staged hub in the place of those that are there: all of them, or none."""
    number = next(number for number in count(1) if not (settings.home / f"{_LEAVING}-{number}").exists())
    moves = [*_moves_away(settings, f"{_LEAVING}-{number}"), *_moves_in(settings, staged)]
    done: list[tuple[Path, Path]] = []
    try:
        for here, there in moves:
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(here, there)
            done.append((here, there))
        flush(settings.home, settings.lake_root)
    except BaseException:
        for here, there in reversed(done):
            shutil.move(there, here)
        raise
    for folder in (settings.home, settings.lake_root):
        for old in folder.glob(f"{_LEAVING}-*"):
            shutil.rmtree(old, ignore_errors=True)


def _moves_away(settings: Settings, name: str) -> Iterator[tuple[Path, Path]]:
    for part in _parts(settings):
        if part.exists():
            yield part, part.parent / name / part.name


def _moves_in(settings: Settings, staged: Settings) -> Iterator[tuple[Path, Path]]:
    for layout in LAYOUTS:
        yield staged.lake_root / layout.name, settings.lake_root / layout.name
    for name in ("runs", INTAKE):
        if (staged.home / name).exists():
            yield staged.home / name, settings.home / name
    if (staged.home / SETTINGS).exists() and not (settings.home / SETTINGS).exists():
        (staged.home / SETTINGS).write_text(without((staged.home / SETTINGS).read_text(), _PLACES))
        yield staged.home / SETTINGS, settings.home / SETTINGS
    yield staged.home / CONTROL_PLANE, control_plane_file(settings)


def _refuse_newer(manifest: Manifest, source: Path) -> None:
    if manifest.schema > SCHEMA_HEAD:
        raise UsageError(
            f"{source} was made by a newer hub ({manifest.hub}).", hint="Restore it with that version, or a later one."
        )


def _notes(settings: Settings, opens: bool, revived: Revived) -> Iterator[str]:
    if not opens:
        yield (
            f"The key is not in a backup: put back {settings.key_file}, or set HUB_KEY, as it was. Until then "
            "no connection and no warehouse works."
        )
    if revived.uncertain:
        yield (
            "The partners may have been told more since the backup was made: the next run of each sync sends everybody "
            "once more. Whom the hub put there since, and who is not in the cohort now, it does not know of."
        )


@contextmanager
def _room(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"{home} cannot be written: {error.strerror or error}.", hint="Make room; nothing was replaced."
        ) from error


def _heed(stop: Stop | None) -> None:
    if stop is not None and stop.is_set():
        raise Interrupted(
            "The restoring was stopped; everything is as it was.",
            signal_number=int(getattr(stop, "signal_number", None) or 2),
            hint="Run the command again.",
        )
