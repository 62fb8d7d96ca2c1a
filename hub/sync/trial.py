"""What a sync would do that is not made yet: who would go out, by which key, with which values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hub.connectors.containing import contained
from hub.connectors.pacing import within
from hub.errors import MappingWrong, PartnerError
from hub.sync.draft import Draft
from hub.sync.ledger import Ledger
from hub.sync.mapping import checked
from hub.sync.ownership import Ownership
from hub.sync.preview import Preview, preview
from hub.sync.states import Leavers
from hub.sync.thresholds import refuse_leavers

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.connectors.connections import Connections
    from hub.workspace import Workspace

LONGEST_CHECK = 20.0
"""Seconds that a partner has to say whether it has the fields of a mapping: somebody waits for the answer."""


class Trials:
    """Tries syncs out. Nothing is changed, here or at a partner."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections) -> None:
        self._workspace = workspace
        self._cohorts = cohorts
        self._connections = connections

    def plan(
        self,
        cohort: str,
        connection: str,
        *,
        audience: str = "",
        name: str = "",
        mapping: Mapping[str, Any] | None = None,
        leavers: Leavers | None = None,
    ) -> Preview:
        """The first run of the sync that `Syncs.start` would make of this. Raises NotFound, UsageError."""
        found, kind = self._connections.get(connection), self._connections.kind(connection)
        if leavers:
            refuse_leavers(leavers, kind)
        draft = Draft(
            name=name or f"{cohort}-{connection}",
            cohort_name=self._cohorts.get(cohort).name,
            connection_name=connection,
            connection_id=found.id,
            audience_name=audience or f"hub: {cohort}",
            mapping=checked(mapping or {}, kind),
            leavers=(leavers or Leavers.REMOVE).value,
            project_id=self._workspace.project.id,
        )
        ownership = Ownership(self._workspace.store, self._connections, self._workspace.project)
        return preview(self._workspace, self._connections, ownership, Ledger(self._workspace.store), draft)

    async def check(self, connection: str, mapping: Mapping[str, Any]) -> str:
        """Ask the partner whether it has the fields of a mapping; returns why it could not tell, if so.

        Raises MappingWrong, naming those that it does not have; UsageError as of `plan`; PluginError.
        """
        targets = [*checked(mapping, self._connections.kind(connection))]
        if not targets:
            return ""
        try:
            async with within(LONGEST_CHECK), self._connections.opened(connection, read_attempts=1) as opened:
                await contained(opened, opened.check_mapping(targets))
        except MappingWrong:
            raise
        except (PartnerError, TimeoutError) as error:
            said = error.message if isinstance(error, PartnerError) else f"no answer within {LONGEST_CHECK:.0f} s."
            return f"{connection} could not be asked whether it has these fields: {said}"
        return ""
