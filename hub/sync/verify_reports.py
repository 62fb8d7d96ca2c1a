"""Verifications as they are kept: begun, ended, told again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.clock import now
from hub.errors import NotFound, StoreError, UsageError
from hub.store.lease import Lease, writing_under
from hub.store.tables import syncs, verifications
from hub.sync.held import held_by
from hub.sync.verify_books import WAYS, Way, report_folder, said_of
from hub.sync.verify_findings import DIFFERENCES, Compared, Found, Kind, found_of, samples_of

if TYPE_CHECKING:
    from hub.workspace import Workspace

__all__ = ["WAYS", "Reports", "Verification", "Way", "findings_file"]

LISTING, DONE, FAILED = "listing", "done", "failed"


@dataclass(frozen=True)
class Verification:
    """What one verification of a sync found.

    `listed` members are in the audience by the partner's own word, `held` by the hub's books; `found` has how many of
    them differ, by kind, and `samples` some of each. `values_read` tells whether mapped values were compared too.
    `decided` is what was chosen to be done about them (kind -> way), by run `run`.
    """

    id: int
    sync: str
    state: str
    began_at: datetime
    listed: int
    held: int
    found: Mapping[str, int]
    values_read: bool
    message: str = ""
    decided: Mapping[str, str] = field(default_factory=dict)
    run: int | None = None
    samples: Mapping[str, Sequence[Found]] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether the partner has anything else than the books say, of which nobody chose to be told no more."""
        return any(self.found.get(kind.value) for kind in DIFFERENCES)

    @property
    def settled(self) -> bool:
        """Whether something was decided about every difference."""
        return all(kind.value in self.decided for kind in DIFFERENCES if self.found.get(kind.value))

    @property
    def words(self) -> str:
        """What was decided, in a sentence; empty when nothing was."""
        return said_of(self.decided, self.found)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub sync verify --json`."""
        return {
            "verification": self.id,
            "sync": self.sync,
            "state": self.state,
            "at": self.began_at.isoformat(),
            "listed": self.listed,
            "held": self.held,
            "differs": self.differs,
            "found": {kind.value: self.found.get(kind.value, 0) for kind in Kind},
            "values_read": self.values_read,
            "decided": dict(self.decided),
            "run": self.run,
            "message": self.message,
            "samples": {kind: [each.figures() for each in some] for kind, some in self.samples.items()},
        }


def findings_file(workspace: Workspace, report_id: int) -> Path:
    """Where a verification keeps whom it found: the columns of `hub.sync.verify_findings.FINDINGS`."""
    return report_folder(workspace, report_id) / "findings.parquet"


class Reports:
    """The verifications of one project."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store = workspace.store

    def begin(self, lease: Lease, sync: Row[Any], audience_id: int, version: int) -> int:
        """Write down that a verification begins; those of the audience that were killed have failed."""
        broken = (verifications.c.audience_id == audience_id, verifications.c.state == LISTING)
        with writing_under(self._store, lease) as connection:
            left = [*connection.execute(select(verifications.c.id).where(*broken)).scalars()]
            connection.execute(verifications.update().where(*broken).values(state=FAILED, message="It was broken off."))
            made = verifications.insert().values(
                sync_id=sync.id,
                audience_id=audience_id,
                state=LISTING,
                actor=self._workspace.settings.who,
                held_version=version,
                began_at=now(),
            )
            found = int(connection.execute(made.returning(verifications.c.id)).scalar_one())
        for each in left:
            shutil.rmtree(report_folder(self._workspace, each) / "work", ignore_errors=True)
        return found

    def end(self, lease: Lease, report_id: int, compared: Compared, *, values_read: bool) -> None:
        """Write down what was found."""
        with writing_under(self._store, lease) as connection:
            connection.execute(
                verifications.update()
                .where(verifications.c.id == report_id)
                .values(
                    state=DONE,
                    ended_at=now(),
                    listed=compared.listed,
                    held=compared.held,
                    found=dict(compared.counts),
                    values_read=values_read,
                )
            )

    def fail(self, report_id: int, message: str) -> None:
        """Write down that nothing was found out, and why."""
        with suppress(StoreError), self._store.writing() as connection:  # else the next one says so
            connection.execute(
                verifications.update()
                .where(verifications.c.id == report_id)
                .values(state=FAILED, ended_at=now(), message=message)
            )

    def row(self, report_id: int) -> Row[Any]:
        """A verification of this project, with its sync's name. Raises NotFound."""
        query = (
            select(verifications, syncs.c.name.label("sync_name"))
            .join(syncs, syncs.c.id == verifications.c.sync_id)
            .where(verifications.c.id == report_id, syncs.c.project_id == self._workspace.project.id)
        )
        with self._store.reading() as connection:
            found: Row[Any] | None = connection.execute(query).first()
        if found is None:
            raise NotFound(f"There is no verification {report_id}.", hint="`hub sync verify SYNC` makes one.")
        return found

    def get(self, report_id: int) -> Verification:
        """A verification of this project, with samples. Raises NotFound."""
        row = self.row(report_id)
        samples: Mapping[str, Sequence[Found]] = {}
        if findings_file(self._workspace, report_id).exists():
            with self._workspace.reading_here() as reader:
                samples = samples_of(reader, findings_file(self._workspace, report_id))
        return _verification(row, samples)

    def findings(self, report_id: int, kind: Kind) -> Iterator[Found]:
        """Everybody of one kind, by key, some thousand at a time. Raises NotFound, UsageError (it is not kept)."""
        self.row(report_id)
        file = findings_file(self._workspace, report_id)
        if not file.exists():
            raise UsageError(f"What verification {report_id} found is not kept.", hint="Verify again.")
        with self._workspace.reading_here() as reader:
            yield from found_of(reader, file, kind)

    def last(self, sync_id: int) -> Verification | None:
        """The newest verification of a sync that found something out, without samples."""
        query = (
            select(verifications, syncs.c.name.label("sync_name"))
            .join(syncs, syncs.c.id == verifications.c.sync_id)
            .where(verifications.c.sync_id == sync_id, verifications.c.state == DONE)
            .order_by(verifications.c.id.desc())
            .limit(1)
        )
        with self._store.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else _verification(row, {})

    def held(self, audience_id: int) -> int:
        """How many members the hub holds in an audience."""
        with self._workspace.reading_here() as reader:
            return int(reader.value(held_by(reader, audience_id).count()))


def _verification(row: Row[Any], samples: Mapping[str, Sequence[Found]]) -> Verification:
    return Verification(
        id=row.id,
        sync=row.sync_name,
        state=row.state,
        began_at=row.began_at,
        listed=row.listed,
        held=row.held,
        found=row.found,
        values_read=row.values_read,
        message=row.message,
        decided=row.decided,
        run=row.run_id,
        samples=samples,
    )
