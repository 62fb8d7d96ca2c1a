"""Muting: for a while nobody is told. What is seen is kept, and what is still so afterwards is told then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import select

from hub.clock import now
from hub.errors import UsageError
from hub.store.tables import alert_mutes, syncs

if TYPE_CHECKING:
    from hub.store.store import Store


@dataclass(frozen=True)
class Mute:
    """A sync, or with an empty `sync` everything of the project, of which nobody is told until `until`."""

    sync: str
    until: datetime
    actor: str
    reason: str

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `muted` in `hub alert list --json`."""
        return {
            "sync": self.sync or None,
            "until": self.until.isoformat(),
            "actor": self.actor,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Mutes:
    """What is muted at an instant, by ids."""

    syncs: frozenset[int]
    projects: frozenset[int]

    def of_sync(self, sync_id: int) -> bool:
        """Whether nobody is told of a sync."""
        return sync_id in self.syncs

    def of_project(self, project_id: int) -> bool:
        """Whether the channels of a project are told nothing at all."""
        return project_id in self.projects


def mutes_at(connection: Transaction, at: datetime) -> Mutes:
    """What is muted at `at`, in all projects."""
    rows = connection.execute(select(alert_mutes).where(alert_mutes.c.until > at)).all()
    return Mutes(
        frozenset(row.sync_id for row in rows if row.sync_id is not None),
        frozenset(row.project_id for row in rows if row.sync_id is None),
    )


def mute(store: Store, project_id: int, sync_id: int | None, until: datetime, *, actor: str, reason: str) -> None:
    """Tell nobody of a sync (None: of anything) until `until`, in place of what was said before. Raises UsageError."""
    at = now()
    if until <= at:
        raise UsageError("That time has passed already.", hint="Give --for 2h, or --until with a time to come.")
    with store.writing() as connection:
        connection.execute(alert_mutes.delete().where(*_of(project_id, sync_id)))
        connection.execute(
            alert_mutes.insert().values(
                project_id=project_id, sync_id=sync_id, until=until, actor=actor, reason=reason, created_at=at
            )
        )


def unmute(store: Store, project_id: int, sync_id: int | None) -> bool:
    """Tell of it again. Returns whether it was muted."""
    with store.writing() as connection:
        rows = connection.execute(alert_mutes.delete().where(*_of(project_id, sync_id)).returning(alert_mutes.c.until))
        return any(row.until > now() for row in rows.all())


def mutes_of(store: Store, project_id: int) -> list[Mute]:
    """What is muted of a project now, the first to end first."""
    query = (
        select(alert_mutes, syncs.c.name)
        .outerjoin(syncs, syncs.c.id == alert_mutes.c.sync_id)
        .where(alert_mutes.c.project_id == project_id, alert_mutes.c.until > now())
        .order_by(alert_mutes.c.until, alert_mutes.c.id)
    )
    with store.reading() as connection:
        return [Mute(row.name or "", row.until, row.actor, row.reason) for row in connection.execute(query)]


def _of(project_id: int, sync_id: int | None) -> tuple[Any, Any]:
    same = alert_mutes.c.sync_id.is_(None) if sync_id is None else alert_mutes.c.sync_id == sync_id
    return alert_mutes.c.project_id == project_id, same
