"""Run it: `python -m hub_mailchimp.sandbox --home DIR --port N`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hub.errors import HubError
from hub.testing.sandbox import Running, serve
from hub_mailchimp.sandbox.server import BATCH_SECONDS, STATS_LAG, MailchimpSandbox


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hub_mailchimp.sandbox", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder for its state, made if missing")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=MailchimpSandbox.default_port, help="0 takes a free one")
    parser.add_argument("--keep-bodies", action="store_true", help="record the bodies of writing calls")
    parser.add_argument("--stats-lag", type=float, default=STATS_LAG, help="seconds that statistics may be old")
    parser.add_argument("--batch-seconds", type=float, default=BATCH_SECONDS, help="seconds that a batch is worked on")
    given = parser.parse_args(arguments)
    sandbox = MailchimpSandbox(
        given.home, keep_bodies=given.keep_bodies, stats_lag=given.stats_lag, batch_seconds=given.batch_seconds
    )
    try:
        serve(sandbox, host=given.host, port=given.port, on_ready=_tell)
    except HubError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return error.exit_code
    return 0


def _tell(where: Running) -> None:
    settings = " ".join(f"{name}={value}" for name, value in where.settings.items())
    sys.stderr.write(f"Mailchimp's sandbox listens at {where.url}\nconnect with: {settings}\n")


if __name__ == "__main__":
    sys.exit(main())
