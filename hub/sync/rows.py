"""The rows of a project's syncs, with the names of their cohorts and connections."""

from __future__ import annotations

import difflib
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, Select, select

from hub.connectors.connection import STOPPED_STATES
from hub.errors import AlreadyExists, CredentialRefused, NotFound, UsageError
from hub.store.store import Store
from hub.store.tables import cohorts, connections, syncs
from hub.sync.freshness import Freshness
from hub.sync.guards import Thresholds
from hub.sync.models import Run, Sync
from hub.sync.schedule import schedule_of
from hub.sync.states import PAUSED, REMOVED, Leavers

_LONGEST_NAME = 255
_leaders = syncs.alias("leaders")


class SyncRows:
    """Finds the syncs of one project by name. A name that was removed is free: the newest with it is meant."""

    def __init__(self, store: Store, project_id: int) -> None:
        self._store = store
        self._project_id = project_id

    def all(self) -> list[Row[Any]]:
        """Every sync that was not removed, by name."""
        with self._store.reading() as connection:
            return [*connection.execute(self._live().order_by(syncs.c.name))]

    def row(self, name: str) -> Row[Any]:
        """The sync called `name`. Raises NotFound with the nearest name."""
        with self._store.reading() as connection:
            found: Row[Any] | None = connection.execute(self._live().where(syncs.c.name == name)).first()
        if found is None:
            raise self._unknown(name)
        return found

    def row_or_removed(self, name: str) -> Row[Any]:
        """The sync called `name`, else the one that was removed last under this name. Raises NotFound."""
        query = self._query().where(syncs.c.name == name).order_by(syncs.c.removed_at.isnot(None), syncs.c.id.desc())
        with self._store.reading() as connection:
            found: Row[Any] | None = connection.execute(query).first()
        if found is None:
            raise self._unknown(name)
        return found

    def refuse_taken(self, transaction: Transaction, name: str) -> None:
        """Raises AlreadyExists when a sync has that name, UsageError when it cannot be a name."""
        if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
            raise UsageError(
                f"{name!r} cannot be the name of a sync.",
                hint=f"A name is one line of 1 to {_LONGEST_NAME} letters; give one with --name.",
            )
        if transaction.execute(self._live().where(syncs.c.name == name)).first():
            raise AlreadyExists(f"There is a sync {name!r} already.", hint="Choose another with --name.")

    def free_name(self, wanted: str) -> str:
        """`wanted`, or the first of `wanted-2`, `wanted-3` and so on that no sync has."""
        taken = {row.name for row in self.all()}
        if wanted not in taken:
            return wanted
        return next(f"{wanted}-{number}" for number in range(2, len(taken) + 3) if f"{wanted}-{number}" not in taken)

    def _live(self) -> Select[Any]:
        return self._query().where(syncs.c.removed_at.is_(None))

    def _query(self) -> Select[Any]:
        return (
            select(
                syncs,
                cohorts.c.name.label("cohort_name"),
                connections.c.name.label("connection_name"),
                connections.c.state.label("connection_state"),
                connections.c.message.label("connection_message"),
                _leaders.c.name.label("after_name"),
            )
            .join(cohorts, cohorts.c.id == syncs.c.cohort_id)
            .join(connections, connections.c.id == syncs.c.connection_id)
            .outerjoin(_leaders, _leaders.c.id == syncs.c.after_sync_id)
            .where(syncs.c.project_id == self._project_id)
        )

    def _unknown(self, name: str) -> NotFound:
        known = [row.name for row in self.all()]
        near = difflib.get_close_matches(name, known, n=1)
        listed = ", ".join(known) or "none yet; make one with `hub sync start`"
        return NotFound(
            f"There is no sync {name!r}.", hint=f"Did you mean {near[0]}?" if near else f"There are: {listed}."
        )


def sync_of(row: Row[Any], last_run: Run | None, freshness: Freshness | None = None) -> Sync:
    """A row that `SyncRows` found, as people see it."""
    return Sync(
        id=row.id,
        name=row.name,
        cohort=row.cohort_name,
        connection=row.connection_name,
        audience=row.audience_name,
        schedule=schedule_of(row),
        mapping=row.mapping,
        state=REMOVED if row.removed_at else PAUSED if row.paused_at else row.state,
        message=row.message,
        next_run_at=row.next_run_at,
        missed=row.missed,
        leavers=Leavers(row.leavers),
        created_at=row.created_at,
        last_run=last_run,
        freshness=freshness,
        guards=Thresholds.model_validate(row.guards),
    )


def refuse_stopped(row: Row[Any]) -> None:
    """Raises CredentialRefused when the connection of a sync is stopped."""
    if row.connection_state in STOPPED_STATES:
        raise CredentialRefused(
            f"The connection {row.connection_name} is stopped: {row.connection_message}",
            hint=f"Mend it with `hub connection edit {row.connection_name}`; "
            f"`hub connection check {row.connection_name}` tells whether it works.",
        )
