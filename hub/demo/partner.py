"""The sandbox partner of the demo, in a child process that never outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

import orjson

from hub.connectors.plugins import load_plugins
from hub.errors import HubError
from hub.testing.sandbox import Admin, Running, Sandbox, serve

_END_SECONDS = 15.0


@contextmanager
def partner(name: str, home: Path) -> Iterator[Running]:
    """Serve the sandbox `name` of the hub in `home` for as long as the context lasts.

    It listens on its own port, or on a free one when that is taken. Raises HubError when it does not start.
    """
    # -P: not from a folder `hub` where the user happens to stand; a session of its own: Ctrl-C is for the parent alone
    command = [sys.executable, "-P", "-m", "hub.demo.partner", name, str(home / "sandbox" / name)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        told = cast("IO[bytes]", process.stdout).readline()
        if not told:
            raise HubError(f"The {name} sandbox did not start (exit code {process.wait()}).")
        where = orjson.loads(told)
        with _talking(where["url"]) as admin:
            yield Running(where["url"], where["settings"], admin)
    finally:
        _end(process)


@contextmanager
def _talking(url: str) -> Iterator[Admin]:
    admin = Admin(url)
    try:
        yield admin
    finally:
        admin.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the child end by closing its standard input, as it would close if this process were killed."""
    for pipe in (process.stdin, process.stdout):
        with suppress(BrokenPipeError):
            cast("IO[bytes]", pipe).close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(name: str, home: Path) -> int:
    """Be the child: serve until standard input closes; tell where on standard output."""
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    sandbox = load_plugins().sandbox(name)(home)
    try:
        _serve_somewhere(sandbox)
    except HubError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    return 0


def _serve_somewhere(sandbox: Sandbox) -> None:
    told: list[Running] = []

    def tell(where: Running) -> None:
        told.append(where)
        sys.stdout.buffer.write(orjson.dumps({"url": where.url, "settings": where.settings}) + b"\n")
        sys.stdout.buffer.flush()

    try:
        serve(sandbox, on_ready=tell)
    except HubError:
        if told:
            raise
        serve(sandbox, port=0, on_ready=tell)


def _end_with_parent() -> None:
    os.read(0, 1)  # nobody writes: it returns when the parent is gone, or has closed its end
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
