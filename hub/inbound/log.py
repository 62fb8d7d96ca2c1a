"""Requests of partners as they came in: durable before they are answered, kept to be decoded, and decoded again.

They are beside the intake log, in its database: an SQLite file that waits for nobody's transaction on the control
plane (and is in every back-up), or tables on PostgreSQL. What is counted of them is counted in the transaction that
settles them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    bindparam,
    delete,
    func,
    inspect,
    select,
)

from hub.clock import now
from hub.connectors.incoming import InboundRequest
from hub.inbound.counts import Count, Counted, add_counts, counts, metadata
from hub.inbound.requests import Arrived, Backlog, Held, Kept, Settled, State
from hub.intake.log import PRAGMAS, IntakeLog
from hub.store.store import Store
from hub.store.tables.base import Id, UtcDateTime

_requests = Table(
    "inbound_requests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("connection_id", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("decoded_at", UtcDateTime),
    Column("method", String(16), nullable=False),
    Column("headers", JSON, nullable=False),  # without secrets and signatures
    Column("query", JSON, nullable=False),  # likewise
    Column("bytes", Integer, nullable=False),
    Column("events", Integer, nullable=False, default=0),  # that were in it
    Column("reason", Text, nullable=False, default=""),  # why it is parked
    Column("parts", JSON, nullable=False, default=list),  # what nobody could read: {reason, payload}
    Column("body", LargeBinary, nullable=False),  # the last one: who reads the others need not go through it
    # what waits is asked for several times a second, and answered from this alone
    Index("ix_inbound_requests_state", "state", "connection_id", "id", "bytes", "received_at"),
    sqlite_autoincrement=True,
)


_SECRET = re.compile("auth|cookie|signature|secret|token|password|api-?_?key|^key$")
"""What a header or a parameter is called that holds a secret, or proof of one."""


class InboundLog:
    """The requests behind one SQLAlchemy URL. Safe to use from several threads and processes.

    All methods raise StoreError when the database is locked for longer than 30 s, full or away.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = Store(url, PRAGMAS, turn="inbound log")
        self._made = False

    def exists(self) -> bool:
        """Whether the log was made. Makes no file."""
        url = self._store.url
        if self._made:
            return True
        if self._store.embedded and not (url.database and Path(url.database).exists()):
            return False
        with self._store.reading() as connection:
            self._made = inspect(connection).has_table(_requests.name)
        return self._made

    def create(self) -> None:
        """Make the log when it is missing."""
        if not self.exists():
            IntakeLog(self._url).create()  # whoever finds the database may count on both
            with self._store.writing() as connection:
                metadata.create_all(connection)
            self._made = True

    def append(self, arrived: Sequence[Arrived]) -> None:
        """Keep requests, all or none: they are on the disk when this returns."""
        rows = [
            {
                "connection_id": each.connection_id,
                "state": State.WAITING,
                "received_at": each.request.received_at,
                "method": each.request.method,
                "headers": _without_secrets(each.request.headers),
                "query": _without_secrets(each.request.query),
                "body": each.request.body,
                "bytes": len(each.request.body),
            }
            for each in arrived
        ]
        if rows:
            with self._store.writing() as connection:
                connection.execute(_requests.insert(), rows)

    def waiting(self) -> list[Backlog]:
        """What waits to be decoded, by connection."""
        if not self.exists():
            return []
        sums = func.count(), func.sum(_requests.c.bytes), func.min(_requests.c.received_at)
        query = select(_requests.c.connection_id, *sums).where(_requests.c.state == State.WAITING)
        with self._store.reading() as connection:
            rows = connection.execute(query.group_by(_requests.c.connection_id)).all()
        return [Backlog(row[0], row[1], int(row[2]), row[3]) for row in rows]

    def take(
        self,
        connection_id: int,
        states: Iterable[State],
        *,
        most: int,
        bytes: int,
        after: int = 0,
        upto: int | None = None,
        since: datetime | None = None,
    ) -> list[Kept]:
        """The first requests of these states after number `after` (and up to `upto`, and received at `since` or later),
        the oldest first: as many as hold `bytes` at most, but at least one if there is any."""
        if not self.exists():
            return []
        wanted: list[ColumnElement[bool]] = [
            _of(connection_id),
            _requests.c.state.in_([*states]),
            _requests.c.id > after,
        ]
        if upto is not None:
            wanted.append(_requests.c.id <= upto)
        if since is not None:
            wanted.append(_requests.c.received_at >= since)
        sizes = select(_requests.c.id, _requests.c.bytes).where(*wanted).order_by(_requests.c.id).limit(most)
        with self._store.reading() as connection:
            found = connection.execute(sizes).all()
            if not found:
                return []
            fitting = sum(1 for size in accumulate(row.bytes for row in found) if size <= bytes)
            last = found[max(fitting, 1) - 1].id
            these = select(_requests).where(*wanted, _requests.c.id <= last).order_by(_requests.c.id)
            return [_kept(row) for row in connection.execute(these)]

    def newest(self, connection_id: int, states: Iterable[State], *, most: int) -> list[Kept]:
        """The newest requests of these states, the newest first."""
        if not self.exists():
            return []
        query = select(_requests).where(_of(connection_id), _requests.c.state.in_([*states]))
        with self._store.reading() as connection:
            return [_kept(row) for row in connection.execute(query.order_by(_requests.c.id.desc()).limit(most))]

    def last_id(self, connection_id: int) -> int:
        """The number of the newest request of a connection; 0 when there is none."""
        if not self.exists():
            return 0
        with self._store.reading() as connection:
            return int(connection.execute(select(func.max(_requests.c.id)).where(_of(connection_id))).scalar() or 0)

    def settle(self, connection_id: int, settled: Sequence[Settled], counted: Sequence[Counted]) -> None:
        """Note what became of requests, and count, in one transaction."""
        at = now()
        with self._store.writing() as connection:
            plain = [{"this": each.id, "found": each.events} for each in settled if not each.reason]
            if plain:
                values = {
                    "state": State.DONE,
                    "decoded_at": at,
                    "events": bindparam("found"),
                    "reason": "",
                    "parts": [],
                }
                connection.execute(_requests.update().where(_requests.c.id == bindparam("this")).values(values), plain)
            for each in settled:
                if each.reason:
                    values = {"state": State.PARKED, "decoded_at": at, "events": each.events, "reason": each.reason}
                    this = _requests.c.id == each.id
                    connection.execute(_requests.update().where(this).values(**values, parts=list(each.parts)))
            add_counts(connection, connection_id, counted, at)

    def count(self, connection_id: int, counted: Sequence[Counted]) -> None:
        """Count what is about no request that is kept."""
        self.create()
        with self._store.writing() as connection:
            add_counts(connection, connection_id, counted, now())

    def counted(self, connection_id: int) -> list[Count]:
        """All that was ever counted of a connection."""
        if not self.exists():
            return []
        with self._store.reading() as connection:
            rows = connection.execute(select(counts).where(counts.c.connection_id == connection_id)).all()
        return [Count(row.what, row.name, row.number, row.last_at) for row in rows]

    def held(self, connection_id: int) -> Held:
        """What is kept of a connection's requests, by state, and when the last one came in."""
        if not self.exists():
            return Held()
        query = select(_requests.c.state, func.count(), func.max(_requests.c.received_at)).where(_of(connection_id))
        with self._store.reading() as connection:
            rows = connection.execute(query.group_by(_requests.c.state)).all()
        return Held({State(row[0]): row[1] for row in rows}, max((row[2] for row in rows), default=None))

    def forget(self, *, done_before: datetime, parked_before: datetime) -> int:
        """Take out decoded requests received before one instant, parked ones before another. Returns how many."""
        if not self.exists():
            return 0
        old = ((State.DONE, done_before), (State.PARKED, parked_before), (State.WAITING, parked_before))
        gone = 0
        with self._store.writing() as connection:
            for state, before in old:
                these = _requests.c.state == state, _requests.c.received_at < before
                gone += connection.execute(delete(_requests).where(*these)).rowcount
        return gone

    def close(self) -> None:
        """Let go of the file."""
        self._store.engine.dispose()


def _of(connection_id: int) -> ColumnElement[bool]:
    return _requests.c.connection_id == connection_id


def _kept(row: Row[Any]) -> Kept:
    request = InboundRequest(row.method, row.headers, row.query, row.body, row.received_at)
    return Kept(row.id, row.connection_id, State(row.state), request, row.events, row.reason, row.parts, row.decoded_at)


def _without_secrets(named: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in named.items() if not _SECRET.search(name.lower())}
