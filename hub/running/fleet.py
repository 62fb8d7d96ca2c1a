"""Whether workers can work on a hub, and one of them: without what they need, in words what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hub.errors import HubError, UsageError

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.running.worker import Worker


def new_worker(hub: Hub, *, say: Callable[[str], None], syncs: int, metrics: tuple[str, int] | None = None) -> Worker:
    """A worker on a hub. See `hub.running.worker.Worker`.

    Raises UsageError when the hub's control plane is not PostgreSQL, HubError when Procrastinate is not installed.
    """
    if hub.workspace.store.embedded:
        raise UsageError(
            "Workers share a PostgreSQL, and this hub's control plane is SQLite.",
            hint="On one machine `hub daemon` does the same. For several, set HUB_DATABASE_URL: see docs/fleet.md.",
        )
    try:
        from hub.running.worker import Worker
    except ImportError as error:
        raise HubError(
            f"What workers need is not installed: {error.name}.",
            hint="Install it with `pip install 'cohort-hub[fleet]'`.",
        ) from error
    return Worker(hub, say=say, syncs=syncs, metrics=metrics)
