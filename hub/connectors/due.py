"""Which connections are due to be checked: a revoked credential is found within a day, whatever the syncs do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.connectors.connection import STOPPED_STATES, UNREACHABLE
from hub.store.tables import connections

if TYPE_CHECKING:
    from hub.connectors.plugins import Plugins
    from hub.store.store import Store

CHECKED_EVERY = timedelta(days=1)
AWAY_CHECKED_EVERY = timedelta(hours=1)
"""How often a partner that could not be reached is asked again whether the connection works."""


@dataclass(frozen=True)
class DueCheck:
    """A connection that is due to be checked."""

    project_id: int
    name: str


def due_checks(store: Store, plugins: Plugins, at: datetime, *, project_id: int | None = None) -> list[DueCheck]:
    """The connections that are due at `at`, of one project or of all, by project and name.

    Those that are stopped wait for somebody to mend them. One that was checked in the future is due, too: a clock was
    set back.
    """
    query = (
        select(connections.c.project_id, connections.c.name, connections.c.state, connections.c.checked_at)
        .where(
            connections.c.removed_at.is_(None),
            connections.c.connector.in_([*plugins.connectors]),
            connections.c.state.not_in(STOPPED_STATES),
        )
        .order_by(connections.c.project_id, connections.c.name)
    )
    if project_id is not None:
        query = query.where(connections.c.project_id == project_id)
    with store.reading() as connection:
        rows = connection.execute(query).all()
    return [DueCheck(row.project_id, row.name) for row in rows if _is_due(row.state, row.checked_at, at)]


def _is_due(state: str, checked_at: datetime | None, at: datetime) -> bool:
    every = AWAY_CHECKED_EVERY if state == UNREACHABLE else CHECKED_EVERY
    return checked_at is None or checked_at <= at - every or checked_at > at
