"""Runs that wait for a person: how a plan is judged, what would make the wait pointless, and the decision itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.clock import ago, now
from hub.errors import NotFound, UsageError
from hub.lake.tables import HELD
from hub.store.tables import batches, runs
from hub.sync.basis import Basis, basis_now, basis_of, differences
from hub.sync.guards import LEARNS_FROM, Concern, Past, Proposed, Scope, Thresholds, holds, judge
from hub.sync.plan import is_as_planned
from hub.sync.states import BatchState, RunState, moved
from hub.sync.triggers import ASIDE

if TYPE_CHECKING:
    from hub.lake.reading import Reader
    from hub.store.store import Store
    from hub.sync.draft import Draft
    from hub.sync.plan import Plan
    from hub.workspace import Workspace

APPROVED, REFUSED, REPLACED = "approved", "refused", "replaced"
"""How a wait ended: by a person, or because what was held is not what would be planned now."""


@dataclass(frozen=True)
class Verdict:
    """What the guards have against a run's plan, and what of it waits therefore."""

    concerns: Sequence[Concern]
    holds: Scope | None
    thresholds: Thresholds

    def figures(self) -> dict[str, Any]:
        """What is kept with the run."""
        return {
            "guards": [concern.figures() for concern in self.concerns],
            "thresholds": self.thresholds.model_dump(exclude_unset=True),
        }


def verdict(
    workspace: Workspace, *, sync: Row[Any] | Draft, cohort: str, basis: Basis, plan: Plan, run_id: int | None = None
) -> Verdict:
    """Let the guards of `sync` (a row of the table) look at a plan that rests on `basis`: of a run, or of none yet."""
    thresholds = Thresholds.model_validate(sync.guards)
    past = _finished(workspace.store, sync.id, before=run_id)
    last = past[0] if past else None
    proposed = Proposed(
        held=plan.held,
        going=plan.going,
        adding=plan.to_add,
        updating=plan.to_update,
        leaving=plan.to_remove,
        going_before=last.qualified - sum(last.skipped.values()) if last else None,
        changed=differences(workspace, basis_of(last, cohort), basis) if last else (),
        past=[Past(row.held_before, row.to_remove) for row in past],
    )
    concerns = judge(proposed, thresholds)
    return Verdict(concerns, holds(concerns, thresholds, moves=plan.moved > 0), thresholds)


def verdict_of_undo(workspace: Workspace, *, sync: Row[Any], plan: Plan, run_id: int | None = None) -> Verdict:
    """Let the guards of `sync` look at a plan that takes a run back: at how many it removes and adds, as of any run.

    That says nothing of the cohort, so nothing is compared with what that was.
    """
    thresholds = Thresholds.model_validate(sync.guards)
    past = _finished(workspace.store, sync.id, before=run_id)
    proposed = Proposed(
        held=plan.held,
        going=plan.held,
        going_before=plan.held,
        adding=plan.to_add,
        updating=plan.to_update,
        leaving=plan.to_remove,
        past=[Past(row.held_before, row.to_remove) for row in past],
    )
    concerns = judge(proposed, thresholds)
    return Verdict(concerns, holds(concerns, thresholds), thresholds)


def held_version(reader: Reader, audience_id: int) -> int:
    """What tells whether the held set of an audience is still the one that a plan was made for."""
    return reader.snapshot(HELD).committed(f"audience:{audience_id}") or 0


def moved_since(workspace: Workspace, *, run: Row[Any], sync: Row[Any], cohort: str) -> list[str]:
    """Why what a run holds is not what its sync would do now: a sentence each; none when it still is.

    What people did since does not count: they are the cohort's, and the next run's.
    """
    said: list[str] = []
    if run.undoes is None:  # else it is about what another run did, whatever the cohort is by now
        try:
            said += differences(workspace, basis_of(run, cohort), basis_now(workspace, sync, cohort))
        except NotFound as error:
            said.append(error.message)
        if run.leavers != sync.leavers:
            said.append(f"Those who leave are treated otherwise: {sync.leavers}, where it was {run.leavers}.")
    with workspace.reading_here() as reader:
        if held_version(reader, run.audience_id) != run.held_version:
            said.append("What the partner holds has changed.")
    if not is_as_planned(workspace, run):
        said.append("The file of its plan is gone, or is not what it was.")
    return said


def replaced_by(workspace: Workspace, *, run: Row[Any], sync: Row[Any], cohort: str) -> list[str]:
    """Why a held run has to make way for a new one of `sync`, a sentence each; none when it waits on.

    As `moved_since`; and also when another sync writes the audience now, or the thresholds are others than those that
    the run was judged by.
    """
    if run.sync_id != sync.id:
        return [f"The sync {sync.name} writes the audience now."]
    said = moved_since(workspace, run=run, sync=sync, cohort=cohort)
    if run.undoes is None and run.thresholds != Thresholds.model_validate(sync.guards).model_dump(exclude_unset=True):
        said.append("The guards have other thresholds.")
    return said


def end_wait(store: Store, run_id: int, decision: str, *, by: str = "", reason: str = "", message: str = "") -> None:
    """End the wait of a held run, in one transaction: of two who decide, one wins.

    An approved run can be delivered then; of any other what was held never leaves, and it can be settled. Raises
    UsageError, saying who was quicker, when the run does not wait (any more).
    """
    to = RunState.DELIVERING if decision == APPROVED else RunState.SETTLING
    at = now()
    with store.writing() as connection:
        row = connection.execute(select(runs).where(runs.c.id == run_id)).one()
        if row.state != RunState.HELD:
            raise UsageError(not_waiting(row))
        connection.execute(
            batches.update()
            .where(batches.c.run_id == run_id, batches.c.state == BatchState.HELD)
            .values(state=BatchState.PLANNED if decision == APPROVED else BatchState.REFUSED)
        )
        connection.execute(
            runs.update()
            .where(runs.c.id == run_id)
            .values(
                state=moved(RunState(row.state), to),
                decision=decision,
                decided_by=by,
                decision_reason=reason,
                decided_at=at,
                message=message,
                hint="",
            )
        )


def not_waiting(run: Row[Any]) -> str:
    """Why nothing can be decided about a run (a row of the table)."""
    if run.decision:
        by = f" by {run.decided_by}" if run.decided_by else ""
        return f"Run {run.id} was {run.decision}{by} {ago(run.decided_at)}; it is {run.state} now."
    return f"Run {run.id} is not held by a guard: it is {run.state}."


def said_of(stored: Sequence[Mapping[str, Any]]) -> str:
    """What guards said of a run, as they are kept, in one line."""
    return " ".join(each["said"] for each in stored)


def _finished(store: Store, sync_id: int, *, before: int | None) -> Sequence[Row[Any]]:
    query = select(runs).where(runs.c.sync_id == sync_id, runs.c.state == RunState.DONE, runs.c.trigger.not_in(ASIDE))
    query = query if before is None else query.where(runs.c.id < before)
    query = query.order_by(runs.c.id.desc()).limit(LEARNS_FROM)
    with store.reading() as connection:
        return connection.execute(query).all()
