"""PostgreSQL in the place of SQLite: what a connection is told, how transactions take turns, and texts as they are.

The rules of the domain packages are written for transactions that follow one another, as SQLite's writers do. So a
transaction that writes waits for its turn, by an advisory lock that ends with it; from then on it sees all that was
committed before. One that only reads sees one instant of the database, as a reader of SQLite does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, create_engine, event, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import URL, Connection

LONGEST_IDLE = 25
"""Seconds that a transaction which writes may leave the server without a statement. Then the server takes it back, so
that a process that stands still, or a machine that is cut off, keeps nobody waiting for longer."""

_CONNECTING = {
    "application_name": "cohort-hub",
    "client_encoding": "utf8",
    "connect_timeout": "10",
    # a server whose machine is gone says nothing: found out within a minute
    "keepalives_idle": "15",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "45000",
}

_READS = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

_TURN = text(
    "SELECT set_config('lock_timeout', :waits, true), set_config('idle_in_transaction_session_timeout', :idle, true), "
    "pg_advisory_xact_lock(hashtextextended('cohort-hub ' || :turn, 0))"
)


def make_engine(url: URL) -> Engine:
    """An engine for a PostgreSQL at `url`, which may override what a connection is told. Raises ImportError when the
    driver is missing."""
    told = {name: value for name, value in _CONNECTING.items() if name not in url.query}
    engine = create_engine(url, connect_args=told, pool_pre_ping=True, pool_size=5, max_overflow=25)

    @event.listens_for(engine, "connect")
    def _on_connect(raw: Any, _record: Any) -> None:
        _keep_texts(raw)

    return engine


def begin_reading(connection: Connection) -> None:
    """Let a transaction see one instant of the database, and change nothing."""
    connection.execution_options(**_READS)


def take_turn(connection: Connection, turn: str, *, waits: float) -> None:
    """Wait, for so many seconds at most, until no other transaction of this turn is under way. With a transaction's
    first statement: what others have committed by then is seen."""
    settings = {"waits": f"{waits:.0f}s", "idle": f"{LONGEST_IDLE}s", "turn": turn}
    connection.execute(_TURN, settings).close()


_ESCAPE = "\uf8f0"  # for private use: nobody's text is likely to have it
_ESCAPED = str.maketrans({"\0": f"{_ESCAPE}0", _ESCAPE: f"{_ESCAPE}1"})


def _escaped(value: str) -> str:
    """A text without the character NUL, which PostgreSQL refuses and SQLite keeps. No two texts become the same."""
    return value.translate(_ESCAPED) if "\0" in value or _ESCAPE in value else value


def _as_it_was(value: str) -> str:
    return value.replace(f"{_ESCAPE}0", "\0").replace(f"{_ESCAPE}1", _ESCAPE) if _ESCAPE in value else value


def _keep_texts(raw: Any) -> None:
    """Let a connection of psycopg keep texts with NUL in them. Of JSON nothing is to be done: it escapes NUL itself."""
    from psycopg.adapt import Dumper, Loader

    class TextDumper(Dumper):
        def dump(self, obj: str) -> bytes:
            return _escaped(obj).encode()

    class TextLoader(Loader):
        def load(self, data: Any) -> str:
            return _as_it_was(bytes(data).decode())

    raw.adapters.register_dumper(str, TextDumper)
    for kind in ("text", "varchar"):
        raw.adapters.register_loader(kind, TextLoader)


_NOT_PLAIN = text(
    "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
    "JOIN pg_collation o ON o.oid = a.attcollation "
    "WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped "
    "AND c.relname = ANY(:tables) AND (o.collname <> 'C' OR a.atttypid = 'varchar'::regtype) "
    "ORDER BY c.relname, a.attnum"
)


def make_texts_plain(connection: Connection, tables: Sequence[str]) -> None:
    """Let the texts of some tables be as long as they are, and in the order of their characters, whatever the
    database's language: as on SQLite, and in Python. Columns that are so already are left alone."""
    changes: dict[str, list[str]] = {}
    for table, column in connection.execute(_NOT_PLAIN, {"tables": list(tables)}):
        changes.setdefault(table, []).append(f'ALTER COLUMN "{column}" TYPE text COLLATE "C"')
    for table, columns in changes.items():
        connection.exec_driver_sql(f'ALTER TABLE "{table}" {", ".join(columns)}')


def encoding(connection: Connection) -> str:
    """The encoding of the database's texts, such as UTF8."""
    return str(connection.exec_driver_sql("SHOW server_encoding").scalar_one())


def version(connection: Connection) -> str:
    """The server's version, in words."""
    return str(connection.exec_driver_sql("SHOW server_version").scalar_one()).split()[0]
