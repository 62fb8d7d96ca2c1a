"""The mover as a process of its own, beside a server: `python -P -m hub.intake.moving`, on the hub of HUB_HOME.

It sees to the maintenance of the lake as well.
It ends at SIGTERM, after the micro-batch in hand, and when the process that started it is gone: that one holds the
other end of its standard input. It may be killed anywhere.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import stat
import sys
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from hub.clock import now
from hub.errors import Busy, HubError, StoreError
from hub.intake.log import Head, IntakeLog
from hub.intake.mover import Mover, Sizes
from hub.intake.position import make_ready
from hub.maintenance import maintain_beside
from hub.private import keep_private
from hub.store.holding import MOVER, holding

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.workspace import Workspace

FULL_RECORDS = 100_000
"""So many records are moved at once."""
FULL_BYTES = 16 * 1024 * 1024
"""So many bytes of payload are moved at once."""
LONGEST_WAIT = timedelta(seconds=5)
"""What has waited for so long is moved, however little it is. Whoever asks a question need not wait: it asks to
hurry."""

_LOOK_EVERY = 0.02  # seconds
_AGAIN_AFTER = 0.2  # seconds, when another process is moving
_LONGEST_PAUSE = 10.0  # seconds, when something cannot be read or written

_said = logging.getLogger("hub.intake")


def due(head: Head) -> bool:
    """Whether what waits is to be moved now: it is much, it is old, or somebody waits for it."""
    waiting = head.backlog
    if waiting.oldest_at is None:
        return False
    much = waiting.records >= FULL_RECORDS or waiting.bytes >= FULL_BYTES
    return much or head.holds(head.wanted) or now() - waiting.oldest_at >= LONGEST_WAIT


def run_mover(workspace: Workspace, stop: threading.Event, *, sizes: Sizes | None = None) -> None:
    """Move whatever arrives in the hub of `workspace`, all projects, until `stop` is set.

    Keeps the lease MOVER meanwhile; as long as another process has it, this one stands by. What cannot be read or
    written (a full disk) is told once and tried again.
    """
    log = IntakeLog(workspace.settings.intake_url)
    pause, told = _AGAIN_AFTER, ""
    while not stop.is_set():
        try:
            make_ready(log, workspace.store, workspace.lake)
            with holding(workspace.store, MOVER, what="Moving what has arrived") as lease:
                mover = Mover(workspace, log, lease, sizes=sizes)
                while not stop.is_set():
                    head = log.head()
                    if due(head):
                        mover.move(head.last_id, stop=stop)
                        pause, told = _AGAIN_AFTER, _recovered(told)
                    else:
                        stop.wait(_LOOK_EVERY)
        except Busy:
            stop.wait(_AGAIN_AFTER)
        except StoreError as error:
            if error.message != told:
                _said.warning("What has arrived is not moved. %s %s", error.message, error.hint)
            pause, told = min(2 * pause, _LONGEST_PAUSE), error.message
            stop.wait(pause)


def _recovered(told: str) -> str:
    if told:
        _said.warning("What has arrived is moved again.")
    return ""


def opened() -> Workspace:
    """The hub of HUB_HOME, on its first project. Raises what `Hub.open` raises."""
    from hub.lake.lake import Lake
    from hub.projects import find_project
    from hub.settings import load
    from hub.store.store import Store
    from hub.workspace import Workspace

    settings = load()
    store = Store(settings.control_plane_url)
    store.check_schema()
    return Workspace(settings, store, Lake(settings.lake_root), find_project(store))


def main() -> int:
    """Run the process; returns its exit code."""
    keep_private()
    logging.basicConfig(format="mover: %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which tells this process when to end
    when_standard_input_ends(stop.set)
    try:
        workspace = opened()
        gc.freeze()
        gc.set_threshold(200_000, 20, 100)  # records make no cycles, and a collection walks all that are at hand
        threading.Thread(target=maintain_beside, args=(workspace.settings, stop), name="maintenance").start()
        try:
            run_mover(workspace, stop)
        finally:
            stop.set()
    except HubError as error:
        _said.error("%s %s", error.message, error.hint)
        return error.exit_code
    finally:
        stop.set()  # the other thread ends too
    return 0


def when_standard_input_ends(then: Callable[[], None]) -> None:
    """Call `then` when whoever holds the other end of standard input is gone, if it is a pipe."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        return

    def watch() -> None:
        while os.read(0, 4096):
            pass
        then()

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
