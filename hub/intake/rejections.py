"""What was refused at the door: counted for ever by source and reason, with the newest few of each kept to look at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from hub.intake.arrival import MOST_SAMPLES
from hub.store.store import Store
from hub.store.tables import rejection_samples, rejections

MOST_OF_PROJECT = 1_000
"""Samples that are kept of one project, whatever the reasons; the newest stay."""

_LONGEST_REASON = 255

Sample = tuple[datetime, str]
"""When it came in, and its beginning."""


@dataclass
class Found:
    """What was refused for one project, from one source (`track`, `import`, `engage`), for one reason. `samples` are
    in the order in which they came in."""

    project_id: int
    source: str
    reason: str
    count: int = 0
    samples: list[Sample] = field(default_factory=list)
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, count: int, at: datetime, excerpts: Iterable[str]) -> None:
        """`count` more, which came in at `at`."""
        self.count += count
        self.first_at = min(self.first_at or at, at)
        self.last_at = max(self.last_at or at, at)
        self.samples = [*self.samples, *((at, excerpt) for excerpt in excerpts)][-MOST_SAMPLES:]


@dataclass(frozen=True)
class Rejection:
    """How often records were refused for one reason; `samples` are the newest, the last one first."""

    source: str
    reason: str
    count: int
    first_at: datetime
    last_at: datetime
    samples: tuple[Sample, ...] = ()

    def figures(self, *, samples: bool) -> dict[str, Any]:
        """For machines: the stable keys of `hub event rejected --json`."""
        told = {
            "source": self.source,
            "reason": self.reason,
            "count": self.count,
            "first_at": self.first_at,
            "last_at": self.last_at,
        }
        return {**told, "samples": [{"at": at, "excerpt": text} for at, text in self.samples]} if samples else told


class Tally:
    """What is to be counted together, by project, source and reason."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str, str], Found] = {}

    def add(
        self, project_id: int, source: str, reason: str, at: datetime, *, count: int = 1, excerpts: Iterable[str] = ()
    ) -> None:
        """Count `count` more, which came in at `at`."""
        key = project_id, source, reason[:_LONGEST_REASON]
        self._found.setdefault(key, Found(*key)).add(count, at, excerpts)

    def record(self, connection: Connection) -> None:
        """Write it all down, within a transaction of one who is the only one to do so."""
        for found in self._found.values():
            _count(connection, found)
            _keep(connection, found)
        for project_id in {found.project_id for found in self._found.values() if found.samples}:
            _bound(connection, [rejection_samples.c.project_id == project_id], MOST_OF_PROJECT)


def rejected(store: Store, project_id: int) -> list[Rejection]:
    """What was refused for a project, the most frequent reason first, with the samples that are kept."""
    with store.reading() as connection:
        rows = connection.execute(
            select(rejections, rejections.c.count.label("total")).where(rejections.c.project_id == project_id)
        ).all()
        kept = connection.execute(
            select(rejection_samples)
            .where(rejection_samples.c.project_id == project_id)
            .order_by(rejection_samples.c.id.desc())
        ).all()
    samples: dict[tuple[str, str], list[Sample]] = {}
    for row in kept:
        samples.setdefault((row.source, row.reason), []).append((row.at, row.excerpt))
    found = [
        Rejection(
            row.source,
            row.reason,
            row.total,
            row.first_at,
            row.last_at,
            tuple(samples.get((row.source, row.reason), ())),
        )
        for row in rows
    ]
    return sorted(found, key=lambda each: (-each.count, each.source, each.reason))


def _count(connection: Connection, found: Found) -> None:
    table = rejections
    this = (
        table.c.project_id == found.project_id,
        table.c.source == found.source,
        table.c.reason == found.reason,
    )
    columns = table.c.count.label("total"), table.c.first_at, table.c.last_at
    before = connection.execute(select(*columns).where(*this)).first()
    values = {"count": found.count, "first_at": found.first_at, "last_at": found.last_at}
    if before is None:
        key = {"project_id": found.project_id, "source": found.source, "reason": found.reason}
        connection.execute(table.insert().values(**key, **values))
        return
    values["count"] = before.total + found.count
    values["first_at"] = min(before.first_at, found.first_at or before.first_at)
    values["last_at"] = max(before.last_at, found.last_at or before.last_at)
    connection.execute(table.update().where(*this).values(**values))


def _keep(connection: Connection, found: Found) -> None:
    if not found.samples:
        return
    key = {"project_id": found.project_id, "source": found.source, "reason": found.reason}
    connection.execute(
        rejection_samples.insert(), [{**key, "at": at, "excerpt": excerpt} for at, excerpt in found.samples]
    )
    _bound(connection, [rejection_samples.c[name] == value for name, value in key.items()], MOST_SAMPLES)


def _bound(connection: Connection, these: Sequence[Any], most: int) -> None:
    """Keep the newest `most` of the samples that fulfil `these`."""
    newest = select(rejection_samples.c.id).where(*these).order_by(rejection_samples.c.id.desc())
    oldest_kept = connection.execute(newest.offset(most - 1).limit(1)).scalar()
    if oldest_kept is not None:
        connection.execute(delete(rejection_samples).where(*these, rejection_samples.c.id < oldest_kept))
