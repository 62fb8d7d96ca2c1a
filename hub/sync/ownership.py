"""Who writes which audience at a partner: never two syncs the same one.

An audience is the partner's: its account, what was chosen of the account, and the name as the partner tells names
apart. Two names that the partner takes for one, or two connections to one account and list, lead to the same audience,
also from two projects of this hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, Select, select

from hub.clock import now
from hub.connectors.connection import Place
from hub.connectors.connections import Connections
from hub.errors import UsageError
from hub.store.store import Store
from hub.store.tables import audiences, connections, projects, runs, syncs
from hub.sync.states import ACTIVE, STOPPED

if TYPE_CHECKING:
    from hub.sync.draft import Draft
    from hub.workspace import Project

Spot = tuple[Place, str]
"""One audience at a partner: where it is, and the key of its name there."""


class Ownership:
    """The audiences of a hub and the syncs that write them, seen by one project."""

    def __init__(self, store: Store, connections: Connections, project: Project) -> None:
        self._store = store
        self._connections = connections
        self._project = project

    def spot(self, connection: Row[Any], name: str) -> Spot:
        """The audience called `name` of a connection (a row of the table, or one that has its columns)."""
        place = self._connections.place(connection)
        return place, self._connections.audience_key(place.connector, name)

    def writers(self, transaction: Transaction, spot: Spot) -> list[Row[Any]]:
        """The active syncs of all projects that write an audience, the oldest first: one, if all is well.

        A row has the columns of `syncs`, `connection_name` and `project_name`.
        """
        known = _connections_by_id(transaction)
        near = [each.id for each in known.values() if self._connections.place(each) == spot[0]]
        # of thousands of syncs only what tells them apart is read; of those that are found, everything
        light: Select[Any] = select(syncs.c.id, syncs.c.connection_id, syncs.c.audience_name).where(
            syncs.c.state == ACTIVE, syncs.c.removed_at.is_(None), syncs.c.connection_id.in_(near)
        )
        found = [row.id for row in transaction.execute(light) if self._key_of(row, known) == spot[1]]
        return [*transaction.execute(_active_syncs().where(syncs.c.id.in_(found)))] if found else []

    def rival(self, sync: Row[Any]) -> Row[Any] | None:
        """The sync that a sync has to leave its audience to: another active one, which for an active sync is older."""
        with self._store.reading() as transaction:
            spot = self._spot_of(sync, _connections_by_id(transaction))
            for writer in self.writers(transaction, spot):
                if writer.id == sync.id:
                    return None
                if sync.state != ACTIVE or writer.id < sync.id:
                    return writer
        return None

    def describe(self, writer: Row[Any]) -> str:
        """A sync for a person of this project: its name, and where it is when that is elsewhere."""
        elsewhere = "" if writer.project_id == self._project.id else f" of the project {writer.project_name}"
        return f"sync {writer.name}{elsewhere} (audience {writer.audience_name!r} at {writer.connection_name})"

    def refusal(self, writer: Row[Any], audience: str, connection_id: int) -> UsageError:
        """Why a sync of `connection_id` cannot write `audience`: `writer` does."""
        if (writer.connection_id, writer.audience_name) == (connection_id, audience):
            return UsageError(
                f"The sync {writer.name} writes the audience {audience!r} now.", hint=f"Stop {writer.name} first."
            )
        return UsageError(
            f"The {self.describe(writer)} writes the audience {audience!r} already: to the partner these are one "
            "audience.",
            hint=f"Choose another with --audience NAME, or stop {writer.name} first.",
        )

    def refuse_superseded(self, sync: Row[Any]) -> None:
        """Raises UsageError when a sync has to leave its audience to another."""
        writer = self.rival(sync)
        if writer is not None:
            raise self.refusal(writer, sync.audience_name, sync.connection_id)

    def take_over(self, transaction: Transaction, connection: Row[Any], audience: str, *, by: str) -> None:
        """Stop the sync that writes an audience so far, if it is the very one that was named; refuse any other.

        `connection` is its row, and `by` the name of the sync that writes the audience from now on. Raises UsageError.
        """
        for writer in self.writers(transaction, self.spot(connection, audience)):
            if (writer.connection_id, writer.audience_name) != (connection.id, audience):
                raise self.refusal(writer, audience, connection.id)
            transaction.execute(
                syncs.update()
                .where(syncs.c.id == writer.id)
                .values(
                    state=STOPPED,
                    message=f"The sync {by} writes this audience now.",
                    next_run_at=None,
                    paused_at=None,
                    updated_at=now(),
                )
            )

    def quarrels(self) -> list[str]:
        """A sentence for each sync of this project that has to leave its audience to an older one."""
        with self._store.reading() as transaction:
            known = _connections_by_id(transaction)
            places = {each.id: self._connections.place(each) for each in known.values()}
            first: dict[Spot, Row[Any]] = {}
            found = []
            for row in transaction.execute(_active_syncs()):  # the oldest first: it has the audience
                writer = first.setdefault((places[row.connection_id], self._key_of(row, known)), row)
                if writer is not row and row.project_id == self._project.id:
                    found.append((row, writer))
        return [
            f"Sync {row.name} does not run: the {self.describe(writer)} writes the same audience. Remove one of "
            "the two (hub sync remove), and start it again with --audience NAME."
            for row, writer in found
        ]

    def find(self, transaction: Transaction, sync: Row[Any] | Draft) -> Sequence[Row[Any]]:
        """The hub's rows of a sync's audience, the one to use first; none before its first run.

        One that is gone at the partner counts as long as a run of it has not ended. One that another connection of
        the project made is as good as its own.
        """
        unfinished = select(runs.c.audience_id).where(runs.c.finished_at.is_(None))
        query = (
            select(audiences, connections.c.project_id)
            .join(connections, connections.c.id == audiences.c.connection_id)
            .where(audiences.c.gone_at.is_(None) | audiences.c.id.in_(unfinished))
            .order_by(audiences.c.gone_at.is_(None), audiences.c.id)
        )
        known = _connections_by_id(transaction)
        spot = self._spot_of(sync, known)
        here = [row for row in transaction.execute(query) if self.spot(known[row.connection_id], row.name) == spot]
        own = (sync.connection_id, sync.audience_name)
        return sorted(
            here,
            key=lambda row: (
                row.project_id != self._project.id,
                row.gone_at is None,
                (row.connection_id, row.name) != own,
            ),
        )

    def take(self, sync: Row[Any]) -> tuple[int, bool]:
        """The id of the audience that a sync is to write, and whether it is gone at the partner; made if need be.

        What else the hub knew as that audience (of another project, or from before two names were seen to be one)
        counts as gone: whoever comes back to it begins anew.
        """
        with self._store.writing() as transaction:
            found = self.find(transaction, sync)
            chosen = found[0] if found and found[0].project_id == self._project.id else None
            others = [row.id for row in found if row is not chosen and row.gone_at is None]
            if chosen is None or chosen.gone_at is None:
                transaction.execute(audiences.update().where(audiences.c.id.in_(others)).values(gone_at=now()))
            if chosen is None:
                made = audiences.insert().values(
                    connection_id=sync.connection_id, name=sync.audience_name, created_at=now()
                )
                return int(transaction.execute(made.returning(audiences.c.id)).scalar_one()), False
            if chosen.gone_at is None and chosen.connection_id != sync.connection_id:
                transaction.execute(
                    audiences.update().where(audiences.c.id == chosen.id).values(connection_id=sync.connection_id)
                )
            return chosen.id, chosen.gone_at is not None

    def _key_of(self, sync: Row[Any], known: Mapping[int, Row[Any]]) -> str:
        return self._connections.audience_key(known[sync.connection_id].connector, sync.audience_name)

    def _spot_of(self, sync: Row[Any] | Draft, known: Mapping[int, Row[Any]]) -> Spot:
        return self.spot(known[sync.connection_id], sync.audience_name)


def _active_syncs() -> Select[Any]:
    return (
        select(syncs, connections.c.name.label("connection_name"), projects.c.name.label("project_name"))
        .join(connections, connections.c.id == syncs.c.connection_id)
        .join(projects, projects.c.id == syncs.c.project_id)
        .where(syncs.c.state == ACTIVE, syncs.c.removed_at.is_(None))
        .order_by(syncs.c.id)
    )


def _connections_by_id(transaction: Transaction) -> dict[int, Row[Any]]:
    return {row.id: row for row in transaction.execute(select(connections))}
