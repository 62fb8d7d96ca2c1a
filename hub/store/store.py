"""Transactions on the control plane: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hub.errors import NotInitialised, StoreError, UsageError
from hub.store import postgresql

BUSY_SECONDS = 30
AWAY_SECONDS = 5.0
"""For how long a server that was there before is waited for, before each transaction."""
_LOOKS_EVERY = 0.2  # seconds
_LOCK_NOT_AVAILABLE = "55P03"
_LITTLE_ROOM = 64 * 1024  # bytes
SCHEMA_HEAD = "0008"
"""The newest migration. A test holds it against the migrations folder."""


class Store:
    """The control plane behind one SQLAlchemy URL. Safe to use from several threads and processes."""

    def __init__(self, url: str, pragmas: Mapping[str, str] | None = None, *, turn: str = "control plane") -> None:
        """Open the database at `url` when it is first used. `pragmas` are what SQLite is told beside, or instead of,
        what it is always told. On PostgreSQL, transactions that write follow one another when their `turn` is the same.
        """
        self.url = _parsed(url)
        self.embedded = self.url.get_backend_name() == "sqlite"
        self.engine = _engine(self.url)
        self._turn = turn
        self._was_there = False
        if self.embedded:
            _prepare_sqlite(self.engine, pragmas or {})

    @contextmanager
    def writing(self, *, turn: str = "", patience: float = AWAY_SECONDS) -> Iterator[Connection]:
        """One transaction that writes: committed at the end, rolled back when anything is raised.

        What it reads stays as it is until it ends, because others that write wait for it: on SQLite all, on PostgreSQL
        those of the same turn (left out: the store's). Raises StoreError when the database is locked for longer than
        30 s, full or away. A server that was there before is waited for, `patience` seconds at most.
        """
        with self.told(), self._connected(patience, turn or self._turn) as connection:
            yield connection
            connection.commit()

    @contextmanager
    def reading(self, *, patience: float = AWAY_SECONDS) -> Iterator[Connection]:
        """One short transaction that only reads, and sees one instant. It must not outlive a page of rows.

        Raises StoreError as `writing` does.
        """
        with self.told(), self._connected(patience) as connection:
            yield connection
            connection.commit()

    def _connected(self, patience: float, turn: str = "") -> Connection:
        """A connection whose transaction has begun; one that writes if there is a `turn` for it."""
        until = monotonic() + patience
        while True:
            connection = None
            try:
                connection = self.engine.connect()
                self._begin(connection, turn)
            except BaseException as error:
                if connection is not None:
                    connection.close()
                if not self._was_there or not _is_away(error) or monotonic() >= until:
                    raise
                sleep(_LOOKS_EVERY)
            else:
                self._was_there = not self.embedded
                return connection

    def _begin(self, connection: Connection, turn: str) -> None:
        if self.embedded:
            # the write lock at once: no work is lost to a lock found late
            connection.exec_driver_sql("BEGIN IMMEDIATE" if turn else "BEGIN")
        elif turn:
            postgresql.take_turn(connection, turn, waits=BUSY_SECONDS)
        else:
            postgresql.begin_reading(connection)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn what makes a database unusable (locked, full, away, read-only) into a StoreError.

        Raises UsageError for a text that no database can hold.
        """
        try:
            yield
        except UnicodeEncodeError as error:
            raise UsageError(
                f"{error.object!r} is not UTF-8.", hint="Names are text: write this one in other letters."
            ) from error
        except IntegrityError:
            raise  # a rule of a table, which whoever writes knows
        except (DBAPIError, PoolTimeout) as error:
            raise _unusable(error, self) from error

    @property
    def place(self) -> str:
        """Where the database is, for people: its URL without the password."""
        return self.url.difference_update_query(["password"]).render_as_string(hide_password=True)

    def kind(self) -> str:
        """What the database is, with its version, for people. Raises StoreError."""
        if self.embedded:
            return f"SQLite {sqlite3.sqlite_version}"
        with self.reading() as connection:
            return f"PostgreSQL {postgresql.version(connection)}"

    def check_schema(self) -> None:
        """Make sure that the database has this hub's schema.

        Raises NotInitialised when it has none, StoreError when it is older or newer.
        """
        found = self.schema_version()
        if found is None:
            raise NotInitialised("There is no hub here yet.", hint="Make one with `hub init`.")
        if found != SCHEMA_HEAD:
            known = found < SCHEMA_HEAD
            raise StoreError(
                f"The database has schema {found}, this hub needs {SCHEMA_HEAD}.",
                hint="Run `hub init`: it migrates forward." if known else "A newer hub wrote it: use that version.",
            )

    def schema_version(self) -> str | None:
        """The migration that the database stands at, None when it has no schema."""
        if self.embedded and not _sqlite_file_exists(self):
            return None
        try:
            with self.engine.connect() as connection:
                if not inspect(connection).has_table("alembic_version"):
                    return None
                return connection.execute(text("select version_num from alembic_version")).scalar()
        except SQLAlchemyError as error:
            raise _unusable(error, self) from error


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # which may hold the password
        raise StoreError(
            "HUB_DATABASE_URL is not a database URL.", hint="It has the form postgresql+psycopg://..."
        ) from error
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername in ("postgres", "postgresql") else parsed


def _engine(url: URL) -> Engine:
    backend = url.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise StoreError(
            f"HUB_DATABASE_URL names {backend!r}: the control plane is SQLite or PostgreSQL.",
            hint="It has the form postgresql+psycopg://...",
        )
    try:
        return create_engine(url) if backend == "sqlite" else postgresql.make_engine(url)
    except (ImportError, NoSuchModuleError) as error:
        raise StoreError(
            f"The driver of HUB_DATABASE_URL ({url.drivername}) is not installed.",
            hint="Install it with `pip install 'cohort-hub[postgres]'`, and begin the URL with postgresql+psycopg://",
        ) from error


def _sqlite_file_exists(store: Store) -> bool:
    return bool(store.url.database) and Path(str(store.url.database)).exists()


_PRAGMAS = {
    "busy_timeout": str(BUSY_SECONDS * 1000),
    "journal_mode": "WAL",
    "synchronous": "NORMAL",
    "foreign_keys": "ON",
}


def _prepare_sqlite(engine: Any, pragmas: Mapping[str, str]) -> None:
    # those of a new file (page_size, auto_vacuum) must come before the one that makes it, journal_mode
    told = {**pragmas, **_PRAGMAS, **pragmas}

    @event.listens_for(engine, "connect")
    def _on_connect(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # SQLAlchemy's own BEGIN is given by `writing` and `reading`
        for name, value in told.items():
            raw.execute(f"PRAGMA {name} = {value}")


def _no_room(store: Store) -> bool:
    """Whether the embedded database's disk is full: SQLite may call that an I/O error."""
    folder = Path(str(store.url.database)).parent
    return store.embedded and folder.exists() and shutil.disk_usage(folder).free < _LITTLE_ROOM


def _is_away(error: BaseException) -> bool:
    """Whether a server has gone away, or has no room for one more just now; a lock that is held is neither."""
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE


def _unusable(error: SQLAlchemyError, store: Store) -> StoreError:
    said = next(iter(str(getattr(error, "orig", error)).strip().splitlines()), type(error).__name__).strip(" .")
    if "locked" in said or getattr(getattr(error, "orig", None), "sqlstate", None) == _LOCK_NOT_AVAILABLE:
        said = "it is locked"
        hint = f"Another process has been writing for over {BUSY_SECONDS} s. Run the command again."
    elif "full" in said or _no_room(store):
        said = "the disk is full"
        hint = "Make room on the disk and run the command again: it goes on where it stopped."
    else:
        hint = "Run `hub doctor`."
    return StoreError(f"The database {store.place} cannot be used: {said}.", hint=hint)
