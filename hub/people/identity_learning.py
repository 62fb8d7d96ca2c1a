"""Getting to know who is who from rows on their way into the lake: what an import of events is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.clock import now
from hub.people.identity import apply_links, links_of, publish_identity
from hub.people.profile_publishing import publish_profiles
from hub.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

_PUBLISHED_AT = 500_000


class Learning:
    """Takes note of the links in a project's events. `hub.events.importing.People` says when it is called."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._unpublished = 0

    def learn(self, rows: pa.Table) -> None:
        """Apply the links in some rows of the table `events`, and publish now and then.

        Raises StoreError when the control plane or the lake cannot be written.
        """
        project = self._workspace.project
        links = links_of(rows, project.identity)
        if not links:
            return
        with self._workspace.store.writing() as connection:
            changed = apply_links(connection, project, links, now())
        self._unpublished += changed
        if self._unpublished >= _PUBLISHED_AT:
            self.publish()

    def publish(self) -> None:
        """Let the lake know, and of the profiles that were merged. Raises StoreError when it cannot be written."""
        publish_identity(self._workspace.store, self._workspace.lake, self._workspace.project.id)
        if self._workspace.project.identity == "original":
            publish_profiles(self._workspace)
        self._unpublished = 0
