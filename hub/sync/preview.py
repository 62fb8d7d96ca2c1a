"""What a run of a sync would do now: a plan that is made, shown and forgotten. Nothing is changed, here or there."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cohorts.asked import asked_for
from hub.connectors.contract import Ability
from hub.connectors.matching import Kinds
from hub.people.views import identity_map
from hub.sync.basis import Basis, match_chosen, rests_on
from hub.sync.evaluated import INVALID, NO_KEY, NO_PROFILE, SHARED_KEY, evaluate
from hub.sync.guards import Concern, Scope
from hub.sync.holding import verdict
from hub.sync.mapping import fields_of, written_once
from hub.sync.matching import Matched, Shown, matched, some
from hub.sync.plan import Plan, write_parked, write_plan
from hub.sync.states import Action, Leavers

if TYPE_CHECKING:
    from sqlalchemy import Row

    from hub.connectors.connections import Connections
    from hub.lake.reading import DuckDbReader
    from hub.sync.draft import Draft
    from hub.sync.ledger import Ledger
    from hub.sync.ownership import Ownership
    from hub.workspace import Workspace

_NOBODY = -1  # the id of the audience that is not there yet


@dataclass(frozen=True)
class Preview:
    """The plan of a sync as it would be now. `samples` has some people of each kind, by the names of `figures`.

    `concerns` is what guards have against it, and `holds` what of it would wait for a person. `running` tells that a
    run has not ended: what that one changes is not in here. `matched` says by which keys people are known there, and
    which values cannot be sent; `warnings` are the connection's.
    """

    sync: str
    audience: str
    plan: Plan
    concerns: Sequence[Concern]
    holds: Scope | None
    running: bool
    matched: Matched
    warnings: Sequence[str] = ()
    samples: Mapping[str, Sequence[Shown]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub sync plan --json`."""
        skipped = dict(self.plan.skipped)
        return {
            "sync": self.sync,
            "audience": self.audience,
            "digest": self.plan.digest,
            "qualified": self.plan.qualified,
            "held": self.plan.held,
            "adds": self.plan.to_add,
            "updates": self.plan.to_update,
            "removes": self.plan.to_remove,
            "leavers": self.plan.leavers.value,
            "unchanged": self.plan.unchanged,
            "parked": self.plan.parked,
            "matched": dict(self.matched.by_kind),
            "without_key": {reason: skipped.get(reason, 0) for reason in (NO_PROFILE, NO_KEY, *INVALID.values())},
            "sharing_key": skipped.get(SHARED_KEY, 0),
            "unusable": [each.figures() for each in self.matched.unusable],
            "warnings": list(self.warnings),
            "guards": [concern.figures() for concern in self.concerns],
            "holds": self.holds.value if self.holds else None,
            "running": self.running,
            "samples": {kind: [each.figures() for each in people] for kind, people in self.samples.items()},
        }


def preview(
    workspace: Workspace, connections: Connections, ownership: Ownership, ledger: Ledger, sync: Row[Any] | Draft
) -> Preview:
    """Plan a run of `sync` (a row with its cohort's and connection's names) in a folder that goes away afterwards."""
    kind = connections.kind(sync.connection_name)
    with workspace.store.reading() as connection:
        known = ownership.find(connection, sync)
    live = [row.id for row in known if row.gone_at is None and row.project_id == sync.project_id]
    audience_id = live[0] if live else _NOBODY
    asked = asked_for(workspace, [sync.cohort_name])[0]
    leavers, fields = Leavers(sync.leavers), fields_of(sync.mapping)
    match = connections.match(sync.connection_name)
    with tempfile.TemporaryDirectory(dir=workspace.settings.home, prefix=".plan-") as name:
        members, file = Path(name) / "members.parquet", Path(name) / "plan.parquet"
        evaluate(workspace, asked.question, match, fields, members)
        parked = write_parked(ledger.refused.of_audience(audience_id), Path(name) / "parked.parquet")
        with workspace.reading_here() as reader:
            plan = write_plan(
                reader,
                members=members,
                plan=file,
                audience_id=audience_id,
                targets=fields,
                parked=parked,
                connector_version=kind.version,
                can_remove=Ability.REMOVE in kind.abilities,
                identity=identity_map(reader, workspace.project),
                leavers=leavers,
                once=written_once(fields),
                several_kinds=Kinds(kind.matching).several,
            )
            found_people = matched(reader, reader.files(members), match, fields)
            samples = planned_samples(reader, file)
    basis = Basis(rests_on(workspace, asked), sync.mapping, match_chosen(workspace, sync.connection_id))
    found = verdict(workspace, sync=sync, cohort=sync.cohort_name, basis=basis, plan=plan)
    return Preview(
        sync=sync.name,
        audience=sync.audience_name,
        plan=plan,
        concerns=found.concerns,
        holds=found.holds,
        running=bool(live) and ledger.unfinished(audience_id) is not None,
        matched=found_people,
        warnings=connections.get(sync.connection_name).warnings,
        samples={**samples, **found_people.samples},
    )


def planned_samples(reader: DuckDbReader, plan: Path) -> dict[str, list[Shown]]:
    """Some people of each kind in the file of a plan."""
    planned = reader.files(plan)
    return {
        "adds": some(reader, planned.filter(planned.action == Action.ADD.value)),
        "updates": some(reader, planned.filter(planned.action == Action.UPDATE.value)),
        "removes": some(reader, planned.filter(planned.action.isin([Action.REMOVE.value, Action.CLEAR.value]))),
    }
