"""Run it: `python -m hub_braze.sandbox --home DIR --port N`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hub.errors import HubError
from hub.testing.sandbox import Running, serve
from hub_braze.sandbox.server import LAG, BrazeSandbox


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hub_braze.sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder for its state, made if missing")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=BrazeSandbox.default_port, help="0 takes a free one")
    parser.add_argument("--keep-bodies", action="store_true", help="record the bodies of writing calls")
    parser.add_argument("--lag", type=float, default=LAG, help="seconds until what was accepted is applied")
    given = parser.parse_args(arguments)
    sandbox = BrazeSandbox(given.home, keep_bodies=given.keep_bodies, lag=given.lag)
    try:
        serve(sandbox, host=given.host, port=given.port, on_ready=_tell)
    except HubError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    return 0


def _tell(where: Running) -> None:
    settings = " ".join(f"{name}={value}" for name, value in where.settings.items())
    sys.stderr.write(f"Braze's sandbox listens at {where.url}\nconnect with: {settings}\n")


if __name__ == "__main__":
    sys.exit(main())
