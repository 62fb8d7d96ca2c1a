"""What is counted of a connection's requests and message events, for ever."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, String, Table, func, select

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
_MOST_NAMES, _OTHERS = 200, "others"


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
    """Add to the counts of a connection, within a transaction that is the only one to do so.

    What comes in chooses names, too: beyond `_MOST_NAMES` they are counted together.
    """
    for each in counted:
        if each.number and not _added(connection, connection_id, each, at):
            ours = counts.c.connection_id == connection_id, counts.c.what == each.what.value
            names = connection.execute(select(func.count()).where(*ours)).scalar_one()
            name = each.name[:_LONGEST] if names < _MOST_NAMES else _OTHERS
            if name == _OTHERS and _added(connection, connection_id, replace(each, name=name), at):
                continue
            key = {"connection_id": connection_id, "what": each.what.value, "name": name}
            connection.execute(counts.insert().values(**key, number=each.number, last_at=at))


def _added(connection: Connection, connection_id: int, each: Counted, at: datetime) -> bool:
    """Add to a count that is there; whether it is."""
    this = (
        counts.c.connection_id == connection_id,
        counts.c.what == each.what.value,
        counts.c.name == each.name[:_LONGEST],
    )
    values = {"number": counts.c.number + each.number, "last_at": at}
    return bool(connection.execute(counts.update().where(*this).values(values)).rowcount)
