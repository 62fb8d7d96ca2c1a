"""The intake log: what was acknowledged and is not in the lake yet. Durable, in order, emptied as it is moved.

An SQLite file of its own beside the control plane, so that requests wait for nobody else's transaction; on PostgreSQL
two tables of the same database. Numbers of entries rise by one with every entry and never restart, also when the log
was emptied; they become visible in their order, because appends take turns.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, cast

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    delete,
    func,
    inspect,
    select,
)
from sqlalchemy.exc import SQLAlchemyError

from hub.intake.arrival import Arrival
from hub.store.store import Store
from hub.store.tables import UtcDateTime

if TYPE_CHECKING:
    import sqlite3

_PAGE = 32 * 1024
PRAGMAS = {
    "page_size": str(_PAGE),  # payloads are large: half the CPU of small pages (measured with 500 KB)
    "auto_vacuum": "INCREMENTAL",
    "synchronous": "FULL",
    "wal_autocheckpoint": "1000",  # pages: the appender folds back 32 MB at most
    "journal_size_limit": str(64 * 1024 * 1024),
}
"""How the file is opened, which holds partners' requests, too (`hub.inbound.log`)."""
_SPARE = 64 * 1024 * 1024  # bytes that a file may hold in free pages
_STEP = 512  # pages that are given back to the disk in one transaction
_MOST_ENTRIES = 20_000  # that one read returns

