"""Which connections' message events are due to be pulled or decoded, of all projects of a hub in one question each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.connectors.connection import STOPPED_STATES
from hub.connectors.contract import Ability
from hub.store.tables import connections, pulls

if TYPE_CHECKING:
    from hub.connectors.plugins import Plugins
    from hub.inbound.log import InboundLog
    from hub.store.store import Store


LEFT_ALONE = timedelta(seconds=3)
"""For so long what came in is left to the process beside the server that took it in."""


@dataclass(frozen=True)
class DuePull:
    """A connection whose message events are due, to be pulled or to be decoded."""

    project_id: int
    name: str


def due_pulls(store: Store, plugins: Plugins, at: datetime, *, project_id: int | None = None) -> list[DuePull]:
    """The working connections that are due at `at`, of one project or of all, by project and name.

    One that is put off for longer than its interval is due, too: a clock was set back.
    """
    kinds = {name: kind for name, kind in plugins.connectors.items() if Ability.PULL in kind.abilities}
    query = (
        select(connections.c.project_id, connections.c.name, connections.c.connector, pulls.c.next_at)
        .outerjoin(pulls, pulls.c.connection_id == connections.c.id)
        .where(
            connections.c.removed_at.is_(None),
            connections.c.connector.in_(kinds),
            connections.c.state.not_in(STOPPED_STATES),
        )
        .order_by(connections.c.project_id, connections.c.name)
    )
    if project_id is not None:
        query = query.where(connections.c.project_id == project_id)
    with store.reading() as connection:
        rows = connection.execute(query).all()
    return [
        DuePull(row.project_id, row.name)
        for row in rows
        if row.next_at is None or row.next_at <= at or row.next_at > at + kinds[row.connector].limits.pull_interval
    ]


def due_decodes(store: Store, log: InboundLog, at: datetime) -> list[DuePull]:
    """The connections whose requests wait to be decoded and were left to the server in vain, by project and name."""
    waiting = [each.connection_id for each in log.waiting() if at - each.oldest_at >= LEFT_ALONE]
    if not waiting:
        return []
    query = (
        select(connections.c.project_id, connections.c.name)
        .where(connections.c.id.in_(waiting), connections.c.removed_at.is_(None))
        .order_by(connections.c.project_id, connections.c.name)
    )
    with store.reading() as connection:
        return [DuePull(row.project_id, row.name) for row in connection.execute(query)]
