"""Kept requests into message events and members of cohorts: decoded in their order, stored, and settled.

Killed anywhere, it has lost nothing and doubles nothing: events go into the lake by their ids, pages of cohorts are
applied once, and a request is settled when both are done. What a connector cannot read is parked, and what else was
in the request goes in.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Row, select

from hub.connectors.incoming import Received, Unknown
from hub.connectors.messages import MessageEvent, MessageEvents
from hub.connectors.offline import offline_connector
from hub.errors import Busy, HubError, InputError, NotFound, StoreError, UsageError
from hub.inbound.counts import Counted, What
from hub.inbound.kinds import left_out
from hub.inbound.pages import CohortPages
from hub.inbound.requests import Kept, Settled, State
from hub.inbound.store import store_events
from hub.store.holding import holding
from hub.store.tables import connections

if TYPE_CHECKING:
    from hub.connectors.contract import Connector
    from hub.connectors.incoming import CohortPage
    from hub.connectors.plugins import Plugins
    from hub.inbound.log import InboundLog
    from hub.workspace import Workspace

MOST = 2_000
"""Requests that are decoded at once."""
MOST_BYTES = 16 * 1024 * 1024
"""Bytes of bodies that are decoded at once."""

_MOST_PARTS = 20  # strange parts of a request that are shown
_LONGEST_PART = 4_000  # bytes of JSON


@dataclass
class Decoded:
    """What decoding came to: `requests`, the message events that were in them, how many of these were `new`, and how
    many requests are `parked` now."""

    requests: int = 0
    events: int = 0
    new: int = 0
    parked: int = 0


@dataclass
class _Read:
    """What was in one request."""

    kept: Kept
    events: list[MessageEvent] = field(default_factory=list)
    pages: Sequence[CohortPage] = ()
    left_out: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)

    def park(self, reason: str, payload: Any = None) -> None:
        self.reasons.append(reason)
        if payload is not None and len(self.parts) < _MOST_PARTS:
            self.parts.append({"reason": reason, "payload": _shortened(payload)})

    def settled(self) -> Settled:
        more = len(self.reasons) - 1
        reason = f"{self.reasons[0]}{f' (and {more:,} more)' if more > 0 else ''}" if self.reasons else ""
        return Settled(self.kept.id, len(self.events), reason, self.parts)


class Decoder:
    """Decodes the requests of one project's connections. Methods block."""

    def __init__(self, workspace: Workspace, plugins: Plugins, log: InboundLog) -> None:
        self._workspace = workspace
        self._plugins = plugins
        self._log = log

    def decode(self, connection_id: int, *, stop: threading.Event | None = None) -> Decoded:
        """Decode what waits. Raises Busy when somebody else is at it, StoreError, and as of `offline_connector`."""
        return self._decode(connection_id, [State.WAITING], stop=stop, again=False)

    def replay(
        self, connection_id: int, *, since: datetime | None = None, stop: threading.Event | None = None
    ) -> Decoded:
        """Decode again what is parked, or all that was received since an instant (aware). Harmless when repeated."""
        states = [State.PARKED] if since is None else [*State]
        return self._decode(connection_id, states, since=since, stop=stop, again=True)

    def _decode(
        self,
        connection_id: int,
        states: Collection[State],
        *,
        since: datetime | None = None,
        stop: threading.Event | None,
        again: bool,
    ) -> Decoded:
        row = self._row(connection_id)
        connector = offline_connector(row, self._plugins, self._workspace.settings)
        done, after, upto = Decoded(), 0, self._log.last_id(connection_id)
        work = _Work(self._workspace, self._log, row, connector, left_out(self._workspace.store, connection_id), again)
        with holding(self._workspace.store, f"inbound {connection_id}", what=f"Decoding what {row.name} received"):
            while not (stop and stop.is_set()):
                found = self._log.take(
                    connection_id, states, most=MOST, bytes=MOST_BYTES, after=after, upto=upto, since=since
                )
                if not found:
                    break
                work.carry_out(found, done)
                after = found[-1].id
        return done

    def _row(self, connection_id: int) -> Row[Any]:
        query = select(connections).where(connections.c.id == connection_id, connections.c.removed_at.is_(None))
        with self._workspace.store.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound("The connection was removed.")
        return row


