"""Whether workers can work on a hub, and one of them: without what they need, in words what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.errors import HubError, SecretsUnreadable, UsageError
from hub.store.secrets import open_vault
from hub.store.tables import connections

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.running.worker import Worker


def new_worker(hub: Hub, *, say: Callable[[str], None], syncs: int, metrics: tuple[str, int] | None = None) -> Worker:
    """A worker on a hub. See `hub.running.worker.Worker`.

    Raises UsageError when the hub's control plane is not PostgreSQL, HubError when Procrastinate is not installed,
    SecretsUnreadable when this machine has no key, or one that opens none of the secrets.
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
    _refuse_a_wrong_key(hub)
    return Worker(hub, say=say, syncs=syncs, metrics=metrics)


def _refuse_a_wrong_key(hub: Hub) -> None:
    """A worker that opens no secret fails whatever it takes from the queue, before another one can do it."""
    vault = open_vault(hub.settings)
    with hub.workspace.store.reading() as connection:
        sealed = connection.execute(select(connections.c.secrets).where(connections.c.removed_at.is_(None))).scalars()
        wrong: SecretsUnreadable | None = None
        for secrets in sealed:
            try:
                vault.open(secrets)
            except SecretsUnreadable as error:
                wrong = error
            else:
                return  # what another key had sealed is broken everywhere, and says so itself
    if wrong:
        raise wrong
