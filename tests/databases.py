"""The database that tests' hubs have: SQLite, or with HUB_TEST_DATABASE=postgresql a real PostgreSQL, one a session.

A home is made once a session and copied for each test. On PostgreSQL its database is a copy of one that was migrated
once, and the home's `hub.toml` names it, for all processes that a test starts.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from checks.postgresql import Server
from hub.projects import initialise
from hub.settings import load

ON_POSTGRESQL = os.environ.get("HUB_TEST_DATABASE") == "postgresql"
"""Whether the tests' hubs are on PostgreSQL. Read before the tests' own environment is emptied."""

_TEMPLATE = "template_of_homes"


class Homes:
    """Makes homes of new hubs: each is a copy of one, which is made when it is first asked for."""

    def __init__(self, template: Path, database: Server | None) -> None:
        self._template, self._database = template, database

    @contextmanager
    def new(self, path: Path) -> Iterator[Path]:
        """A new hub's home at `path`, in UTC. Its database on a server is taken away afterwards."""
        if not self._template.exists():
            self._make_template()
        shutil.copytree(self._template, path)
        if self._database is None:
            yield path
            return
        name = self._database.make(like=_TEMPLATE)
        _names(path, self._database.url(name))
        try:
            yield path
        finally:
            self._database.drop(name)

    def _make_template(self) -> None:
        self._template.mkdir(mode=0o700)  # as `hub init` makes it
        if self._database:
            self._database.ask(f"CREATE DATABASE {_TEMPLATE}")
            _names(self._template, self._database.url(_TEMPLATE))
        initialise(load(self._template))
        if self._database:  # a database that somebody is connected to cannot be copied
            self._database.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{_TEMPLATE}'")


def _names(home: Path, url: str) -> None:
    (home / "hub.toml").write_text(f'database_url = "{url}"\n')
