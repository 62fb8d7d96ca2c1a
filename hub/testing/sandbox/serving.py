"""Running a sandbox: in the foreground until a signal, or in a thread for the length of a test."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn

from hub.errors import HubError
from hub.listening import SignalledServer, listen
from hub.testing.sandbox.admin import admin_app
from hub.testing.sandbox.base import Sandbox
from hub.testing.sandbox.client import Admin
from hub.testing.sandbox.gate import Gate
from hub.testing.sandbox.lines import Lines

LOOPBACK = "127.0.0.1"
START_SECONDS = 30.0
GRACE_SECONDS = 2


@dataclass(frozen=True)
class Running:
    """A sandbox that listens: where, how the hub connects to it, and a client for its admin endpoints."""

    url: str
    settings: dict[str, str]
    admin: Admin = field(repr=False)


def serve(
    sandbox: Sandbox,
    *,
    host: str = LOOPBACK,
    port: int | None = None,
    on_ready: Callable[[Running], None] | None = None,
) -> None:
    """Run `sandbox` until SIGINT or SIGTERM, then return. It is closed then.

    `port` None is the sandbox's default, 0 a free one. While it listens, `<home>/running.json` (mode 0600)
    holds its url, process id and settings. `on_ready` is called once it listens. Raises HubError if the port
    is taken, or another sandbox has this home, UsageError if there is no such port.
    """
    try:
        with _alone(sandbox), closing(listen(host, sandbox.default_port if port is None else port)) as listener:
            _Server(sandbox, listener, on_ready or _nothing).run(sockets=[listener])
    finally:
        sandbox.close()


@contextmanager
def running(sandbox: Sandbox) -> Iterator[Running]:
    """Run `sandbox` in a thread on a free port for the length of the block; it is closed at the end.

    To try a restart, make a new sandbox with the same home and run that.
    """
    try:
        with _alone(sandbox), closing(listen(LOOPBACK, 0)) as listener, _in_a_thread(sandbox, listener) as where:
            yield where
    finally:
        sandbox.close()


@contextmanager
def _in_a_thread(sandbox: Sandbox, listener: socket.socket) -> Iterator[Running]:
    started = threading.Event()
    told: list[Running] = []

    def ready(where: Running) -> None:
        told.append(where)
        started.set()

    server = _Server(sandbox, listener, ready)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name=f"sandbox-{sandbox.name}")
    thread.start()
    try:
        if not started.wait(START_SECONDS):
            raise HubError(f"the {sandbox.label} sandbox did not start within {START_SECONDS:g} s")
        yield told[0]
    finally:
        server.should_exit = True
        thread.join()


class _Server(SignalledServer):
    """uvicorn, that says when it listens and takes a signal for a normal end."""

    def __init__(self, sandbox: Sandbox, listener: socket.socket, on_ready: Callable[[Running], None]) -> None:
        lines = Lines()
        super().__init__(
            uvicorn.Config(
                Gate(sandbox, admin_app(sandbox), lines),
                http=lines.protocol(),
                ws="none",
                lifespan="off",
                loop="asyncio",
                access_log=False,
                log_level="warning",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        host, port = listener.getsockname()[:2]
        url = f"http://{host}:{port}"
        self._note = sandbox.home / "running.json"
        self._running = Running(url, sandbox.settings(url), Admin(url))
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        _write_private(self._note, {"url": self._running.url, "pid": os.getpid(), "settings": self._running.settings})
        self._on_ready(self._running)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._note.unlink(missing_ok=True)
        self._running.admin.close()
        await super().shutdown(sockets)


@contextmanager
def _alone(sandbox: Sandbox) -> Iterator[None]:
    """Keep other servers out of a sandbox's home: they would share its state, and its running.json.

    The lock ends with the process, however that ends.
    """
    with (sandbox.home / "running.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise HubError(
                f"A {sandbox.label} sandbox runs from {sandbox.home} already{_where(sandbox.home)}.",
                hint="Use that one, or end it first.",
            ) from exc
        yield


def _where(home: Path) -> str:
    try:
        return f", at {json.loads((home / 'running.json').read_text())['url']}"
    except (OSError, ValueError, KeyError):
        return ""


def _write_private(path: Path, content: dict[str, object]) -> None:
    """Write JSON that only this user can read, in one step."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=1)
    partial.replace(path)


def _nothing(where: Running) -> None:
    """Nobody wants to know that it listens."""
