"""One instant of a running hub, as a crash at that instant would leave it.

What a hub knows is in three places that are written one after the other: the intake log, the lake and the control
plane. The mover appends events to the lake, then applies links and profiles to the control plane, publishes those to
the lake, and only then forgets what was in the intake log; an import and a pull write the lake, then note in the
control plane how far they are; a sync run notes each batch in the control plane, then settles in the lake, then ends
in the control plane. Copies of the three that are taken one after the other fit together in no order: with the control
plane first, the lake may be ahead of it by sequence numbers and run ids that it hands out again, which the lake then
takes for written; with the lake first, what was moved in between is in neither; and so on.

So none of them is copied before all are held. For a moment, nobody may write to the control plane and to the intake
log (others wait for these locks, as for any writer); meanwhile a reader is opened on each, which goes on seeing this
very instant however long it is read, and the version that each of the lake's tables stands at is noted. The lake
itself is not locked: a commit of it may come in between. But whoever made that commit has not told the control plane or
the intake log yet. Hence what is held is what would be there if every process had been killed when the last version was
noted. A kill anywhere loses nothing and doubles nothing (that is what the mover, imports, pulls and runs are made for,
and tested for), and so does a copy of this instant.

Of the two tables that a settlement writes, the one that is written last is noted first.

Then the locks are let go, and everything is copied at leisure: SQLite keeps what the readers see, runs' files are held
open, and a file that the lake no longer names stays on the disk for a day.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from sqlalchemy.engine import make_url

from hub.clock import now
from hub.errors import StoreError, UsageError
from hub.lake.lake import Lake
from hub.lake.snapshot import Snapshot
from hub.lake.tables import DELIVERIES, LAYOUTS, TableLayout
from hub.settings import Settings
from hub.store.store import BUSY_SECONDS

_IN_ORDER = sorted(LAYOUTS, key=lambda layout: layout is not DELIVERIES)
_LOG_FILE = re.compile(r"(\d{20})(\.json|\.checkpoint\.parquet)")


@dataclass(frozen=True)
class StillFile:
    """A file that nobody changes: its path below the folder that it belongs to, and its size in bytes."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True)
class TableImage:
    """One table of the lake at one version: the files that this version names, and the part of its log that says so."""

    name: str
    version: int
    rows: int
    files: tuple[StillFile, ...]

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Image:
    """A hub at the instant `at`. The databases are connections that see that instant as long as they are open.

    `runs` are the files of runs that have not ended, by run and name, open.
    """

    at: datetime
    control_plane: sqlite3.Connection
    intake: sqlite3.Connection | None
    tables: tuple[TableImage, ...]
    runs: dict[str, BinaryIO]


@contextmanager
def taken(settings: Settings) -> Iterator[Image]:
    """Hold one instant of the hub for as long as the block runs.

    Raises UsageError when the control plane is not SQLite, StoreError when something cannot be read, or is locked for
    longer than 30 s.
    """
    file = control_plane_file(settings)
    with ExitStack() as stack:
        with _told(file):
            image = _take(stack, settings, file)
        yield image


def _take(stack: ExitStack, settings: Settings, file: Path) -> Image:
    lake, log_file = Lake(settings.lake_root), settings.home / "intake.db"
    tables = [lake.snapshot(layout).table for layout in _IN_ORDER]  # what takes long, before anybody has to wait
    with closing(_connected(file)) as control_plane, ExitStack() as locks:
        control_plane.execute("BEGIN IMMEDIATE")
        if log_file.exists():
            locks.enter_context(closing(_connected(log_file))).execute("BEGIN IMMEDIATE")
        pinned = _pinned(stack, file)
        intake = _pinned(stack, log_file) if log_file.exists() else None
        for table in tables:
            table.update_incremental()
        at = now()
        runs = _open_runs(stack, control_plane, settings.home / "runs")
    images = [_table_image(lake, layout, table) for layout, table in zip(_IN_ORDER, tables, strict=True)]
    return Image(at, pinned, intake, tuple(images), runs)


def control_plane_file(settings: Settings) -> Path:
    """The file of the control plane. Raises UsageError when it is not an SQLite file."""
    url = make_url(settings.control_plane_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise UsageError(
            "The control plane is not an SQLite file, and the hub cannot hold its instant.",
            hint="End the server, the daemon and all workers; then copy the database (pg_dump) and the folder of the "
            f"lake ({settings.lake_root}), and start them again.",
        )
    return Path(url.database)


def _connected(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(file))}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _pinned(stack: ExitStack, file: Path) -> sqlite3.Connection:
    """A connection that goes on seeing the database as it is now."""
    connection = stack.enter_context(closing(_connected(file)))
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return connection


def _open_runs(stack: ExitStack, control_plane: sqlite3.Connection, folder: Path) -> dict[str, BinaryIO]:
    """The files of runs that have not ended; open, so that they stay readable when the run ends and takes them away."""
    found: dict[str, BinaryIO] = {}
    for (run_id,) in control_plane.execute("SELECT id FROM runs WHERE finished_at IS NULL"):
        for path in sorted((folder / str(run_id)).glob("*.parquet")):
            found[f"{run_id}/{path.name}"] = stack.enter_context(path.open("rb"))
    return found


def _table_image(lake: Lake, layout: TableLayout, table: DeltaTable) -> TableImage:
    folder = lake.path(layout)
    stored = Snapshot(table, str(folder)).stored()
    data = [StillFile(str(Path(file.path).relative_to(folder)), Path(file.path), file.size) for file in stored]
    rows = sum(file.rows or 0 for file in stored)
    return TableImage(layout.name, table.version(), rows, (*_log_files(folder, table.version()), *data))


def _log_files(folder: Path, version: int) -> Iterator[StillFile]:
    """What of a table's log is needed to read it at `version`: the newest checkpoint before, and the commits since."""
    log = folder / "_delta_log"
    known = {}
    for path in log.iterdir():
        if (match := _LOG_FILE.fullmatch(path.name)) and int(match[1]) <= version:
            known[int(match[1]), match[2]] = path
    base = max((number for number, kind in known if kind != ".json"), default=-1)
    for number, kind in sorted(known):
        if number == base if kind != ".json" else number > base:
            path = known[number, kind]
            yield StillFile(f"_delta_log/{path.name}", path, path.stat().st_size)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"The databases of the hub cannot be read: {error}.",
            hint=f"{file} and intake.db must be whole, and free for a moment. `hub doctor` tells more.",
        ) from error
    except (DeltaError, OSError) as error:
        raise StoreError(f"The lake cannot be read: {error}.", hint="Run `hub doctor`.") from error
