"""Removing a sync, and what that leaves behind, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, func, select

from hub.clock import counted, now
from hub.errors import Busy
from hub.store.store import Store
from hub.store.tables import runs, syncs
from hub.sync.changing import refuse_followed
from hub.sync.held import held_by
from hub.sync.ownership import Ownership

if TYPE_CHECKING:
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Removal:
    """What stays when a sync is removed.

    `held` people are in the audience at the partner because the hub put them there; nobody takes them out any more,
    unless another sync, `writer`, has the audience. `runs` stay in the ledger; `unfinished` tells that one of them was
    interrupted: it is ended, and what it owed does not go out.
    """

    sync: str
    audience: str
    connection: str
    held: int
    runs: int
    unfinished: bool
    writer: str | None

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub sync remove --json`."""
        return {"sync": self.sync, "audience": self.audience, "connection": self.connection, "held": self.held,
                "runs": self.runs, "writer": self.writer}  # fmt: skip

    def sentence(self) -> str:
        """The same, for a person."""
        people = f"{counted(self.held, 'person stays', 'people stay')} in {self.audience!r} at {self.connection}"
        after = f", which the sync {self.writer} writes" if self.writer else "; nobody takes them out any more"
        ended = " One was interrupted: what it owes does not go out." if self.unfinished else ""
        return f"{people}{after}. {counted(self.runs, 'run stays', 'runs stay')} in the ledger.{ended}"


def removal(workspace: Workspace, ownership: Ownership, sync: Row[Any]) -> Removal:
    """Count what would stay if `sync` (a row with the connection's name) were removed now."""
    with workspace.store.reading() as connection:
        counted = connection.execute(
            select(func.count(), func.count().filter(runs.c.finished_at.is_(None))).where(runs.c.sync_id == sync.id)
        ).one()
        known = ownership.find(connection, sync)
    writer = ownership.rival(sync)
    held = 0
    if live := [row.id for row in known if row.gone_at is None and row.project_id == sync.project_id]:
        with workspace.reading_here() as reader:
            held = reader.value(held_by(reader, live[0]).count())
    return Removal(
        sync=sync.name,
        audience=sync.audience_name,
        connection=sync.connection_name,
        held=held,
        runs=counted[0],
        unfinished=bool(counted[1]),
        writer=writer.name if writer is not None else None,
    )


def unfinished_runs(store: Store, sync_id: int) -> list[tuple[int, int]]:
    """The runs of a sync that have not ended, each with its audience."""
    query = select(runs.c.id, runs.c.audience_id).where(_unfinished(sync_id)).order_by(runs.c.id)
    with store.reading() as connection:
        return [(row.id, row.audience_id) for row in connection.execute(query)]


def retire(store: Store, sync_id: int) -> None:
    """Mark a sync as removed; its runs stay. Raises Busy when one of them has begun meanwhile."""
    at = now()
    with store.writing() as connection:
        if connection.execute(select(runs.c.id).where(_unfinished(sync_id))).first():
            raise Busy("A run of the sync has just begun.", hint="Wait for it to end; nothing was removed.")
        refuse_followed(connection, sync_id)
        connection.execute(
            syncs.update().where(syncs.c.id == sync_id).values(removed_at=at, updated_at=at, next_run_at=None)
        )


def _unfinished(sync_id: int) -> ColumnElement[bool]:
    return (runs.c.sync_id == sync_id) & runs.c.finished_at.is_(None)
