"""From the intake log into the lake and the control plane: each entry once, wherever it is stopped.

A micro-batch goes in steps, each of which is whole or has not happened: its events into the lake, in one commit that
notes the last entry; its links, updates and rejections into the control plane, in one transaction that notes it too;
what changed of people from there to the lake; and only then are its entries forgotten. Whoever comes after one who was
stopped between two steps finds from the two notes what is left to do.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa
from sqlalchemy import Connection, select

from hub.clock import now
from hub.errors import Busy, StoreError
from hub.events.lines import excerpt
from hub.events.report import Stop
from hub.intake.disk import flush
from hub.intake.load import Links, Load, Updates, load
from hub.intake.log import IntakeLog
from hub.intake.position import Position, application, position
from hub.intake.rejections import Tally
from hub.lake.tables import EVENT_COLUMNS, EVENTS
from hub.people.identity import apply_links, publish_identity
from hub.people.profile_publishing import publish_profiles
from hub.people.profile_state import apply_updates
from hub.projects import every_project
from hub.store.tables import intake_progress

if TYPE_CHECKING:
    from hub.store.lease import Lease
    from hub.workspace import Project, Workspace

READ, WRITTEN, APPLIED, PUBLISHED, FORGOTTEN = "read", "written", "applied", "published", "forgotten"
"""The steps of a micro-batch, in their order."""


@dataclass(frozen=True)
class Sizes:
    """How much one micro-batch holds at most (at least one entry). Two of them are in memory at once."""

    events: int = 100_000
    bytes: int = 32 * 1024 * 1024


class Mover:
    """Moves for the hub of `workspace`, all projects, while it holds the lease MOVER.

    `done` is told each step of a micro-batch that is done. Use it in one thread.
    """

    def __init__(
        self,
        workspace: Workspace,
        log: IntakeLog,
        lease: Lease,
        *,
        sizes: Sizes | None = None,
        done: Callable[[str], None] | None = None,
    ) -> None:
        self._workspace, self._log, self._lease = workspace, log, lease
        self._sizes = sizes or Sizes()
        self._done = done or (lambda _: None)
        self._position = Position("", 0, 0)
        self._projects: dict[int, Project] = {}

    def move(self, upto: int, *, stop: Stop | None = None) -> int:
        """Move the entries up to number `upto`; with `stop` set, no further than the micro-batch in hand. Returns how
        many records.

        The next micro-batch is read while one is carried out. Raises Busy when somebody else moves now, StoreError
        when something cannot be read or written: then nothing is lost, and the same call goes on from there.
        """
        store, lake = self._workspace.store, self._workspace.lake
        self._position = begun = position(self._log, store, lake)
        self._projects = {project.id: project for project in every_project(store)}
        moved = 0
        with ThreadPoolExecutor(1, "read ahead") as ahead:
            found = self._read(0, upto, begun)
            while found:
                more = found.last < upto and not (stop and stop.is_set())
                following = ahead.submit(self._read, found.last, upto, begun) if more else None
                self._carry_out(found)
                moved += found.records
                found = following.result() if following else None
        return moved

    def _read(self, after: int, upto: int, begun: Position) -> Load | None:
        sizes = self._sizes
        stored = self._log.pending(after, events=sizes.events, bytes=sizes.bytes, upto=upto, epoch=begun.epoch)
        if not stored:
            return None
        found = load(stored, begun, self._projects)
        self._done(READ)
        return found

    def _carry_out(self, found: Load) -> None:
        self._write(found)
        changed = self._apply(found)
        for project in changed | found.unpublished:
            self._publish(project)
        self._forget(found.last)

    def _write(self, found: Load) -> None:
        """The events into the lake, in one commit. `after` keeps out who was taken for dead and woke up again."""
        if not found.rows:
            return
        rows = pa.Table.from_batches(found.rows, EVENT_COLUMNS)
        name, written = application(self._position.epoch), self._position.written
        self._workspace.lake.append(EVENTS, rows, application=name, version=found.last, after=written)
        self._position = replace(self._position, written=found.last)
        found.rows.clear()
        self._done(WRITTEN)

    def _apply(self, found: Load) -> set[Project]:
        """Links, updates and rejections into the control plane, in one transaction. Returns whose people changed."""
        if found.last <= self._position.applied:
            return set()
        changed: set[Project] = set()
        tally, at = Tally(), now()
        with self._workspace.store.writing() as connection:
            self._check_alone(connection)
            for step in found.steps:
                if isinstance(step, Links):
                    if apply_links(connection, step.project, step.links, at):
                        changed.add(step.project)
                elif isinstance(step, Updates):
                    if _fold(connection, step, at, tally):
                        changed.add(step.project)
                else:
                    for reason in step.rejected.reasons:
                        tally.add(
                            step.project.id,
                            step.rejected.source,
                            reason.reason,
                            step.entry.received_at,
                            count=reason.count,
                            excerpts=reason.excerpts,
                        )
            tally.record(connection)
            _note(connection, self._position.epoch, found.last)
        self._position = replace(self._position, applied=found.last)
        self._done(APPLIED)
        return changed

    def _publish(self, project: Project) -> None:
        """What changed of a project's people, from the control plane into the lake."""
        of_project = replace(self._workspace, project=project, drain=None)
        publish_identity(of_project.store, of_project.lake, project.id)
        publish_profiles(of_project)
        self._done(PUBLISHED)

    def _forget(self, upto: int) -> None:
        settings = self._workspace.settings
        try:
            flush(settings.home, settings.lake_root)
        except OSError as error:
            raise StoreError(f"The disk does not keep what was written: {error}.", hint="Look at the disk.") from error
        self._log.forget(upto)
        self._done(FORGOTTEN)

    def _check_alone(self, connection: Connection) -> None:
        self._lease.check(connection)
        epoch = self._position.epoch
        query = select(intake_progress.c.applied).where(intake_progress.c.epoch == epoch).with_for_update()
        if (connection.execute(query).scalar() or 0) != self._position.applied:
            raise Busy(
                "Another process has moved what had arrived.", hint="Nothing is lost: the other goes on with it."
            )


def _fold(connection: Connection, step: Updates, at: datetime, tally: Tally) -> int:
    """Updates into profiles. Those that would break a limit are counted as refused. Returns how many changed."""
    updates = [(entry, update) for entry, found in step.entries for update in found]
    applied = apply_updates(connection, step.project, [update for _, update in updates], at)
    for place, reason in applied.refused:
        entry, update = updates[place]
        sent = {"$distinct_id": update.distinct_id, **dict(update.operations)}
        tally.add(step.project.id, "engage", reason, entry.received_at, excerpts=[excerpt(orjson.dumps(sent))])
    return applied.changed


def _note(connection: Connection, epoch: str, applied: int) -> None:
    """Note how far the control plane has the log."""
    this = intake_progress.c.epoch == epoch
    if not connection.execute(intake_progress.update().where(this).values(applied=applied)).rowcount:
        connection.execute(intake_progress.insert().values(epoch=epoch, applied=applied))
