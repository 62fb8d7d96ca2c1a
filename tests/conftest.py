"""Shared by all tests: a hub in a folder of its own, and an environment without anybody's settings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.postgresql import Server, server
from hub.app import Hub
from tests.databases import ON_POSTGRESQL, Homes

HUB = str(Path(sys.executable).with_name("hub"))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    """No test sees the developer's HUB_* variables, `.env` or home."""
    for name in [name for name in os.environ if name.startswith("HUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hub.settings.DEFAULT_HOME", tmp_path / "default-home")


def pytest_collection_modifyitems(items):
    """What is about SQLite's files has no meaning on a server."""
    if ON_POSTGRESQL:
        for item in items:
            if item.get_closest_marker("embedded"):
                item.add_marker(pytest.mark.skip(reason="is about the embedded database"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A real PostgreSQL, for all tests of a session that ask for it."""
    with server() as started:
        yield started


@pytest.fixture(scope="session")
def homes(tmp_path_factory, request) -> Homes:
    """Homes of new hubs, on the database that the session's tests are for. One is made once: a copy costs a twentieth
    of running every migration."""
    database = request.getfixturevalue("postgresql") if ON_POSTGRESQL else None
    return Homes(tmp_path_factory.mktemp("template") / "home", database)


@pytest.fixture(scope="session")
def homes_on_postgresql(tmp_path_factory, postgresql, homes) -> Homes:
    """Homes of new hubs on a real PostgreSQL, whatever the session's tests are for."""
    return homes if ON_POSTGRESQL else Homes(tmp_path_factory.mktemp("template") / "home", postgresql)


@pytest.fixture
def home(tmp_path, homes) -> Iterator[Path]:
    """The home of a new hub, in UTC."""
    with homes.new(tmp_path / "home") as made:
        yield made


@pytest.fixture
def hub(home) -> Hub:
    """A new hub."""
    return Hub.open(home)


@pytest.fixture
def workspace(hub):
    """The first project of a new hub."""
    return hub.workspace


@pytest.fixture
def partner(home):
    """A sandbox Mailchimp that runs from the hub's home: the real connector talks to it over real HTTP."""
    from hub.connectors.plugins import load_plugins
    from hub.testing.sandbox import running

    with running(load_plugins().sandbox("mailchimp")(home / "sandbox" / "mailchimp")) as started:
        yield started


@pytest.fixture
def cli(home):
    """Run `hub` as a process of its own on the test's home; returns the finished process."""

    def run(*arguments: str, stdin: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [HUB, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env={**os.environ, "HUB_HOME": str(home), **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture
async def connected(hub, partner, tmp_path):
    """A hub with forty loyal customers, a cohort `loyal`, and a connection `news` whose audience has them all."""
    from tests.customers import LOYAL, NAMES, buy, describe, know

    buy(hub, tmp_path, NAMES)
    describe(hub, tmp_path, NAMES, plan="pro")
    hub.cohorts.add("loyal", LOYAL)
    await hub.connections.add("mailchimp", "news", partner.settings)
    know(partner, NAMES)
    return hub