class _Work:
    """Requests of one connection, some at a time."""

    def __init__(
        self,
        workspace: Workspace,
        log: InboundLog,
        row: Row[Any],
        connector: Connector,
        not_taken: Collection[str],
        again: bool,
    ) -> None:
        self._workspace = workspace
        self._log = log
        self._row = row
        self._connector = connector
        self._events = connector.message_events or MessageEvents("", "", ())
        self._known = {kind.kind for kind in self._events.kinds}
        self._left_out = not_taken
        self._again = again
        self._pages = CohortPages(workspace, row.id, row.name)

    def carry_out(self, requests: Sequence[Kept], done: Decoded) -> None:
        read = [self._read(kept) for kept in requests]
        new = self._store(read)
        became = self._apply_pages(read)
        counted = [Counted(What.NEW, name, number) for name, number in new.items()]
        counted += [Counted(What.PAGES, name, number) for name, number in became.items()]
        events = sum(len(each.events) for each in read)
        if not self._again:
            counted.append(Counted(What.KNOWN, "", events - new.total()))
            outside = sum((each.left_out for each in read), Counter[str]())
            counted += [Counted(What.LEFT_OUT, kind, number) for kind, number in outside.items()]
        settled = [each.settled() for each in read]
        self._log.settle(self._row.id, settled, counted)
        done.requests += len(read)
        done.events += events
        done.new += new.total()
        done.parked += sum(1 for each in settled if each.reason)

    def _read(self, kept: Kept) -> _Read:
        """Ask the connector what is in a request. Whatever it does wrong parks this request, and no other."""
        read = _Read(kept)
        try:
            received = self._connector.receive(kept.request)
            self._take(read, received)
        except ValueError as error:
            read.park(f"It cannot be read: {error}")
        except HubError as error:
            read.park(f"{error.message} {error.hint}".strip())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code: whatever it raises is the reason
            read.park(f"The connector {self._connector.name} failed with {type(error).__name__}: {error}")
        return read

    def _take(self, read: _Read, received: Received) -> None:
        for event in received.events:
            if event.kind not in self._known:
                read.park(f"The connector {self._connector.name} declares no kind {event.kind!r}.")
            elif event.kind in self._left_out:
                read.left_out[event.kind] += 1
            else:
                read.events.append(event)
        for unknown in received.unknown:
            _park_unknown(read, unknown)
        read.pages = received.pages

    def _store(self, read: Sequence[_Read]) -> Counter[str]:
        """Store the events of all requests at once; when one of them cannot be stored, each by itself."""
        try:
            return self._store_all([event for each in read for event in each.events])
        except HubError:
            raise
        except Exception:  # noqa: BLE001 - a connector's event may hold anything
            if len(read) > 1:
                return sum((self._store([each]) for each in read), Counter[str]())
            [alone] = read
            return self._without_the_strange(alone)

    def _without_the_strange(self, read: _Read) -> Counter[str]:
        """One request with events that cannot be stored: they are parked, the others go in."""
        new, sound = Counter[str](), []
        for event in read.events:
            try:
                new += self._store_all([event])
                sound.append(event)
            except HubError:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                said = f"An event ({event.kind!r}, {event.id!r}) cannot be stored: {type(error).__name__}: {error}"
                read.park(said)
        read.events = sound
        return new

    def _store_all(self, events: Sequence[MessageEvent]) -> Counter[str]:
        return store_events(self._workspace, self._row.id, self._row.name, self._events, events)

    def _apply_pages(self, read: Sequence[_Read]) -> Counter[str]:
        became: Counter[str] = Counter()
        for each in read:
            for page in each.pages:
                try:
                    became += self._pages.apply(page, each.kept.request.received_at)
                except (StoreError, Busy):
                    raise
                except (UsageError, InputError) as error:
                    each.park(f"A page of the cohort {page.name!r} cannot be taken in: {error.message}")
                except Exception as error:  # noqa: BLE001 - a connector's page may hold anything
                    each.park(f"A page of the cohort {page.name!r} is none: {type(error).__name__}: {error}")
        return became


def _park_unknown(read: _Read, unknown: Unknown) -> None:
    read.park(unknown.reason or "It has no name for this.", {} if unknown.payload is None else unknown.payload)


def _shortened(payload: Any) -> Any:
    """A JSON value to look at; of a large one its beginning, as text."""
    text = orjson.dumps(payload, default=str, option=orjson.OPT_NON_STR_KEYS)
    if len(text) <= _LONGEST_PART:
        return orjson.loads(text)
    return text[:_LONGEST_PART].decode(errors="ignore") + "…"
