"""What partners call their campaigns: the name that the newest event tells, and the names before it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from hub.store.tables import connections, origins

if TYPE_CHECKING:
    from hub.connectors.messages import MessageEvent
    from hub.store.store import Store

_MOST_FORMER = 50
_LONGEST_ID = 255


@dataclass(frozen=True)
class Campaign:
    """A campaign as the partner calls it now: `former` are its earlier names, each with the time of the event that
    told another one, the oldest first."""

    connection: str
    id: str
    name: str
    named_at: datetime
    former: tuple[tuple[str, datetime], ...] = ()

    def figures(self) -> dict[str, Any]:
        """For machines: stable keys."""
        former = [{"name": name, "until": until.isoformat()} for name, until in self.former]
        return {"id": self.id, "name": self.name, "named_at": self.named_at.isoformat(), "former": former}


def note_origins(store: Store, connection_id: int, events: Iterable[MessageEvent]) -> None:
    """Keep the names that these events tell. An event that is older than the name that is known changes nothing."""
    told: dict[str, tuple[datetime, str]] = {}
    for event in events:
        if event.origin and event.origin.name:
            key = event.origin.id[:_LONGEST_ID]
            told[key] = max(told.get(key, (event.time, event.origin.name)), (event.time, event.origin.name))
    if not told:
        return
    ours = origins.c.connection_id == connection_id
    query = select(origins).where(ours, origins.c.origin.in_([*told]))
    with store.reading() as connection:
        known = {row.origin: row for row in connection.execute(query)}
    if all(key in known and known[key].name == name for key, (_, name) in told.items()):
        return  # as nearly always: no transaction that writes
    with store.writing() as connection:
        known = {row.origin: row for row in connection.execute(query)}
        for key, (at, name) in told.items():
            row = known.get(key)
            if row is None:
                connection.execute(
                    origins.insert().values(connection_id=connection_id, origin=key, name=name, named_at=at)
                )
            elif at > row.named_at and name != row.name:
                former = [*row.former, {"name": row.name, "until": at.isoformat()}][-_MOST_FORMER:]
                values = {"name": name, "named_at": at, "former": former}
                connection.execute(origins.update().where(ours, origins.c.origin == key).values(values))


def campaigns(store: Store, project_id: int, connection: str = "") -> list[Campaign]:
    """The campaigns of a project's connections (or of one) that have a name, by connection and name."""
    query = (
        select(origins, connections.c.name.label("through"))
        .join(connections, connections.c.id == origins.c.connection_id)
        .where(connections.c.project_id == project_id, connections.c.removed_at.is_(None))
    )
    if connection:
        query = query.where(connections.c.name == connection)
    with store.reading() as transaction:
        rows = transaction.execute(query).all()
    found = [Campaign(row.through, row.origin, row.name, row.named_at, _former(row.former)) for row in rows]
    return sorted(found, key=lambda each: (each.connection, each.name, each.id))


def _former(told: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, datetime], ...]:
    return tuple((each["name"], datetime.fromisoformat(each["until"])) for each in told)
