"""One contender's turn, in a process of its own: prints what it took as one JSON object.

    python -m benchmarks.syncing.contender hub|made|loop|diff ...

`wall` and `cpu` are seconds of the work alone: everything that is needed is imported before, as in a daemon that has
run for a while. `memory` is the most that the process ever had in memory, in MiB, whatever it was for.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

_NEEDED = (
    "ibis",
    "ibis.backends.duckdb",
    "deltalake",
    "httpx_aiohttp",
    "pyarrow.dataset",
    "hub.sync.engine",
    "hub.cohorts.compile",
)


def turn(work: Callable[[], dict[str, Any] | None]) -> None:
    """Do the work, and print what it took, and what it returns."""
    began, spent = perf_counter(), _cpu()
    told = work() or {}
    print(json.dumps({"wall": perf_counter() - began, "cpu": _cpu() - spent, "memory": _most_memory(), **told}))


def hub(url: str, name: str) -> None:
    """Run a sync of the hub in HUB_HOME as `hub sync run` does."""
    for module in _NEEDED:
        importlib.import_module(module)
    opened = _prepared(url, name)
    freshness = _timed("hub.sync.engine", "note_delivered")

    def run() -> dict[str, Any]:
        run = asyncio.run(opened.syncs.run(name))
        assert run.state == "done", run
        return {
            "timings": run.timings,
            "sent": run.added + run.updated + run.removed,
            "unchanged": run.unchanged,
            "freshness": sum(freshness),
        }

    turn(run)


def made(url: str, name: str) -> None:
    """Make the connection and a sync of that name, and run nothing."""
    _prepared(url, name)


def diff(url: str) -> None:
    """Find out by hand what differs from what is held in HUB_HOME, and post it."""
    from benchmarks.syncing.floor import post_differences

    turn(lambda: post_differences(url, Path(os.environ["HUB_HOME"])))


def _prepared(url: str, name: str) -> Any:
    """The hub with the connection to the receiver and the sync, which are made unless they are there."""
    import ibis

    from benchmarks.syncing import partner, people
    from hub.app import Hub

    ibis.duckdb.connect().disconnect()
    opened = Hub.open()
    if not opened.connections.list():
        asyncio.run(opened.connections.add(partner.NAME, partner.NAME, {"base_url": url}))
    if name not in [sync.name for sync in opened.syncs.list()]:
        audience = people.AUDIENCE if name == people.SYNC else name
        opened.syncs.start(people.COHORT, partner.NAME, mapping=people.MAPPING, audience=audience, name=name)
    return opened


def loop(url: str, file: str) -> None:
    """Post the members of a Parquet file by hand."""
    from benchmarks.syncing.floor import post_file

    turn(lambda: post_file(url, Path(file)))


def _timed(module: str, name: str) -> list[float]:
    """Let a function note the seconds of each of its calls in the list that is returned."""
    there, took = importlib.import_module(module), list[float]()
    function = getattr(there, name)

    def timed(*arguments: Any, **options: Any) -> Any:
        began = perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            took.append(perf_counter() - began)

    setattr(there, name, timed)
    return took


def _cpu() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _most_memory() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    {"hub": hub, "made": made, "loop": loop, "diff": diff}[sys.argv[1]](*sys.argv[2:])
