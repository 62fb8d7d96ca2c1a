"""The rows that a run is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from hub.store.store import Store
from hub.store.tables import audiences, cohorts, connections, runs, syncs


@dataclass(frozen=True)
class Parties:
    """The run, its sync and its audience, as rows; the names of its cohort and its connection."""

    run: Row[Any]
    sync: Row[Any]
    audience: Row[Any]
    cohort: str
    connection: str


def parties_of(store: Store, run_id: int) -> Parties:
    """Read the rows that a run is about."""
    with store.reading() as connection:
        run = connection.execute(select(runs).where(runs.c.id == run_id)).one()
        sync = connection.execute(select(syncs).where(syncs.c.id == run.sync_id)).one()
        audience = connection.execute(select(audiences).where(audiences.c.id == run.audience_id)).one()
        cohort = connection.execute(select(cohorts.c.name).where(cohorts.c.id == sync.cohort_id)).scalar_one()
        name = connection.execute(select(connections.c.name).where(connections.c.id == sync.connection_id)).scalar_one()
    return Parties(run, sync, audience, cohort, name)
