"""Decoding as a process of its own, beside a server: `python -P -m hub.inbound.working`, on the hub of HUB_HOME.

It ends at SIGTERM, after what is in hand, and when the process that started it is gone. It may be killed anywhere.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from hub.clock import now
from hub.connectors.plugins import load_plugins
from hub.errors import Busy, HubError
from hub.inbound.decoding import MOST, MOST_BYTES
from hub.inbound.round import Round
from hub.intake.moving import opened, when_standard_input_ends
from hub.private import keep_private

if TYPE_CHECKING:
    from hub.inbound.requests import Backlog
    from hub.workspace import Workspace

LONGEST_WAIT = timedelta(seconds=1)
"""What has waited for so long is decoded, however little it is."""

_LOOK_EVERY = 0.1  # seconds
_AGAIN_AFTER = 5.0  # seconds, when a connection's requests cannot be decoded
_BEHIND = 5  # who waits for an answer comes first
_FORGET_EVERY = 3600.0  # seconds

_said = logging.getLogger("hub.inbound")


def due(backlog: Backlog) -> bool:
    """Whether what waits is to be decoded now: it is much, or it is old."""
    much = backlog.requests >= MOST or backlog.bytes >= MOST_BYTES
    return much or now() - backlog.oldest_at >= LONGEST_WAIT


def spare_the_collector() -> None:
    """Events make no cycles, and a collection walks all that are at hand."""
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)


def run(workspace: Workspace, stop: threading.Event) -> None:
    """Decode whatever comes in, of all projects, until `stop` is set. What cannot be is told once, and tried again."""
    decoding = Round(workspace, load_plugins())
    told, not_before, forget_at = dict[int, str](), dict[int, float](), time.monotonic()
    while not stop.is_set():
        try:
            waiting = decoding.waiting()
            if time.monotonic() >= forget_at:
                forget_at = time.monotonic() + _FORGET_EVERY
                decoding.forget()
        except HubError as error:
            _said.warning("Requests of partners are not decoded. %s %s", error.message, error.hint)
            stop.wait(_AGAIN_AFTER)
            continue
        for backlog in waiting:
            connection = backlog.connection_id
            if not due(backlog) or time.monotonic() < not_before.get(connection, 0.0):
                continue
            try:
                decoding.decode(connection, stop=stop)
                told.pop(connection, None)
            except Busy:
                pass
            except HubError as error:
                not_before[connection] = time.monotonic() + _AGAIN_AFTER
                if told.get(connection) != error.message:
                    _said.warning("What %s received is not decoded. %s", decoding.name(connection), error.message)
                told[connection] = error.message
        stop.wait(_LOOK_EVERY)


def main() -> int:
    """Run the process; returns its exit code."""
    keep_private()
    logging.basicConfig(format="inbound: %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which tells this process when to end
    when_standard_input_ends(stop.set)
    try:
        os.nice(_BEHIND)
        workspace = opened()
        spare_the_collector()
        run(workspace, stop)
    except HubError as error:
        _said.error("%s %s", error.message, error.hint)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
