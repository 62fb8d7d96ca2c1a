"""How each kind of warehouse is reached through Ibis: opened for reading alone, and not for longer than allowed.

A kind is told by the scheme of its URL. Another one that Ibis knows follows by a class beside these.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit, urlunsplit

from hub.connectors.guarding import guard_of
from hub.errors import UsageError, WarehouseError

if TYPE_CHECKING:
    import ibis
    import pyarrow as pa

    from hub.settings import Settings

_CONNECTING = 10  # seconds
_ROWS = 20_000


@dataclass(frozen=True)
class Address:
    """Where a warehouse is. `url` has no password."""

    url: str
    password: str = ""

    @property
    def parts(self) -> SplitResult:
        """The parts of the URL."""
        return urlsplit(self.url)


@dataclass(frozen=True)
class Opened:
    """A warehouse that is open: `backend` is Ibis's."""

    backend: Any
    kind: Kind

    def query(self, sql: str) -> ibis.Table:
        """The rows of a query that `checked_sql` let pass, as an expression."""
        return self.backend.sql(sql, schema=self.kind.schema(self.backend, sql))

    def batches(self, expression: ibis.Table) -> Iterator[pa.RecordBatch]:
        """The result of an expression, batch by batch."""
        yield from self.backend.to_pyarrow_batches(expression, chunk_size=_ROWS)


class Kind(Protocol):
    """One kind of warehouse. `dialect` is its SQL's name in sqlglot."""

    dialect: str

    def address(self, parts: SplitResult) -> Address:
        """The address of a URL as people write it. Raises UsageError for one that cannot be."""

    def connect(self, address: Address, settings: Settings, scratch: Path) -> Any:
        """An Ibis backend that cannot write."""

    def schema(self, backend: Any, sql: str) -> Any:
        """The columns of a query, None when Ibis finds out itself."""

    def interrupt(self, backend: Any) -> None:
        """End what another thread asked."""

    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""


class DuckDB:
    """A DuckDB file: `duckdb:///folder/file.duckdb`. It can reach no other file, and no network."""

    dialect = "duckdb"

    def address(self, parts: SplitResult) -> Address:
        """See `Kind`. A relative path is one of the present folder."""
        path = Path(unquote(parts.netloc + parts.path) if parts.netloc else unquote(parts.path))
        if parts.query or str(path) in (".", "/") or ":memory:" in str(path):
            raise UsageError("A DuckDB warehouse is a file.", hint="Write it as duckdb:///folder/file.duckdb")
        return Address(f"duckdb://{quote(str(path.expanduser().absolute()))}")

    def connect(self, address: Address, settings: Settings, scratch: Path) -> Any:
        """See `Kind`."""
        import ibis

        path = Path(unquote(address.parts.path))
        if not path.is_file():
            raise WarehouseError(f"There is no file {path}.", hint="Has it been moved?")
        limits = {"memory_limit": settings.memory_limit, "temp_directory": str(scratch / "warehouse")}
        threads = {"threads": settings.threads} if settings.threads else {}
        backend = ibis.duckdb.connect(path, read_only=True, autoinstall_known_extensions="false", **limits, **threads)
        for name, value in (("enable_external_access", "false"), ("lock_configuration", "true")):
            backend.raw_sql(f"SET {name} = {value}")
        return backend

    def schema(self, backend: Any, sql: str) -> Any:
        """See `Kind`."""
        del backend, sql

    def interrupt(self, backend: Any) -> None:
        """See `Kind`."""
        backend.con.interrupt()

    def errors(self) -> tuple[type[Exception], ...]:
        """See `Kind`."""
        import duckdb

        return (duckdb.Error,)


