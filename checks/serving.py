"""`hub serve` as a process of its own, for the checks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

HUB = str(Path(sys.executable).with_name("hub"))
_START = 60.0  # seconds that a server may take to answer


def environment(home: Path) -> dict[str, str]:
    """The environment of commands on the hub in `home`."""
    return {**os.environ, "HUB_HOME": str(home)}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def serving(home: Path, port: int, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """`hub serve` on `port`, from when it answers; killed with its children at the end. Its words go to server.log."""
    with (home.parent / "server.log").open("ab") as log:
        command = [HUB, "serve", "--port", str(port)]
        environ = {**environment(home), **settings}
        server = subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True)
        try:
            _wait_until_it_answers(server, port)
            yield server
        finally:
            kill(server, "both")


def kill(server: subprocess.Popen[bytes], victim: str) -> None:
    """SIGKILL for the `server`, its children (`mover`), or `both`."""
    processes = children(server.pid)
    for pid in {"server": [server.pid], "mover": processes, "both": [server.pid, *processes]}[victim]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    if victim != "mover":
        server.wait()


def children(pid: int) -> list[int]:
    """The child processes of a process."""
    try:
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + _START
    while time.monotonic() < until and server.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code:
                return
        except httpx.TransportError:
            time.sleep(0.02)
    raise SystemExit(f"hub serve does not answer (exit code {server.poll()}): see server.log")
