"""A run's first two steps on the way from one state to the next: the cohort evaluated, the plan fixed or held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.cohorts.asked import asked_for
from hub.cohorts.counting import record_now
from hub.connectors.connections import Connections
from hub.connectors.contract import Ability, Connector
from hub.connectors.matching import Kinds
from hub.people.views import identity_map
from hub.sync.basis import basis_of, match_chosen, rests_on
from hub.sync.evaluated import evaluate
from hub.sync.holding import Verdict, held_version, said_of, verdict, verdict_of_undo
from hub.sync.ledger import Ledger
from hub.sync.mapped_values import unusable_values
from hub.sync.mapping import fields_of, written_once
from hub.sync.parties import Parties
from hub.sync.plan import (
    Plan,
    members_file,
    parked_file,
    plan_file,
    stale_parked,
    write_parked,
    write_plan,
)
from hub.sync.states import Leavers, RunState
from hub.sync.undo_plan import past_of, write_undo

if TYPE_CHECKING:
    from hub.workspace import Workspace


class Preparation:
    """Evaluates and plans runs. Whoever calls it holds the lease of the run's audience."""

    def __init__(self, workspace: Workspace, connections: Connections, ledger: Ledger) -> None:
        self._workspace = workspace
        self._connections = connections
        self._ledger = ledger

    def evaluate(self, parties: Parties) -> None:
        """Write down who is in the cohort. For an undo, that does not matter."""
        if parties.run.undoes is not None:
            self._ledger.move(parties.run.id, RunState.PLANNING)
            return
        match = self._connections.match(parties.connection)
        asked = asked_for(self._workspace, [parties.cohort])[0]
        file = members_file(self._workspace, parties.run.id)
        evaluate(self._workspace, asked.question, match, fields_of(parties.run.mapping), file)
        with self._workspace.reading_here() as reader:
            record_now(self._workspace, reader, asked, reader.files(file))
        self._ledger.move(
            parties.run.id,
            RunState.PLANNING,
            as_of=asked.question.now,
            cohort_version=asked.cohort.version,
            match_keys=match_chosen(self._workspace, parties.sync.connection_id),
            rests_on=rests_on(self._workspace, asked),
        )

    def plan(self, parties: Parties) -> None:
        """Compare them with what the audience holds, let the guards look, and fix the plan."""
        if parties.run.undoes is not None:
            self._plan_undo(parties)
            return
        kind = self._connections.kind(parties.connection)
        run_id, audience_id = parties.run.id, parties.audience.id
        members, fields = members_file(self._workspace, run_id), fields_of(parties.run.mapping)
        parked = write_parked(self._ledger.refused.of_audience(audience_id), parked_file(self._workspace, run_id))
        with self._workspace.reading_here() as reader:
            plan = write_plan(
                reader,
                members=members,
                plan=plan_file(self._workspace, run_id),
                audience_id=audience_id,
                targets=fields,
                parked=parked,
                connector_version=kind.version,
                can_remove=Ability.REMOVE in kind.abilities,
                identity=identity_map(reader, self._workspace.project),
                leavers=Leavers(parties.sync.leavers),
                once=written_once(fields),
                several_kinds=Kinds(kind.matching).several,
            )
            unusable = unusable_values(reader, reader.files(members), fields)
            version = held_version(reader, audience_id)
            if parked:
                for keys in stale_parked(reader, members=members, parked=parked, audience_id=audience_id):
                    self._ledger.refused.forget(audience_id, keys)
        found = verdict(
            self._workspace,
            sync=parties.sync,
            cohort=parties.cohort,
            basis=basis_of(self._ledger.row(run_id), parties.cohort),
            plan=plan,
            run_id=run_id,
        )
        self._ledger.note(run_id, unusable=unusable)
        self._fix(parties, kind, plan, found, version)
        members.unlink(missing_ok=True)
        parked_file(self._workspace, run_id).unlink(missing_ok=True)

    def _plan_undo(self, parties: Parties) -> None:
        kind = self._connections.kind(parties.connection)
        undone = self._ledger.row(parties.run.undoes)
        with self._workspace.reading_here() as reader:
            plan = write_undo(
                reader,
                past_of(self._workspace, undone),
                plan_file(self._workspace, parties.run.id),
                can_remove=Ability.REMOVE in kind.abilities,
                can_clear=Ability.CLEAR in kind.abilities,
                identity=identity_map(reader, self._workspace.project),
            )
            version = held_version(reader, parties.audience.id)
        found = verdict_of_undo(self._workspace, sync=parties.sync, plan=plan, run_id=parties.run.id)
        self._fix(parties, kind, plan, found, version)

    def _fix(self, parties: Parties, kind: type[Connector], plan: Plan, found: Verdict, version: int) -> None:
        run_id = parties.run.id
        self._ledger.plan(
            run_id,
            plan.batches(kind.limits.batch_size),
            hold=found.holds,
            held_version=version,
            **_figures(plan),
            **found.figures(),
            **_words(found, parties),
        )


def _figures(plan: Plan) -> dict[str, Any]:
    return {
        "qualified": plan.qualified,
        "skipped": dict(plan.skipped),
        "to_add": plan.to_add,
        "to_update": plan.to_update,
        "to_remove": plan.to_remove,
        "unchanged": plan.unchanged,
        "parked": plan.parked,
        "plan_digest": plan.digest,
        "held_before": plan.held,
        "leavers": plan.leavers.value,
    }


def _words(found: Verdict, parties: Parties) -> dict[str, str]:
    """What a held run says for itself, while it waits."""
    if found.holds is None:
        return {}
    run, undone = parties.run.id, parties.run.undoes
    who = f"hub sync plan {parties.sync.name}" if undone is None else f"hub sync undo {undone} --dry-run"
    return {
        "message": said_of([concern.figures() for concern in found.concerns]),
        "hint": f"`hub sync approve {run}` lets it go, `hub sync refuse {run}` does not; `{who}` shows who.",
    }
