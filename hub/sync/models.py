"""Syncs and runs, as everybody outside this package sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hub.clock import counted
from hub.sync.guards import Concern, Thresholds
from hub.sync.schedule import After, Cron, Every, Schedule
from hub.sync.states import FINAL, Leavers, RunState

if TYPE_CHECKING:
    from hub.sync.freshness import Freshness


@dataclass(frozen=True)
class Run:
    """One run of a sync.

    `qualified` people are in the cohort; those of them who cannot go out are counted in `skipped`, by reason.
    `to_add`, `to_update` and `to_remove` are the plan; `added`, `updated` and `removed` were acknowledged by the
    partner; `rejected` were refused in this run; `owed` could not be delivered and go out with the next run;
    `unchanged` need nothing; `parked` were refused earlier and are not tried again yet. `lost_answers` counts
    sendings of which no answer came back: `repeated` members may have been sent twice therefore, and `uncertain` ones
    may be there or not, because no later sending was answered either. `timings` are seconds by phase.
    `to_remove` are removed or cleared, as `leavers` says. Of a run that guards had something against, `guards` is what
    they said, `held` are the members who wait for a person, and `decision` is what that person said: approved or
    refused (or replaced: the run had to make way for a new one). `unusable` counts values that a step of the mapping
    could make nothing of, by target and reason: they were not sent.
    """

    id: int
    sync: str
    audience: str
    state: RunState
    trigger: str
    as_of: datetime | None
    created_at: datetime
    finished_at: datetime | None
    resumed: int
    qualified: int
    skipped: Mapping[str, int]
    to_add: int
    to_update: int
    to_remove: int
    unchanged: int
    parked: int
    added: int
    updated: int
    removed: int
    rejected: int
    owed: int
    batches: int
    batches_done: int
    lost_answers: int
    timings: Mapping[str, float]
    message: str
    hint: str
    plan_digest: str
    leavers: Leavers = Leavers.REMOVE
    held: int = 0
    guards: Sequence[Concern] = ()
    decision: str = ""
    decided_by: str = ""
    decision_reason: str = ""
    decided_at: datetime | None = None
    unusable: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    repeated: int = 0
    uncertain: int = 0
    undoes: int | None = None
    """The run that this one takes back."""

    @property
    def doubts(self) -> str:
        """What nobody can know of the members whose answers were lost, in a sentence; empty when there are none."""
        said = []
        if self.repeated:
            members = counted(self.repeated, "member")
            said.append(f"{members} may have been sent twice, because no answer to a first sending came back.")
        if self.uncertain:
            are = counted(self.uncertain, "member was", "members were")
            said.append(f"{are} sent and not answered, and may be there already; `hub sync verify` tells.")
        return " ".join(said)

    @property
    def finished(self) -> bool:
        """Whether nothing will happen any more in this run."""
        return self.state in FINAL

    @property
    def planned(self) -> int:
        """Members that the plan sends."""
        return self.to_add + self.to_update + self.to_remove

    def figures(self) -> dict[str, Any]:
        """The run for machines: the stable keys of `hub sync run --json`."""
        return {
            "run": self.id,
            "sync": self.sync,
            "audience": self.audience,
            "state": self.state.value,
            "qualified": self.qualified,
            "skipped": dict(self.skipped),
            "unusable": {target: dict(reasons) for target, reasons in self.unusable.items()},
            "added": self.added,
            "removed": self.removed,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "parked": self.parked,
            "rejected": self.rejected,
            "owed": self.owed,
            "held": self.held,
            "guards": [concern.figures() for concern in self.guards],
            "decision": self.decision_figures(),
            "digest": self.plan_digest,
            "batches": self.batches,
            "lost_answers": self.lost_answers,
            "repeated": self.repeated,
            "uncertain": self.uncertain,
            "trigger": self.trigger,
            "undoes": self.undoes,
            "resumed": self.resumed,
            "started_at": self.created_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "seconds": dict(self.timings),
            "message": self.message,
            "hint": self.hint,
        }

    def decision_figures(self) -> dict[str, str] | None:
        """What became of a hold, who decided, when and why; None while nobody has, or there was none."""
        if not self.decision or self.decided_at is None:
            return None
        return {
            "decision": self.decision,
            "actor": self.decided_by,
            "at": self.decided_at.isoformat(),
            "message": self.decision_reason,
        }


@dataclass(frozen=True)
class Sync:
    """A cohort that is kept, or was once put, in an audience at a partner.

    `schedule` says when it runs. `state` is active, paused, done (a one-time sync that has run), stopped or removed.
    `next_run_at` is None when nothing is scheduled, and while it waits for the sync that it follows. `missed` counts
    ticks at which nobody was there to run it.
    `mapping` is target name at the partner -> field, as it is kept (`hub.sync.mapping`).
    """

    id: int
    name: str
    cohort: str
    connection: str
    audience: str
    schedule: Schedule
    mapping: Mapping[str, Any]
    state: str
    message: str
    next_run_at: datetime | None
    missed: int
    created_at: datetime
    last_run: Run | None = None
    leavers: Leavers = Leavers.REMOVE
    freshness: Freshness | None = None
    guards: Thresholds = field(default_factory=Thresholds)

    @property
    def every(self) -> timedelta | None:
        """The length of its interval; None when it runs by another schedule."""
        return self.schedule.length if isinstance(self.schedule, Every) else None

    def figures(self) -> dict[str, Any]:
        """The sync for machines: the stable keys of `hub sync list --json`."""
        return {
            "sync": self.name,
            "cohort": self.cohort,
            "connection": self.connection,
            "audience": self.audience,
            "schedule": str(self.schedule),
            "every_seconds": int(self.every.total_seconds()) if self.every else None,
            "cron": self.schedule.expression if isinstance(self.schedule, Cron) else None,
            "zone": self.schedule.zone or None if isinstance(self.schedule, Cron) else None,
            "after": self.schedule.sync if isinstance(self.schedule, After) else None,
            "mapping": dict(self.mapping),
            "state": self.state,
            "message": self.message,
            "next_run_at": self.next_run_at.isoformat() if self.next_run_at else None,
            "missed": self.missed,
            "leavers": self.leavers.value,
            "freshness": self.freshness.figures() if self.freshness else None,
            "last_run": self.last_run.figures() if self.last_run else None,
        }


@dataclass(frozen=True)
class Progress:
    """How far a run is: `done` of `total` members are answered, in the step `state`."""

    run: int
    state: RunState
    done: int = 0
    total: int = 0
    note: str = ""


Report = Callable[[Progress], None]
"""Called now and then, from the event loop's thread, with how far a run is."""


@dataclass(frozen=True)
class Rejected:
    """One member that the partner did not take, in its words. `retry_at` is when he is tried again by himself."""

    person: str
    key: str
    action: str
    reason: str
    code: str
    tries: int
    last_at: datetime
    retry_at: datetime
