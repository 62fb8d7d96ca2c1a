"""Which kinds of message events a connection takes in: all, but for those that an operator leaves out."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.errors import UsageError
from hub.inbound.entrances import secret_token
from hub.store.tables import doors

if TYPE_CHECKING:
    from hub.connectors.messages import MessageEvents
    from hub.settings import Settings
    from hub.store.store import Store


def left_out(store: Store, connection_id: int) -> frozenset[str]:
    """The kinds that a connection leaves out: they are counted, and not kept."""
    with store.reading() as connection:
        found = connection.execute(select(doors.c.left_out).where(doors.c.connection_id == connection_id)).scalar()
    return frozenset(found or ())


def leave_out(store: Store, settings: Settings, connection_id: int, kinds: Collection[str]) -> None:
    """Leave out these kinds from now on, and no others. What is in the lake stays there."""
    secret_token(store, settings, connection_id)  # makes the row
    with store.writing() as connection:
        this = doors.c.connection_id == connection_id
        connection.execute(doors.update().where(this).values(left_out=sorted(kinds)))


def kinds_called(known: MessageEvents, names: Collection[str]) -> set[str]:
    """The kinds that these names mean: a kind, the name of its event, or a metric such as `opened`.

    Raises UsageError for a name that means none.
    """
    found: set[str] = set()
    for name in names:
        meant = {each.kind for each in known.kinds if name in (each.kind, each.event, each.metric.value)}
        if not meant:
            metrics = sorted({each.metric.value for each in known.kinds})
            raise UsageError(
                f"There is no kind of message event {name!r}.",
                hint=f"`hub inbound kinds CONNECTION` lists them; these words mean several: {', '.join(metrics)}.",
            )
        found |= meant
    return found
