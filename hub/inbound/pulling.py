"""Fetching message events from partners: page by page, the page stored before its cursor."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.clock import now
from hub.connectors.connections import Connections
from hub.connectors.contract import Ability, Connector
from hub.connectors.messages import MessageEvent
from hub.errors import HubError, Interrupted, PartnerError, PluginError, UsageError
from hub.inbound.counts import Counted, What
from hub.inbound.kinds import left_out
from hub.inbound.store import store_events
from hub.store.lease import Lease, leased
from hub.store.tables import pulls

if TYPE_CHECKING:
    from hub.inbound.log import InboundLog
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Pulled:
    """What a pull brought: `new` message events that the lake did not have, out of `read`."""

    connection: str
    read: int
    new: int


class Pulling:
    """Pulls of one project's connections."""

    def __init__(self, workspace: Workspace, connections: Connections, log: InboundLog) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._connections = connections
        self._log = log

    def can(self, name: str) -> bool:
        """Whether message events can be pulled from a connection."""
        try:
            return Ability.PULL in self._connections.kind(name).abilities
        except PluginError:
            return False

    async def pull(self, name: str, *, stop: threading.Event | None = None) -> Pulled:
        """Fetch the message events of a connection since the last time. See `Inbound.pull`."""
        if not self.can(name):
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
        row = await asyncio.to_thread(self._row, name)
        version = row.version
        not_taken = await asyncio.to_thread(left_out, self._store, lease.key)
        try:
            async for events, cursor in connector.pull(dict(row.cursor)):
                version += 1
                fresh = await asyncio.to_thread(self._keep, name, lease.key, connector, events, not_taken)
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
        self,
        name: str,
        connection_id: int,
        connector: Connector,
        events: Sequence[MessageEvent],
        not_taken: frozenset[str],
    ) -> int:
        if connector.message_events is None:
            raise PluginError(f"The connector {connector.name} pulls message events but declares none.")
        taken = [event for event in events if event.kind not in not_taken]
        outside = Counter(event.kind for event in events if event.kind in not_taken)
        new = store_events(self._workspace, connection_id, name, connector.message_events, taken)
        if outside:
            counted = [Counted(What.LEFT_OUT, kind, number) for kind, number in outside.items()]
            self._log.count(connection_id, counted)
        return new.total()

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
