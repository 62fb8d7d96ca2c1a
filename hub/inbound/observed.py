"""Message events that were kept, as plugins are told of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.connectors.messages import MessageEvent
from hub.connectors.observing import ConnectionRef, anybody, message_events
from hub.store.tables import connections

if TYPE_CHECKING:
    from hub.workspace import Workspace


def tell_plugins(workspace: Workspace, connection_id: int, name: str, events: Sequence[MessageEvent]) -> None:
    """Tell plugins of message events that are in the lake now. Where no plugin listens, nothing is read for it."""
    if not anybody("hub_message_events"):
        return
    with workspace.store.reading() as connection:
        query = select(connections.c.connector).where(connections.c.id == connection_id)
        kind = connection.execute(query).scalar_one()
    message_events(ConnectionRef(workspace.project.name, name, kind), events)
