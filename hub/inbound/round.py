"""What waits to be decoded, of all projects of a hub, one connection at a time."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.clock import now
from hub.errors import NotFound
from hub.inbound.decoding import Decoded, Decoder
from hub.inbound.log import InboundLog
from hub.projects import every_project
from hub.store.tables import connections

if TYPE_CHECKING:
    from hub.connectors.plugins import Plugins
    from hub.inbound.requests import Backlog
    from hub.settings import Settings
    from hub.workspace import Workspace


class Round:
    """Belongs to one thread."""

    def __init__(self, workspace: Workspace, plugins: Plugins) -> None:
        self._workspace = workspace
        self._plugins = plugins
        self._log = InboundLog(workspace.settings.intake_url)
        self._of: dict[int, tuple[int, str]] = {}

    def waiting(self) -> list[Backlog]:
        """What waits, of connections that are there. Raises StoreError."""
        found = self._log.waiting()
        if found:
            query = select(connections.c.id, connections.c.project_id, connections.c.name)
            with self._workspace.store.reading() as connection:
                rows = connection.execute(query.where(connections.c.removed_at.is_(None))).all()
            self._of = {row.id: (row.project_id, row.name) for row in rows}
        return [each for each in found if each.connection_id in self._of]

    def name(self, connection_id: int) -> str:
        """The name of a connection that was among the waiting ones."""
        return self._of[connection_id][1]

    def project(self, connection_id: int) -> int:
        """The project of a connection that was among the waiting ones."""
        return self._of[connection_id][0]

    def decode(self, connection_id: int, *, stop: threading.Event | None = None) -> Decoded:
        """Decode what waits of one connection. Raises Busy when somebody else is at it, and HubError."""
        store, project_id = self._workspace.store, self.project(connection_id)
        projects = {project.id: project for project in every_project(store)}
        if project_id not in projects:
            raise NotFound("The project of the connection was removed.")
        workspace = replace(self._workspace, project=projects[project_id])
        return Decoder(workspace, self._plugins, self._log).decode(connection_id, stop=stop)

    def forget(self) -> int:
        """Take out requests that need not be kept any longer. Returns how many."""
        return forget_requests(self._log, self._workspace.settings)


def forget_requests(log: InboundLog, settings: Settings) -> int:
    """Take out requests that the settings do not keep any longer. Returns how many."""
    at = now()
    return log.forget(
        done_before=at - timedelta(days=settings.inbound_days),
        parked_before=at - timedelta(days=settings.inbound_parked_days),
    )