_metadata = MetaData()
_meta = Table(
    "intake_meta",
    _metadata,
    Column("one", Integer, primary_key=True),  # the only row: 1
    Column("epoch", String(32), nullable=False),
    Column("last_id", BigInteger, nullable=False),  # of the newest entry there ever was
    Column("wanted", BigInteger, nullable=False),  # somebody waits until the entries up to here are moved
    Column("entries", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)
_entries = Table(
    "intake_entries",
    _metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("project_id", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("records", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)


@dataclass(frozen=True)
class Stored(Arrival):
    """An arrival that is in the log, under its number."""

    id: int


@dataclass(frozen=True)
class Backlog:
    """What waits to be moved: entries (requests), the records in them, the bytes of their payloads, and when the oldest
    came in (None: nothing waits)."""

    entries: int
    records: int
    bytes: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class Head:
    """Where the log stands. `first_id` is the oldest entry that is in it (None: it is empty), `last_id` the newest that
    ever was, and the entries up to `wanted` are waited for."""

    epoch: str
    first_id: int | None
    last_id: int
    wanted: int
    backlog: Backlog

    def holds(self, upto: int) -> bool:
        """Whether any entry up to number `upto` waits to be moved."""
        return self.first_id is not None and self.first_id <= upto


class IntakeLog:
    """The log behind one SQLAlchemy URL. Safe to use from several threads and processes.

    All methods raise StoreError when the database is locked for longer than 30 s, full or away.
    """

    def __init__(self, url: str) -> None:
        self._store = Store(url, PRAGMAS, turn="intake log")

    def exists(self) -> bool:
        """Whether the log was made. Makes no file."""
        url = self._store.url
        if self._store.embedded and not (url.database and Path(url.database).exists()):
            return False
        with self._store.reading() as connection:
            return inspect(connection).has_table(_meta.name)

    def create(self) -> None:
        """Make the log when it is missing, with a new epoch."""
        if self.exists():
            return
        with self._store.writing() as connection:
            _metadata.create_all(connection)
            if not connection.execute(select(_meta.c.one)).first():
                empty = {"last_id": 0, "wanted": 0, "entries": 0, "records": 0, "bytes": 0}
                connection.execute(_meta.insert().values(one=1, epoch=uuid.uuid4().hex, **empty))

    def append(self, arrivals: Sequence[Arrival]) -> int:
        """Keep arrivals, all or none: they are on the disk when this returns. Returns the number of the last one."""
        with self._store.writing() as connection:
            last = connection.execute(select(_meta.c.last_id)).scalar_one()
            if not arrivals:
                return int(last)
            rows = [
                {
                    "id": number,
                    "project_id": arrival.project_id,
                    "kind": arrival.kind,
                    "records": arrival.records,
                    "bytes": len(arrival.payload),
                    "received_at": arrival.received_at,
                    "payload": arrival.payload,
                }
                for number, arrival in enumerate(arrivals, last + 1)
            ]
            connection.execute(_entries.insert(), rows)
            _count(connection, len(rows), sum(a.records for a in arrivals), sum(len(a.payload) for a in arrivals))
            connection.execute(_meta.update().values(last_id=last + len(rows)))
        return int(last) + len(rows)

    def pending(self, after: int, *, events: int, bytes: int, upto: int | None = None, epoch: str = "") -> list[Stored]:
        """The entries after number `after` (and up to `upto`), the oldest first: as many as hold `events` records and
        `bytes` of payload at most, but at least one if there is any.

        With `epoch`, none when the log has another one by now.
        """
        wanted = [_entries.c.id > after, *([_entries.c.id <= upto] if upto is not None else [])]
        with self._store.reading() as connection:
            if epoch and connection.execute(select(_meta.c.epoch)).scalar_one() != epoch:
                return []
            sizes = connection.execute(
                select(_entries.c.id, _entries.c.records, _entries.c.bytes)
                .where(*wanted)
                .order_by(_entries.c.id)
                .limit(_MOST_ENTRIES)
            ).all()
            if not sizes:
                return []
            sums = zip(accumulate(row.records for row in sizes), accumulate(row.bytes for row in sizes), strict=True)
            fitting = sum(1 for records, size in sums if records <= events and size <= bytes)
            last = sizes[max(fitting, 1) - 1].id
            rows = connection.execute(
                select(_entries).where(_entries.c.id > after, _entries.c.id <= last).order_by(_entries.c.id)
            )
            return [Stored(row.project_id, row.kind, row.records, row.received_at, row.payload, row.id) for row in rows]

    def forget(self, upto: int) -> None:
        """Take out the entries up to number `upto`, and give free space that is more than a little back to the disk."""
        these = _entries.c.id <= upto
        with self._store.writing() as connection:
            sums = func.count(), func.sum(_entries.c.records), func.sum(_entries.c.bytes)
            entries, records, size = connection.execute(select(*sums).where(these)).one()
            if not entries:
                return
            connection.execute(delete(_entries).where(these))
            _count(connection, -entries, -records, -size)
        if self._store.embedded:
            with contextlib.suppress(SQLAlchemyError):  # locked or full: the next time does it
                self._tidy()

    def head(self) -> Head:
        """Where the log stands, and what waits in it. Cheap, however much that is."""
        oldest = select(_entries.c.id, _entries.c.received_at).order_by(_entries.c.id).limit(1)
        with self._store.reading() as connection:
            row = connection.execute(select(_meta)).one()
            first = connection.execute(oldest).first()
        waiting = Backlog(row.entries, row.records, row.bytes, first.received_at if first else None)
        return Head(row.epoch, first.id if first else None, row.last_id, row.wanted, waiting)

    def backlog(self) -> Backlog:
        """What waits to be moved. Cheap, however much it is."""
        return self.head().backlog

    def last_id(self) -> int:
        """The number of the newest entry there ever was; 0 before the first one."""
        return self.head().last_id

    def want(self, upto: int) -> None:
        """Ask whoever moves to move the entries up to number `upto` at once."""
        with self._store.writing() as connection:
            connection.execute(_meta.update().where(_meta.c.wanted < upto).values(wanted=upto))

    def renew_epoch(self, old: str, new: str) -> bool:
        """Give the log the epoch `new` (32 hexadecimal digits) in the place of `old`; whether this call did. Use
        `hub.intake.position.renew`, which tells the control plane too."""
        with self._store.writing() as connection:
            changed = connection.execute(_meta.update().where(_meta.c.epoch == old).values(epoch=new))
            return bool(changed.rowcount)

    def close(self) -> None:
        """Let go of the file."""
        self._store.engine.dispose()

    def _tidy(self) -> None:
        """Fold the write-ahead log back, and give free pages to the disk while they are more than _SPARE and more than
        what is in use. A few at a time: appends come in between."""
        with self._store.engine.connect() as connection:
            while True:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").all()
                free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
                pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
                if free * _PAGE <= _SPARE or 2 * free <= pages:
                    return
                # as a script: only that is stepped to its end, others stop after the first page
                file = cast("sqlite3.Connection", connection.connection.driver_connection)
                file.executescript(f"PRAGMA incremental_vacuum({_STEP})").close()


def _count(connection: Connection, entries: int, records: int, size: int) -> None:
    connection.execute(
        _meta.update().values(
            entries=_meta.c.entries + entries, records=_meta.c.records + records, bytes=_meta.c.bytes + size
        )
    )