class PostgreSQL:
    """A PostgreSQL server: `postgresql://user:password@host:5432/database`. Every transaction is read-only."""

    dialect = "postgres"
    _allowed = ("sslmode", "sslrootcert", "application_name", "host")

    def address(self, parts: SplitResult) -> Address:
        """See `Kind`."""
        unknown = [name for name, _ in parse_qsl(parts.query) if name not in self._allowed]
        if unknown:
            raise UsageError(
                f"The parameter {unknown[0]} cannot stand in the address of a warehouse.",
                hint=f"These can: {', '.join(self._allowed)}.",
            )
        if not parts.path.strip("/"):
            raise UsageError("The address names no database.", hint="Write it as postgresql://user@host:5432/database")
        user, _, host = parts.netloc.rpartition("@")
        netloc = f"{user.partition(':')[0]}@{host}" if user else host
        return Address(urlunsplit(parts._replace(scheme="postgresql", netloc=netloc)), unquote(parts.password or ""))

    def connect(self, address: Address, settings: Settings, scratch: Path) -> Any:
        """See `Kind`."""
        import ibis

        del scratch
        parts = address.parts
        given = dict(parse_qsl(parts.query))
        host, port = given.pop("host", parts.hostname or ""), parts.port or 5432
        backend = ibis.postgres.connect(
            **_guarded(host, port, settings),
            port=port,
            user=unquote(parts.username or "") or None,
            password=address.password or None,
            database=unquote(parts.path.strip("/")),
            connect_timeout=_CONNECTING,
            **given,
        )
        backend.con.read_only = True
        for name, value in (
            ("default_transaction_read_only", "on"),
            ("statement_timeout", str(settings.warehouse_seconds * 1000)),
        ):
            backend.con.execute(f"SET {name} = {value}")
        return backend

    def schema(self, backend: Any, sql: str) -> Any:
        """See `Kind`. Ibis would make a view to find out, which is writing."""
        import ibis
        from ibis.backends.sql.datatypes import PostgresType

        with backend.con.transaction():
            columns = backend.con.execute(f"SELECT * FROM (\n{sql}\n) AS asked LIMIT 0").description
        return ibis.schema({column.name: PostgresType.from_string(column.type_display) for column in columns})

    def interrupt(self, backend: Any) -> None:
        """See `Kind`."""
        backend.con.cancel()

    def errors(self) -> tuple[type[Exception], ...]:
        """See `Kind`."""
        import psycopg

        return (psycopg.Error,)


_KINDS: Mapping[str, Kind] = {"duckdb": DuckDB(), "postgresql": PostgreSQL(), "postgres": PostgreSQL()}


def kind_of(url: str) -> Kind:
    """The kind of the warehouse at a URL. Raises UsageError for a scheme that no kind has."""
    scheme = url.partition(":")[0].lower()
    if scheme not in _KINDS:
        raise UsageError(
            "The address of a warehouse begins with duckdb:// or postgresql://.",
            hint="Such as duckdb:///data/shop.duckdb, or postgresql://reader@db.example.com:5432/shop",
        )
    return _KINDS[scheme]


def address_of(url: str) -> Address:
    """The address that people wrote as a URL. Raises UsageError; the error does not repeat it, for its password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - one that is no number is refused when asked for
    except ValueError as error:
        raise UsageError("The address of the warehouse cannot be read.", hint="Is its port a number?") from error
    return kind_of(url).address(parts)


@contextmanager
def opened(name: str, address: Address, settings: Settings, scratch: Path) -> Iterator[Opened]:
    """Open a warehouse for reading alone, for as long as the settings allow; `name` is for errors.

    Raises WarehouseError, also for what goes wrong within the block, and AddressRefused.
    """
    kind = kind_of(address.url)
    late = threading.Event()
    with _told(name, kind, late, settings):
        backend = kind.connect(address, settings, scratch)
        timer = threading.Timer(settings.warehouse_seconds, _interrupt, (kind, backend, late))
        timer.daemon = True
        timer.start()
        try:
            yield Opened(backend, kind)
        finally:
            timer.cancel()
            backend.disconnect()


def _interrupt(kind: Kind, backend: Any, late: threading.Event) -> None:
    late.set()
    kind.interrupt(backend)


@contextmanager
def _told(name: str, kind: Kind, late: threading.Event, settings: Settings) -> Iterator[None]:
    from ibis.common.exceptions import IbisError

    try:
        yield
    except ImportError as error:
        raise WarehouseError(
            f"The warehouse {name} needs a driver that is not installed: {error.name}.",
            hint="Install it with `pip install 'cohort-hub[postgres]'`.",
        ) from error
    except (*kind.errors(), IbisError) as error:
        raise _away(name, error, late.is_set() or "statement timeout" in str(error), settings) from error
    except RuntimeError as error:
        if not late.is_set():
            raise
        raise _away(name, error, True, settings) from error


def _away(name: str, error: Exception, too_long: bool, settings: Settings) -> WarehouseError:
    if too_long:
        return WarehouseError(
            f"The query on the warehouse {name} ran for longer than {settings.warehouse_seconds} s and was ended.",
            hint="Make it quicker, or raise HUB_WAREHOUSE_SECONDS.",
        )
    said = " ".join(str(error).split())[:300].rstrip(".")
    return WarehouseError(f"The warehouse {name} says: {said}.", hint=f"Try `hub warehouse check {name}`.")


def _guarded(host: str, port: int, settings: Settings) -> dict[str, str]:
    """How the driver is told the host: by the very address that was checked, so that a second look-up leads nowhere."""
    if host.startswith("/") or not host:
        if not settings.allow_private:
            raise UsageError(
                "A socket of this machine is not on the public internet.",
                hint="If that is meant, an operator can allow it with HUB_ALLOW_PRIVATE=true.",
            )
        return {"host": host}
    return {"host": host, "hostaddr": guard_of(settings).check(host, port)[0]}
