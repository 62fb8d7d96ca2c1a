"""Transactions on the control plane: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError, SQLAlchemyError

from hub.errors import NotInitialised, StoreError, UsageError

BUSY_SECONDS = 30
_LITTLE_ROOM = 64 * 1024  # bytes
SCHEMA_HEAD = "0008"
"""The newest migration. A test holds it against the migrations folder."""


class Store:
    """The control plane behind one SQLAlchemy URL. Safe to use from several threads and processes."""

    def __init__(self, url: str, pragmas: Mapping[str, str] | None = None) -> None:
        """Open the database at `url` when it is first used. `pragmas` are what SQLite is told beside, or instead of,
        what it is always told."""
        try:
            parsed = make_url(url)
        except ArgumentError as error:
            raise StoreError(
                "HUB_DATABASE_URL is not a database URL.", hint="It has the form postgresql+psycopg://..."
            ) from error
        self.url = parsed
        self.embedded = parsed.get_backend_name() == "sqlite"
        self.engine = _engine(parsed)
        if self.embedded:
            _prepare_sqlite(self.engine, pragmas or {})

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that writes: committed at the end, rolled back when anything is raised.

        SQLite takes its write lock at once, so that no work is lost to a lock found late.
        Raises StoreError when the database is locked for longer than 30 s, full or away.
        """
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One short transaction that only reads. It must not outlive a page of rows."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with self.told(), self.engine.connect() as connection:
            if self.embedded:
                connection.exec_driver_sql(begin)
            yield connection
            connection.commit()

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
        except OperationalError as error:
            raise _unusable(error, self) from error
        except SQLAlchemyError as error:
            if type(error).__name__ in ("ProgrammingError", "DatabaseError"):
                raise _unusable(error, self) from error
            raise

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


def _engine(url: URL) -> Engine:
    backend = url.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise StoreError(
            f"HUB_DATABASE_URL names {backend!r}: the control plane is SQLite or PostgreSQL.",
            hint="It has the form postgresql+psycopg://...",
        )
    try:
        return create_engine(url, pool_pre_ping=backend != "sqlite")
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


def _unusable(error: SQLAlchemyError, store: Store) -> StoreError:
    said = str(getattr(error, "orig", error)).strip().splitlines()[0]
    place = store.url.render_as_string(hide_password=True)
    if "locked" in said:
        hint = f"Another process has been writing for over {BUSY_SECONDS} s. Run the command again."
    elif "full" in said or _no_room(store):
        said = "the disk is full"
        hint = "Make room on the disk and run the command again: it goes on where it stopped."
    else:
        hint = "Run `hub doctor`."
    return StoreError(f"The database {place} cannot be used: {said}.", hint=hint)
