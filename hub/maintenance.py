"""The lake kept quick: compacted, its small files put together, and what nobody reads any more deleted.

One process of all does it at a time: it holds the lease MAINTENANCE. `python -P -m hub.maintenance` does what is due
once, on the hub of HUB_HOME; beside a server it is started whenever something is due, as a process of its own, so that
its memory is given back and its work yields to everybody else's.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hub.clock import counted, now
from hub.errors import Busy, HubError, StoreError
from hub.lake.compaction import COMPACTED, TOOK, Compacted, Progress, compact_events, due_months
from hub.lake.lake import Lake
from hub.lake.tables import EVENTS
from hub.lake.tidying import gather, is_scattered, vacuum, vacuum_is_due
from hub.store.holding import MAINTENANCE, holding

if TYPE_CHECKING:
    from hub.lake.slices import Month
    from hub.settings import Settings
    from hub.store.store import Store

REST = 9
"""After a compaction that took a minute the next one waits for so many minutes: compacting takes a tenth of the time at
most, however quickly events come in. What is asked for by a person does not wait."""

LOOK_EVERY = timedelta(seconds=20)

_CHECK_EVERY, _END_SECONDS = 0.5, 2.0

_WHAT = "The maintenance of the lake"
_said = logging.getLogger("hub.maintenance")


def maintain(store: Store, lake: Lake, settings: Settings, stop: threading.Event | None = None) -> list[str]:
    """Do what is due, for all projects of the hub. Returns what was done, in words.

    Nothing is done while another process maintains the lake. Ends early when `stop` is set; what is done stays. Raises
    StoreError when the lake or the control plane cannot be read or written.
    """
    try:
        with holding(store, MAINTENANCE, what=_WHAT):
            return [*_maintained(lake, settings, stop)]
    except Busy:
        return []


def compact(
    store: Store,
    lake: Lake,
    settings: Settings,
    *,
    project_id: int | None = None,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Compacted]:
    """Compact whatever is not compacted, due or not, of one project or of all; and tell of each month when it is done.

    Ends early when `stop` is set. Raises Busy when another process maintains the lake, StoreError when it cannot be
    read or written.
    """
    limit, threads = settings.memory_limit, settings.threads
    with holding(store, MAINTENANCE, what=_WHAT):
        months = due_months(lake, project_id=project_id, whatever=True)
        yield from compact_events(lake, months, memory_limit=limit, threads=threads, progress=progress, stop=stop)
        if not (stop and stop.is_set()):
            for _ in gather(lake, memory_limit=limit, threads=threads, project_id=project_id):
                pass


def maintain_beside(settings: Settings, stop: threading.Event) -> None:
    """Maintain the lake of a hub until `stop` is set, each time in a process of its own. For a thread of a server."""
    lake = Lake(settings.lake_root)
    while not stop.wait(LOOK_EVERY.total_seconds()):
        if not _is_due(lake):
            continue
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hub.maintenance"],
            env={**os.environ, "HUB_HOME": str(settings.home)},
            stdin=subprocess.DEVNULL,
        )
        while process.poll() is None:
            if stop.wait(_CHECK_EVERY):
                _end(process)
                process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()  # it may be killed anywhere


def _is_due(lake: Lake) -> bool:
    try:
        return bool(_rested(lake)) or is_scattered(lake) or vacuum_is_due(lake)
    except StoreError:
        return False  # who moves and who asks says so


def _maintained(lake: Lake, settings: Settings, stop: threading.Event | None) -> Iterator[str]:
    limit, threads = settings.memory_limit, settings.threads
    for done in compact_events(lake, _rested(lake), memory_limit=limit, threads=threads, stop=stop):
        yield f"{done.month} of project {done.project_id}: {counted(done.read, 'event')} compacted"
    if stop and stop.is_set():
        return
    yield from gather(lake, memory_limit=limit, threads=threads)
    yield from vacuum(lake)


def _rested(lake: Lake) -> list[Month]:
    """The months that are due, if the last compaction is long enough ago."""
    ended, took = lake.committed(EVENTS, COMPACTED) or 0, lake.committed(EVENTS, TOOK) or 0
    again = datetime.fromtimestamp(ended, UTC) + REST * timedelta(milliseconds=took)
    return due_months(lake) if now() >= again else []


def main() -> int:
    """Maintain the hub of HUB_HOME once; returns the exit code. It may be killed anywhere."""
    from hub.settings import load
    from hub.store.store import Store

    logging.basicConfig(format="maintenance: %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    os.nice(10)
    try:
        settings = load()
        maintain(Store(settings.control_plane_url), Lake(settings.lake_root), settings, stop)
    except HubError as error:
        _said.error("%s %s", error.message, error.hint)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
