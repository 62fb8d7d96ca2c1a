"""The door for partners' requests, for all projects of a hub: greeted, verified, kept, answered; decoded by others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hub.clock import now
from hub.connectors.incoming import InboundRequest, Reply
from hub.errors import NotVerified, StoreError
from hub.inbound.counts import Counted, What
from hub.inbound.entrances import Entrance, Entrances, entrances
from hub.inbound.log import InboundLog
from hub.inbound.requests import Arrived
from hub.ingestion.received import Refused
from hub.intake.gate import Gate

if TYPE_CHECKING:
    from hub.connectors.contract import Connector
    from hub.connectors.plugins import Plugins
    from hub.workspace import Workspace

LASTS = 1.0
"""Seconds after which connections, settings and secrets are read anew."""
AT_MOST_EVERY = 0.25
"""Seconds between two looks for connections that are not known."""

_WATCH_EVERY = 0.5  # seconds
_SMALL = 64 * 1024  # bytes of a body that is verified at once: a thread would cost more than it gives
_FULL = 30  # seconds until a partner may try again when nothing can be stored
_MOST_REASONS = 100  # that are told apart between two looks

_said = logging.getLogger("hub.inbound")

T = TypeVar("T")


@dataclass
class Counts:
    """Requests since the server started. `unknown` came to no connection's address."""

    greeted: int = 0
    kept: int = 0
    not_verified: int = 0
    unknown: int = 0


class Door:
    """Belongs to one event loop, between `open` and `close`. `plugins` are asked for when a connection is there."""

    def __init__(self, workspace: Workspace, plugins: Callable[[], Plugins]) -> None:
        self._workspace = workspace
        self._plugins = plugins
        self._log = InboundLog(workspace.settings.intake_url)
        self._gate = Gate(self._log)
        self._entrances = Entrances()
        self._read_at = float("-inf")
        self._refused: Counter[tuple[int, str]] = Counter()
        self._waiting, self._waiting_bytes = 0, 0
        self.arrived = asyncio.Event()
        """Set once something waits to be decoded."""
        self.counts = Counts()

    def open(self) -> None:
        """Begin to take in. Raises StoreError when the log or the control plane cannot be used."""
        self._log.create()
        self._look()
        self._gate.open()

    def close(self) -> None:
        """Keep what is under way and what was counted, and end."""
        self._gate.close()
        self._count(self._refused_since())
        self._log.close()

    async def watch(self) -> None:
        """Look at the connections and at what waits now and then, until cancelled."""
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            try:
                await asyncio.to_thread(self._look)
                await asyncio.to_thread(self._count, self._refused_since())
            except StoreError as error:
                _said.warning("The door cannot look at the hub: %s", error.message)
            if self._waiting:
                self.arrived.set()

    @property
    def waiting(self) -> int:
        """Requests that are kept and not decoded yet, as of half a second ago."""
        return self._waiting

    async def receive(
        self, name: str, token: str, *, method: str, headers: Mapping[str, str], query: Mapping[str, str], body: bytes
    ) -> Reply:
        """Take in a request to the address of the connection `name`. It is on the disk when this returns its answer.

        Raises Refused: 404 for nobody's address, what a connector refuses it with, 500 when the connector fails, 503
        when nothing can be kept, 429 when too much waits. Then nothing is kept.
        """
        entrance, connector = await self._entrance(name, token)
        request = InboundRequest(method, dict(headers), dict(query), body, now(), secret_path=bool(token))
        greeting = self._failsafe(entrance, lambda: connector.greet(request))
        if greeting is not None:
            self.counts.greeted += 1
            return greeting
        if len(body) <= _SMALL:
            self._verify(entrance, connector, request)
        else:
            await asyncio.to_thread(self._verify, entrance, connector, request)
        if self._waiting_bytes > self._workspace.settings.server_backlog_bytes:
            raise Refused("More is waiting than the hub can decode at once.", 429, retry_after=5)
        try:
            await self._gate.put([Arrived(entrance.connection_id, request)])
        except StoreError as error:
            raise Refused("The hub cannot store anything now.", 503, retry_after=_FULL) from error
        self.counts.kept += 1
        self.arrived.set()
        return self._reply(connector, request)

    async def _entrance(self, name: str, token: str) -> tuple[Entrance, Connector]:
        found = self._entrances.find(name, token)
        if found is None:
            await self._look_again()
            found = self._entrances.find(name, token)
        if found is None:
            self.counts.unknown += 1
            raise Refused("No connection has this address.", 404)
        if found.connector is None:
            _said.warning("Requests for %s are turned away: %s", name, found.problem)
            raise Refused("This connection cannot take anything in now.", 503, retry_after=_FULL)
        return found, found.connector

    async def _look_again(self) -> None:
        """Look for a connection that was made a moment ago. Those who are not known wait for one look together."""
        asked = time.monotonic()
        await asyncio.sleep(max(AT_MOST_EVERY - (asked - self._read_at), 0))
        if self._read_at < asked:
            try:
                await asyncio.to_thread(self._look, lasts=0.0)
            except StoreError as error:
                raise Refused("The hub cannot look for its connections now.", 503, retry_after=5) from error

    def _look(self, *, lasts: float = LASTS) -> None:
        """Read the connections, unless they were read a moment ago, and how much waits."""
        began = time.monotonic()
        if began - self._read_at >= lasts:
            found = self._workspace
            self._entrances = entrances(found.store, self._plugins, found.settings, self._entrances)
            self._read_at = began
        backlog = self._log.waiting()
        self._waiting = sum(each.requests for each in backlog)
        self._waiting_bytes = sum(each.bytes for each in backlog)

    def _verify(self, entrance: Entrance, connector: Connector, request: InboundRequest) -> None:
        try:
            self._failsafe(entrance, lambda: connector.verify(request))
        except NotVerified as error:
            self.counts.not_verified += 1
            self._note_refused(entrance, error.message)
            raise Refused(error.message, error.status) from error  # its hint is for the operator

    def _failsafe(self, entrance: Entrance, call: Callable[[], T]) -> T:
        """Call a connector before anything is kept. When it fails, the partner is told to try again."""
        try:
            return call()
        except NotVerified:
            raise
        except (Exception, SystemExit) as error:
            said = f"The connector failed with {type(error).__name__}"
            _said.warning("A request for %s is not taken in. %s: %s", entrance.name, said, error)
            self._note_refused(entrance, f"{said}; the server's log has more.")
            raise Refused("The hub cannot look at this request now.", 500) from error

    def _reply(self, connector: Connector, request: InboundRequest) -> Reply:
        try:
            return connector.reply(request)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the request is kept: whatever fails now, it was taken
            _said.warning("The connector %s has no answer: %s: %s", connector.name, type(error).__name__, error)
            return Reply()

    def _note_refused(self, entrance: Entrance, reason: str) -> None:
        key = entrance.connection_id, reason
        if key not in self._refused and len(self._refused) >= _MOST_REASONS:
            key = entrance.connection_id, "other reasons"
        self._refused[key] += 1

    def _refused_since(self) -> Counter[tuple[int, str]]:
        """What was refused since the last look. On the loop, where it is counted."""
        refused, self._refused = self._refused, Counter()
        return refused

    def _count(self, refused: Counter[tuple[int, str]]) -> None:
        for (connection_id, reason), number in refused.items():
            self._log.count(connection_id, [Counted(What.NOT_VERIFIED, reason, number)])
