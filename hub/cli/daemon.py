"""`hub daemon`: what is due, again and again, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from hub.cli.context import chosen, interruptible, open_hub, print_json, quit_with, say
from hub.errors import UsageError


def run_daemon(syncs: int | None, metrics: str) -> None:
    """Run until a signal; ends with exit code 0."""
    from hub.running.daemon import Daemon

    where = address(metrics)
    hub = open_hub()
    with interruptible("") as stop:
        Daemon(hub, say=say, syncs=syncs or hub.settings.daemon_syncs, metrics=where, only=bool(chosen.project)).run(
            stop
        )


def check_daemon(as_json: bool) -> None:
    """Tell whether the daemon of this home is well; exit code 1 when it is not."""
    from hub.settings import load

    tell_of(load(chosen.home).health_file, "daemon", as_json)


def tell_of(file: Path, who: str, as_json: bool) -> NoReturn:
    """Tell whether the daemon or worker that writes a health file is well; exit code 1 when it is not."""
    from hub.running.health import check

    verdict = check(file, who)
    if as_json:
        print_json(verdict.figures())
    else:
        say(verdict.said)
    quit_with(0 if verdict.well else 1)


def address(text: str) -> tuple[str, int] | None:
    """The host and port of `--metrics`; None when there are none. Raises UsageError."""
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdecimal():
        raise UsageError(f"--metrics {text} is not HOST:PORT.", hint="For example --metrics 127.0.0.1:9464.")
    return host.strip("[]") or "127.0.0.1", int(port)
