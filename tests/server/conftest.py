"""`hub serve` as a process of its own, shared by all tests here; the app in a thread where limits have to be tight."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest

from hub.app import Hub
from hub.listening import listen
from hub.projects import initialise
from hub.server.app import Server
from hub.server.protocol import guarded
from hub.server.serving import Listening
from hub.settings import load
from tests.conftest import HUB


@dataclass(frozen=True)
class Served:
    """A hub that is served: where, its home, and its process."""

    url: str
    home: Path
    process: subprocess.Popen[bytes]

    def project(self, identity: str = "simplified") -> Hub:
        """A new project of it."""
        name = f"project {next(_NUMBERS)}"
        Hub.open(self.home).projects.add(name, identity=identity)
        return Hub.open(self.home, name)


_NUMBERS = count(1)


@contextmanager
def serving(home: Path, *arguments: str, **environment: str) -> Iterator[Served]:
    """`hub serve` on a free port, ended by SIGTERM."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    log = home.parent / "server.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [HUB, "serve", "--port", "0", *arguments],
            env={**environ, "HUB_HOME": str(home), **environment},
            stderr=written,
        )
    try:
        yield Served(_address(process, log), home, process)
    finally:
        process.terminate()
        process.wait(30)
        assert "Traceback" not in log.read_text()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + 60
    while not (found := re.search(r"http://\S+?(?=\. )", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until
        time.sleep(0.02)
    return found[0]


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    """One hub that is served for all tests: each makes a project of its own in it."""
    home = tmp_path_factory.mktemp("served") / "home"
    initialise(load(home))
    with serving(home) as found:
        yield found


@pytest.fixture
def project(served) -> Hub:
    """A project of its own."""
    return served.project()


@pytest.fixture
def token(project) -> str:
    """A token of that project."""
    return project.tokens.add()[1]


@pytest.fixture
def http(served) -> Iterator[httpx.Client]:
    """A client of the server."""
    with httpx.Client(base_url=served.url, timeout=30) as client:
        yield client


@pytest.fixture
def in_a_thread(monkeypatch) -> Callable[..., object]:
    """Serve a hub within this process, without a mover, under limits of one's own."""

    @contextmanager
    def run(hub: Hub, protocol: dict[str, float] | None = None) -> Iterator[str]:
        server, ready = Server(hub), threading.Event()
        server.open()
        urls = []

        def tell(url: str) -> None:
            urls.append(url)
            ready.set()

        with closing(listen("127.0.0.1", 0)) as listener:
            listening = Listening(server, hub.settings, listener, tell, guarded(**(protocol or {})))
            thread = threading.Thread(target=listening.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                assert ready.wait(30)
                yield urls[0]
            finally:
                listening.should_exit = True
                thread.join(30)

    return run


def event(token: str | None = None, name: str = "Bought", **properties: object) -> dict[str, object]:
    """An event as an SDK sends it."""
    named = {"token": token} if token else {}
    return {"event": name, "properties": {**named, "distinct_id": "ann", **properties}}
