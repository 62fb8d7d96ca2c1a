"""What is counted of a connection's requests and message events, for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table

from hub.store.tables.base import UtcDateTime

metadata = MetaData()
"""The tables of the inbound log."""

counts = Table(
    "inbound_counts",
    metadata,
    Column("connection_id", Integer, primary_key=True),
    Column("what", String(16), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
)

_LONGEST = 255


class What(StrEnum):
    """What is counted; each under names of its own."""

    NEW = "new"
    """Message events that went into the lake, by the name of the event."""
    KNOWN = "known"
    """Message events that were in the lake already, or came twice."""
    LEFT_OUT = "left_out"
    """Message events of kinds that the connection does not take in, by kind."""
    PAGES = "pages"
    """Pages of received cohorts, by what became of them."""
    NOT_VERIFIED = "not_verified"
    """Requests that nothing was kept of, by reason."""


@dataclass(frozen=True)
class Counted:
    """So many more of something."""

    what: What
    name: str
    number: int


@dataclass(frozen=True)
class Count:
    """How many there were by now, and when the last one was counted."""

    what: str
    name: str
    number: int
    last_at: datetime


def add_counts(connection: Connection, connection_id: int, counted: Sequence[Counted], at: datetime) -> None:
    """Add to the counts of a connection, within a transaction that is the only one to do so."""
    for each in counted:
        if not each.number:
            continue
        this = (
            counts.c.connection_id == connection_id,
            counts.c.what == each.what.value,
            counts.c.name == each.name[:_LONGEST],
        )
        values = {"number": counts.c.number + each.number, "last_at": at}
        if not connection.execute(counts.update().where(*this).values(values)).rowcount:
            named = {"connection_id": connection_id, "what": each.what.value, "name": each.name[:_LONGEST]}
            connection.execute(counts.insert().values(**named, number=each.number, last_at=at))
