"""A sandbox as a command of its own, without a hub: what `python -m PACKAGE.sandbox` runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hub.errors import HubError
from hub.testing.sandbox.base import Sandbox
from hub.testing.sandbox.serving import LOOPBACK, Running, serve


def command(
    made: Callable[..., Sandbox],
    package: str,
    label: str,
    *,
    seconds: Mapping[str, tuple[float, str]] | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Serve a sandbox until a signal. Returns the exit code; what is wrong with its home or port is told on stderr.

    `made(home, keep_bodies=..., **seconds)` makes it (its class does); `package` is what is run, `label` what people
    read. `seconds` are options of its own, each with its default and what it is: `stats_lag` becomes `--stats-lag`.
    """
    own = seconds or {}
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=f"{label}'s sandbox.")
    parser.add_argument("--home", type=Path, required=True, help="folder for its state, made if missing")
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, help="its own, if none is given; 0 takes a free one")
    parser.add_argument("--keep-bodies", action="store_true", help="record the bodies of writing calls")
    for name, (usual, about) in own.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=usual, help=about)
    given = parser.parse_args(arguments)

    def tell(where: Running) -> None:
        settings = " ".join(f"{name}={value}" for name, value in where.settings.items())
        sys.stderr.write(f"{label}'s sandbox listens at {where.url}\nconnect with: {settings}\n")

    sandbox = made(given.home, keep_bodies=given.keep_bodies, **{name: getattr(given, name) for name in own})
    try:
        serve(sandbox, host=given.host, port=given.port, on_ready=tell)
    except HubError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    return 0
