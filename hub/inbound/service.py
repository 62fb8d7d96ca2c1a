"""Partners' message events of one project: fetched, received at the door, and what became of both."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.clock import now
from hub.connectors.connections import Connections
from hub.connectors.contract import Ability
from hub.connectors.messages import MessageEventKind, MessageEvents
from hub.errors import HubError, PluginError, UsageError
from hub.inbound.counts import Count, What
from hub.inbound.decoding import Decoded, Decoder
from hub.inbound.entrances import PATH, secret_token
from hub.inbound.kinds import kinds_called, leave_out, left_out
from hub.inbound.log import InboundLog
from hub.inbound.origins import Campaign, campaigns
from hub.inbound.pulling import Pulled, Pulling
from hub.inbound.renamings import Renaming, renamings
from hub.inbound.requests import Kept, State
from hub.inbound.round import forget_requests
from hub.inbound.sequence import Sequenced, recipients, sequence
from hub.store.tables import connections, pulls

if TYPE_CHECKING:
    from hub.connectors.plugins import Plugins
    from hub.workspace import Workspace

__all__ = ["Decoded", "Inbound", "Pulled", "Source"]

_LOOKS_BACK = timedelta(days=7)


@dataclass(frozen=True)
class Source:
    """A connection that message events come from: by polling (`pulls`), at the door (`receives`), or both.

    `received` counts all that were new so far, `left_out` those of kinds that are not taken in, by kind.
    `not_verified` are requests that nothing was kept of, by reason; `pages` those of received cohorts, by what became
    of them. `message` says what is wrong with the last pull.
    """

    connection: str
    received: int
    pulled_at: datetime | None
    next_at: datetime | None
    message: str
    pulls: bool = True
    receives: bool = False
    requests: int = 0
    last_request_at: datetime | None = None
    waiting: int = 0
    parked: int = 0
    not_verified: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    pages: Mapping[str, int] = field(default_factory=dict)
    renamed: Sequence[Campaign] = ()

    @property
    def refused(self) -> int:
        """How many requests were not verified."""
        return sum(self.not_verified.values())


class Inbound:
    """The message events of one project's connections."""

    def __init__(self, workspace: Workspace, connections: Connections, plugins: Plugins) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._connections = connections
        self._plugins = plugins
        self._log = InboundLog(workspace.settings.intake_url)
        self._pulling = Pulling(workspace, connections, self._log)

    def list(self) -> list[Source]:
        """Every connection that message events can come from."""
        with self._store.reading() as connection:
            rows = connection.execute(
                select(connections.c.id, connections.c.name, connections.c.connector, pulls)
                .outerjoin(pulls, pulls.c.connection_id == connections.c.id)
                .where(connections.c.project_id == self._workspace.project.id, connections.c.removed_at.is_(None))
                .order_by(connections.c.name)
            ).all()
        waiting = {each.connection_id: each.requests for each in self._log.waiting()}
        found = []
        for row in rows:
            can_pull, receives = self._pulling.can(row.name), self.receives(row.name)
            if not (can_pull or receives):
                continue
            held, counted = self._log.held(row.id), self._log.counted(row.id)
            new = sum(_by_name(counted, What.NEW).values())
            found.append(
                Source(
                    row.name,
                    (row.received or 0) + new,
                    row.pulled_at,
                    row.next_at,
                    row.message or "",
                    pulls=can_pull,
                    receives=receives,
                    requests=sum(held.by_state.values()),
                    last_request_at=held.last_at,
                    waiting=waiting.get(row.id, 0),
                    parked=held.by_state.get(State.PARKED, 0),
                    not_verified=_by_name(counted, What.NOT_VERIFIED),
                    left_out=_by_name(counted, What.LEFT_OUT),
                    pages=_by_name(counted, What.PAGES),
                    renamed=tuple(each for each in self.campaigns(row.name) if each.former),
                )
            )
        return found

    def source(self, name: str) -> Source:
        """One of `list`. Raises NotFound, and UsageError when nothing comes from that connection."""
        self._connections.get(name)
        for each in self.list():
            if each.connection == name:
                return each
        raise UsageError(f"The connector of {name} has no message events.")

    async def pull(self, name: str, *, stop: threading.Event | None = None) -> Pulled:
        """Fetch the message events of a connection since the last time.

        Killed anywhere, it has lost nothing: the next pull reads the page again, and what is stored is dropped.
        Raises UsageError when the connector has none to pull, Busy, the PartnerError of the partner, Interrupted.
        """
        return await self._pulling.pull(name, stop=stop)

    def receives(self, name: str) -> bool:
        """Whether a connection takes in what its partner sends. Raises NotFound."""
        try:
            return Ability.RECEIVE in self._connections.kind(name).abilities
        except PluginError:
            return False

    def address(self, name: str, *, secret: bool = True) -> str:
        """Where the partner of a connection sends to: its secret address, or the plain one. Raises NotFound.

        It begins with the setting `server_url`; without one it is the path alone.
        """
        found = self._connections.get(name)
        base = self._workspace.settings.server_url.rstrip("/")
        plain = f"{base}{PATH}/{found.name}"
        return f"{plain}/{secret_token(self._store, self._workspace.settings, found.id)}" if secret else plain

    def decode(self, name: str, *, stop: threading.Event | None = None) -> Decoded:
        """Decode what waits of a connection. Raises NotFound, Busy, StoreError, PluginError."""
        return self._decoder().decode(self._connections.get(name).id, stop=stop)

    def replay(self, name: str, *, since: datetime | None = None, stop: threading.Event | None = None) -> Decoded:
        """Decode again what is parked, or everything that was received since an instant. Harmless when repeated.

        Raises as of `decode`.
        """
        return self._decoder().replay(self._connections.get(name).id, since=since, stop=stop)

    def kept(self, name: str, *, parked: bool = True, most: int = 20) -> Sequence[Kept]:
        """The newest requests of a connection that are parked, or of any state, the newest first. Raises NotFound."""
        return self._log.newest(self._connections.get(name).id, [State.PARKED] if parked else [*State], most=most)

    def kinds(self, name: str) -> Sequence[tuple[MessageEventKind, bool]]:
        """Every kind of message event of a connection, and whether it is taken in. Raises NotFound, UsageError."""
        gone = left_out(self._store, self._connections.get(name).id)
        return [(kind, kind.kind not in gone) for kind in self._declared(name).kinds]

    def choose_kinds(self, name: str, *, take: Sequence[str] = (), leave: Sequence[str] = ()) -> None:
        """Take in these kinds again, leave out those: kinds, event names, or metrics such as `opened`.

        What is in the lake stays there. Raises NotFound, UsageError.
        """
        known, connection_id = self._declared(name), self._connections.get(name).id
        gone = set(left_out(self._store, connection_id)) - kinds_called(known, take) | kinds_called(known, leave)
        leave_out(self._store, self._workspace.settings, connection_id, gone)

    def catch_up(self) -> None:
        """Decode what waits of every connection of the project, as far as that can be done now."""
        names = {each.id: each.name for each in self._connections.list()}
        for waiting in self._log.waiting():
            if waiting.connection_id in names:
                with contextlib.suppress(HubError):  # somebody else does it, or it stays, and is shown as waiting
                    self.decode(names[waiting.connection_id])

    def check_events(self, name: str, *, person: str = "", since: datetime | None = None) -> Sequenced:
        """What was told of the newest message through a connection since an instant (by default in the last seven
        days): to somebody, by any id or by an address, or to anybody.

        Whom the hub does not know is looked for as the partner told him. Raises NotFound (connection), UsageError.
        """
        self.catch_up()
        known, connection_id = self._declared(name), self._connections.get(name).id
        return sequence(
            self._workspace,
            name,
            known,
            persons=recipients(self._workspace, person) if person else (),
            since=since or now() - _LOOKS_BACK,
            left_out=left_out(self._store, connection_id),
        )

    def renamings(
        self, person: str, *, since: datetime | None = None, until: datetime | None = None
    ) -> Sequence[Renaming]:
        """The campaigns of a person's messages that were renamed, the oldest first."""
        return renamings(self._workspace, self.campaigns(), person, since=since, until=until)

    def campaigns(self, name: str = "") -> Sequence[Campaign]:
        """What partners call their campaigns, of one connection or of all, with the names before."""
        return campaigns(self._store, self._workspace.project.id, name)

    def forget(self) -> int:
        """Take out requests of partners that the settings do not keep any longer, of all projects."""
        return forget_requests(self._log, self._workspace.settings)

    def _declared(self, name: str) -> MessageEvents:
        declared = self._connections.kind(name).message_events
        if declared is None:
            raise UsageError(f"The connector of {name} has no message events.")
        return declared

    def _decoder(self) -> Decoder:
        return Decoder(self._workspace, self._plugins, self._log)


def _by_name(counted: Sequence[Count], what: What) -> dict[str, int]:
    return {each.name: each.number for each in counted if each.what == what.value}
