"""Fetching message events from partners: page by page, the page stored before its cursor."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.clock import now
from hub.connectors.connections import Connections
from hub.connectors.contract import Ability, Connector
from hub.connectors.messages import MessageEvent
from hub.errors import HubError, Interrupted, PartnerError, PluginError, UsageError
from hub.inbound.store import store_events
from hub.lake.tables import EVENTS
from hub.store.lease import Lease, leased
from hub.store.tables import connections, pulls

if TYPE_CHECKING:
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Pulled:
    """What a pull brought: `new` message events that the lake did not have, out of `read`."""

    connection: str
    read: int
    new: int


@dataclass(frozen=True)
class Source:
    """A connection that message events are pulled from. `received` counts all that were new so far."""

    connection: str
    received: int
    pulled_at: datetime | None
    next_at: datetime | None
    message: str


class Inbound:
    """The message events of one project's connections."""

    def __init__(self, workspace: Workspace, connections: Connections) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._connections = connections

    def list(self) -> list[Source]:
        """Every connection that message events can be pulled from."""
        with self._store.reading() as connection:
            rows = connection.execute(
                select(connections.c.name, connections.c.connector, pulls)
                .outerjoin(pulls, pulls.c.connection_id == connections.c.id)
                .where(connections.c.project_id == self._workspace.project.id, connections.c.removed_at.is_(None))
                .order_by(connections.c.name)
            ).all()
        return [
            Source(row.name, row.received or 0, row.pulled_at, row.next_at, row.message or "")
            for row in rows
            if self._can_pull(row.name)
        ]

    async def pull(self, name: str, *, stop: threading.Event | None = None) -> Pulled:
        """Fetch the message events of a connection since the last time.

        Killed anywhere, it has lost nothing: the next pull reads the page again, and what is stored is dropped.
        Raises UsageError when the connector has none to pull, Busy, the PartnerError of the partner, Interrupted.
        """
        if not self._can_pull(name):
            raise UsageError(f"The connector of {name} cannot pull message events.")
        row = await asyncio.to_thread(self._row, name)
        async with leased(self._store, pulls, row.connection_id, what=f"The message events of {name}") as lease:
            try:
                async with self._connections.opened(name) as connector:
                    pulled = await self._read_all(name, lease, connector, stop or threading.Event())
            except PartnerError as error:
                self._connections.note(row.connection_id, error)
                self._note(lease, message=error.message, next_at=now() + self._interval(name))
                raise
            self._note(lease, message="", pulled_at=now(), next_at=now() + self._interval(name))
        return pulled

    async def _read_all(self, name: str, lease: Lease, connector: Connector, stop: threading.Event) -> Pulled:
        read = new = 0
        connection_id = lease.key
        row = await asyncio.to_thread(self._row, name)
        application = f"pull:{connection_id}"
        stored = await asyncio.to_thread(self._workspace.lake.committed, EVENTS, application)
        version = max(row.version, stored or 0)  # a page may be in the lake whose cursor was not written any more
        try:
            async for events, cursor in connector.pull(dict(row.cursor)):
                version += 1
                fresh = await asyncio.to_thread(self._keep, name, connector, events, application, version)
                read, new = read + len(events), new + fresh
                self._note(lease, cursor=cursor, version=version, received=row.received + new)
                if stop.is_set():
                    raise Interrupted(
                        f"The pull from {name} was stopped; {new} new message events are kept.",
                        signal_number=2,
                        hint=f"`hub inbound pull {name}` goes on from there.",
                    )
        except HubError:
            raise
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"The connector {connector.name} failed with {type(error).__name__}: {error}",
                hint="This is a fault of the plugin; tell its author.",
            ) from error
        return Pulled(name, read, new)

    def _keep(
        self, name: str, connector: Connector, events: Sequence[MessageEvent], application: str, version: int
    ) -> int:
        if connector.message_events is None:
            raise PluginError(f"The connector {connector.name} pulls message events but declares none.")
        return store_events(
            self._workspace,
            name,
            connector.message_events,
            events,
            application=application,
            version=version,
        )

    def _can_pull(self, name: str) -> bool:
        try:
            return Ability.PULL in self._connections.kind(name).abilities
        except PluginError:
            return False

    def _interval(self, name: str) -> timedelta:
        return self._connections.kind(name).limits.pull_interval

    def _row(self, name: str) -> Row[Any]:
        connection_id = self._connections.get(name).id
        with self._store.writing() as connection:
            query = select(pulls).where(pulls.c.connection_id == connection_id)
            if connection.execute(query).first() is None:
                connection.execute(pulls.insert().values(connection_id=connection_id, cursor={}))
            return connection.execute(query).one()

    def _note(self, lease: Lease, **values: Any) -> None:
        with self._store.writing() as connection:
            lease.check(connection)
            connection.execute(pulls.update().where(pulls.c.connection_id == lease.key).values(**values))
