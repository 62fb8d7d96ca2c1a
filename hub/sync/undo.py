"""Taking a run back: looked at first, then a run of its own, with plan, guards, ledger and attempts like any other.

The sync is paused with it: its next run would do all of it again. Only one at a time works on an audience.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.clock import now
from hub.connectors.contract import Ability
from hub.errors import Busy, Held, NotFound, UsageError
from hub.people.views import identity_map
from hub.store.lease import Lease, leased, writing_under
from hub.store.tables import audiences, runs, syncs
from hub.sync.engine import Engine
from hub.sync.guards import Concern, Scope
from hub.sync.holding import verdict_of_undo
from hub.sync.ledger import Ledger, write_run
from hub.sync.matching import Shown
from hub.sync.ownership import Ownership
from hub.sync.plan import Plan, is_as_planned, plan_file
from hub.sync.preview import planned_samples
from hub.sync.rows import SyncRows, refuse_stopped
from hub.sync.run_files import is_outdated
from hub.sync.states import ACTIVE, FINAL, RunState
from hub.sync.triggers import Trigger
from hub.sync.undo_plan import past_of, write_undo

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.connectors.connections import Connections
    from hub.sync.models import Report, Run
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Undo:
    """What taking back the run `run` would do. `samples` has some people of `adds`, `updates`, `removes`.

    Of the plan's figures, `skipped` are the members of the run who would stay as they are, by reason. `concerns` is
    what guards have against it, and `holds` what of it would wait for a person. `pauses` tells that the sync, which is
    active, would be paused.
    """

    run: int
    sync: str
    audience: str
    plan: Plan
    concerns: Sequence[Concern]
    holds: Scope | None
    pauses: bool
    samples: Mapping[str, Sequence[Shown]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub sync undo --dry-run --json`."""
        return {
            "undoes": self.run,
            "sync": self.sync,
            "audience": self.audience,
            "digest": self.plan.digest,
            "members": self.plan.qualified,
            "held": self.plan.held,
            "adds": self.plan.to_add,
            "updates": self.plan.to_update,
            "removes": self.plan.to_remove,
            "left_alone": dict(self.plan.skipped),
            "guards": [concern.figures() for concern in self.concerns],
            "holds": self.holds.value if self.holds else None,
            "pauses": self.pauses,
            "samples": {kind: [each.figures() for each in people] for kind, people in self.samples.items()},
        }


