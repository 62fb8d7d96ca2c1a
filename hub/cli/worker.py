"""`hub worker`: what is due, together with workers on other machines, in the foreground."""

from __future__ import annotations

from hub.cli.context import chosen, interruptible, open_hub, say
from hub.cli.daemon import address, tell_of
from hub.errors import UsageError


def run_worker(syncs: int | None, metrics: str) -> None:
    """Run until a signal; ends with exit code 0."""
    from hub.running.fleet import new_worker

    where = address(metrics)
    if chosen.project:
        raise UsageError("A worker works on all projects.", hint="Leave --project out.")
    hub = open_hub()
    worker = new_worker(hub, say=say, syncs=syncs or hub.settings.daemon_syncs, metrics=where)
    with interruptible("") as stop:
        worker.run(stop)


def check_worker(as_json: bool) -> None:
    """Tell whether the worker of this machine is well; exit code 1 when it is not."""
    from hub.settings import load

    tell_of(load(chosen.home).worker_health_file, "worker", as_json)
