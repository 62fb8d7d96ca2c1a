"""A run, as plugins are told of it, and what they may change of its batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from hub.connectors.contract import Member
from hub.connectors.observing import ConnectionRef, SyncRun, after_run, anybody, before_run, payload
from hub.sync.models import Run
from hub.sync.parties import Parties
from hub.sync.runs import Runs

if TYPE_CHECKING:
    from hub.connectors.connections import Connections
    from hub.workspace import Workspace

Payload = Callable[[Sequence[Member]], Awaitable[Sequence[Member]]]


class Observers:
    """What plugins are told of the runs of one project. Without a plugin that listens, nothing is read for it."""

    def __init__(self, workspace: Workspace, connections: Connections, runs: Runs) -> None:
        self._project = workspace.project.name
        self._connections = connections
        self._runs = runs

    async def before(self, parties: Parties) -> None:
        """A run begins, or is gone on with."""
        if anybody("hub_before_run"):
            await before_run(await asyncio.to_thread(self._told, parties))

    async def after(self, parties: Parties) -> None:
        """A run has ended, or waits for a person."""
        if anybody("hub_after_run"):
            await after_run(await asyncio.to_thread(self._told, parties))

    def payload(self, parties: Parties) -> Payload:
        """What plugins make of a batch of this run."""
        return partial(payload, self._connection(parties))

    def _connection(self, parties: Parties) -> ConnectionRef:
        kind = self._connections.get(parties.connection).connector
        return ConnectionRef(self._project, parties.connection, kind)

    def _told(self, parties: Parties) -> SyncRun:
        return _sync_run(self._runs.get(parties.run.id), parties.cohort, self._connection(parties))


def _sync_run(run: Run, cohort: str, connection: ConnectionRef) -> SyncRun:
    return SyncRun(
        id=run.id,
        sync=run.sync,
        cohort=cohort,
        connection=connection,
        audience=run.audience,
        trigger=str(run.trigger),
        state=run.state.value,
        started_at=run.created_at,
        finished_at=run.finished_at,
        qualified=run.qualified,
        skipped=dict(run.skipped),
        added=run.added,
        updated=run.updated,
        removed=run.removed,
        rejected=run.rejected,
        owed=run.owed,
        message=run.message,
    )