class Undoing:
    """Takes back runs of one project."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts, connections: Connections) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._cohorts = cohorts
        self._connections = connections
        self._rows = SyncRows(workspace.store, workspace.project.id)
        self._ownership = Ownership(workspace.store, connections, workspace.project)

    def preview(self, run_id: int) -> Undo:
        """What taking a run back would do now. See `Syncs.undoing`."""
        run, sync = self._parties(run_id)
        kind = self._connections.kind(sync.connection_name)
        with tempfile.TemporaryDirectory(dir=self._workspace.settings.home, prefix=".plan-") as folder:
            file = Path(folder) / "plan.parquet"
            with self._workspace.reading_here() as reader:
                plan = write_undo(
                    reader,
                    past_of(self._workspace, run),
                    file,
                    can_remove=Ability.REMOVE in kind.abilities,
                    can_clear=Ability.CLEAR in kind.abilities,
                    identity=identity_map(reader, self._workspace.project),
                )
                samples = planned_samples(reader, file)
        found = verdict_of_undo(self._workspace, sync=sync, plan=plan)
        return Undo(
            run=run_id,
            sync=sync.name,
            audience=sync.audience_name,
            plan=plan,
            concerns=found.concerns,
            holds=found.holds,
            pauses=_runs_on(sync),
            samples=samples,
        )

    async def undo(self, run_id: int, digest: str, report: Report, stop: threading.Event) -> Run:
        """Take a run back. See `Syncs.undo`."""
        run, sync = await asyncio.to_thread(self._parties, run_id)
        refuse_stopped(sync)
        async with leased(self._store, audiences, run.audience_id, what=f"The audience of {sync.name}") as lease:
            ledger = Ledger(self._store, lease)
            engine = Engine(self._workspace, self._cohorts, self._connections, ledger)
            left = await asyncio.to_thread(ledger.unfinished, run.audience_id)
            if left is None:
                await asyncio.to_thread(self._refuse_other, run_id, digest)
                left = await asyncio.to_thread(self._open, lease, run, sync)
            else:
                await asyncio.to_thread(self._resume, ledger, left, run_id)
            return await engine.carry_out(left, report, stop)

    def _parties(self, run_id: int) -> tuple[Row[Any], Row[Any]]:
        """The run and its sync. Raises NotFound, and UsageError, saying why, when it cannot be taken back."""
        query = (
            select(runs, syncs.c.name.label("sync_name"), audiences.c.name.label("audience"), audiences.c.gone_at)
            .join(syncs, syncs.c.id == runs.c.sync_id)
            .join(audiences, audiences.c.id == runs.c.audience_id)
            .where(runs.c.id == run_id, syncs.c.project_id == self._workspace.project.id)
        )
        with self._store.reading() as connection:
            run = connection.execute(query).first()
        if run is None:
            raise NotFound(f"There is no run {run_id}.", hint="`hub sync show NAME` lists the runs of a sync.")
        sync = self._rows.row_or_removed(run.sync_name)
        if sync.id != run.sync_id or sync.removed_at is not None:
            raise UsageError(f"Run {run_id} cannot be taken back: its sync {run.sync_name} was removed.")
        self._ownership.refuse_superseded(sync)
        if why := self._why_not(run):
            raise UsageError(f"Run {run_id} cannot be taken back: {why}")
        return run, sync

    def _why_not(self, run: Row[Any]) -> str:
        if RunState(run.state) not in FINAL:
            return f"it has not ended; it is {run.state}."
        if run.trigger == Trigger.VERIFY:
            return "it sent nothing; it wrote down what was decided about a verification."
        if run.gone_at is not None:
            return f"the audience {run.audience!r} that it wrote is gone at the partner."
        if not run.to_add + run.to_update + run.to_remove:
            return "it sent nothing."
        return self._why_not_by_its_plan(run)

    def _why_not_by_its_plan(self, run: Row[Any]) -> str:
        if not is_as_planned(self._workspace, run):
            return (
                "its plan, which says whom it was about, is not kept any more (HUB_LEDGER_DAYS removes plans, and a "
                "backup has none of runs that have ended)."
            )
        if is_outdated(plan_file(self._workspace, run.id)):
            return "an earlier version of the hub planned it, in another form."
        return ""

    def _refuse_other(self, run_id: int, digest: str) -> None:
        """Make sure that there is something to do, and that it is what a person was shown."""
        found = self.preview(run_id)
        if not found.plan.to_add + found.plan.to_update + found.plan.to_remove:
            why = ", ".join(f"{count:,} {reason}" for reason, count in found.plan.skipped.items())
            raise UsageError(f"Nothing of run {run_id} can be taken back: {why}.")
        if digest and digest != found.plan.digest:
            raise Held(
                f"Taking back run {run_id} would not do what was shown: its members have changed. Nothing was sent.",
                hint=f"`hub sync undo {run_id} --dry-run` shows what it would do now.",
            )

    def _resume(self, ledger: Ledger, left: int, run_id: int) -> None:
        row = ledger.row(left)
        if row.undoes != run_id:
            raise Busy(
                f"Run {left} of the audience has not ended; it is {row.state}.",
                hint="Let it end first (`hub sync run`, or `approve` or `refuse` one that is held). Nothing was done.",
            )
        if row.state == RunState.HELD:
            raise Busy(
                f"Run {left} takes back run {run_id}, and is held by a guard.",
                hint=f"`hub sync approve {left}` lets it go, `hub sync refuse {left}` does not.",
            )
        ledger.resume(left)

    def _open(self, lease: Lease, run: Row[Any], sync: Row[Any]) -> int:
        """Write down the run that takes `run` back, and pause its sync: both or neither."""
        at = now()
        with writing_under(self._store, lease) as connection:
            made_id = write_run(
                connection,
                sync,
                audience_id=run.audience_id,
                state=RunState.EVALUATING,
                trigger=Trigger.UNDO.value,
                mapping=run.mapping,
                undoes=run.id,
            )
            said = f"Paused, because run {made_id} takes back run {run.id}: the next run would do it again."
            connection.execute(
                syncs.update()
                .where(syncs.c.id == sync.id, syncs.c.state == ACTIVE, syncs.c.paused_at.is_(None))
                .values(paused_at=at, updated_at=at, message=said)
            )
        return made_id


def _runs_on(sync: Row[Any]) -> bool:
    return bool(sync.state == ACTIVE and sync.paused_at is None)
