"""The plan of an undo: what one run did to each member, the other way round, as far as nobody has changed it since.

What a run did stands in its plan (`hub.sync.plan`), what came of it in the lake's `deliveries`. Members whom it added
are removed, those whom it removed are added again with the values that they had, those whom it updated get back what
was held before. Whom a later run has sent again, and whose state is not as the run left it, stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from hub.cohorts.mapped import EMPTIED, by_target, text_for
from hub.lake.tables import DELIVERIES, PROFILES
from hub.people.views import with_person
from hub.store.tables import runs
from hub.sync.held import held_by
from hub.sync.plan import Plan, plan_file
from hub.sync.plan_rows import fingerprint_of, write_sorted
from hub.sync.settle import ACKNOWLEDGED, OWED, REJECTED
from hub.sync.states import Action, Leavers

if TYPE_CHECKING:
    import ibis
    from sqlalchemy import Row

    from hub.lake.reading import DuckDbReader
    from hub.workspace import Workspace

NOT_DONE, CHANGED, GONE, BACK, FORGOTTEN, STUCK = (
    "was not delivered",
    "changed since",
    "not held any more",
    "held again",
    "profile deleted since",
    "cannot be taken back at the partner",
)
"""Why a member of a run is not taken back."""


@dataclass(frozen=True)
class Past:
    """The run that is taken back: its plan's file, when it was made, and its audience. `tries` are the runs that have
    been begun to take it back."""

    run_id: int
    audience_id: int
    project_id: int
    plan: Path
    created_at: datetime
    targets: Sequence[str]
    tries: Sequence[int] = ()


def past_of(workspace: Workspace, run: Row[Any]) -> Past:
    """What is taken back with a run (a row of the table)."""
    with workspace.store.reading() as connection:
        tries = connection.execute(select(runs.c.id).where(runs.c.undoes == run.id)).scalars().all()
    return Past(
        run_id=run.id,
        audience_id=run.audience_id,
        project_id=workspace.project.id,
        plan=plan_file(workspace, run.id),
        created_at=run.created_at,
        targets=sorted(run.mapping),
        tries=tries,
    )


def write_undo(
    reader: DuckDbReader,
    past: Past,
    plan: Path,
    *,
    can_remove: bool,
    can_clear: bool,
    identity: ibis.Table | None,
) -> Plan:
    """Write what takes a run back to `plan`, in the form of `hub.sync.plan.write_plan`.

    `can_remove` and `can_clear` say what the connector can; `identity` (`id`, `person`) who somebody is now. Of the
    figures, `qualified` are the members of the run's plan, and `skipped` those who stay as they are, by reason.
    """
    rows = _judged(reader, past, can_remove=can_remove, can_clear=can_clear)
    stays = rows.filter(rows.reason.notnull())
    skipped = {
        str(row["reason"]): int(row["members"])
        for batch in reader.batches(stays.group_by("reason").aggregate(members=stays.count()))
        for row in batch.to_pylist()
    }
    going = rows.filter(rows.reason.isnull())
    changes = with_person(_turned(going, past.targets, can_clear), identity, of="person")
    digest = write_sorted(reader, changes, plan, lambda rows: rows.drop("rank"))
    counts = dict.fromkeys(Action, 0)
    written = reader.files(plan)
    for batch in reader.batches(written.group_by("action").aggregate(members=written.count())):
        counts |= {Action(row["action"]): int(row["members"]) for row in batch.to_pylist()}
    return Plan(
        qualified=sum(counts.values()) + sum(skipped.values()),
        skipped=skipped,
        to_add=counts[Action.ADD],
        to_update=counts[Action.UPDATE],
        to_remove=counts[Action.REMOVE],
        unchanged=0,
        parked=0,
        digest=digest,
        held=int(reader.value(held_by(reader, past.audience_id).count())),
        leavers=Leavers.REMOVE,
    )


def _judged(reader: DuckDbReader, past: Past, *, can_remove: bool, can_clear: bool) -> ibis.Table:
    """The rows of the run's plan with what is held now (`now_mapped`), and the `reason` why one stays as it is."""
    import ibis

    planned = reader.files(past.plan)
    planned = planned.select("action", "key", "person", "send", "mapped", "before")
    held = held_by(reader, past.audience_id)
    held = held.select("certain", held_key="key", now_mapped="mapped", now_since="since")
    outcomes, later, tried = _sent(reader, past)
    rows = planned.left_join(held, planned.key == held.held_key)
    rows = rows.left_join(outcomes, rows.key == outcomes.sent_key)
    rows = rows.left_join(later, rows.key == later.later_key)
    rows = rows.left_join(tried, rows.key == tried.tried_key)
    is_held, is_same = rows.held_key.notnull(), _equal(rows, past.targets)
    # what an earlier try to take it back sent without an answer: it is sent again, which does no harm
    in_doubt = rows.tried_key.notnull() & ~rows.certain.fill_null(True)
    acknowledged = (rows.outcome == ACKNOWLEDGED).fill_null(False)
    # no answer, or one value refused: in the books all the same, since the run itself
    there_since = is_held & (rows.now_since >= ibis.literal(past.created_at)) & rows.outcome.notnull()
    adds, removes, clears, updates = (
        rows.action == action.value for action in (Action.ADD, Action.REMOVE, Action.CLEAR, Action.UPDATE)
    )
    done = acknowledged | (there_since & (adds | updates))
    emptied = [_was_nothing(rows, target) for target in past.targets]
    only_emptied = updates & ~ibis.or_(*(_restored(rows, target) for target in past.targets)) if emptied else updates
    reason = ibis.cases(
        (~done, NOT_DONE),
        (rows.later_key.notnull(), CHANGED),
        (removes & is_held & ~in_doubt, BACK),
        (~removes & ~is_held, GONE),
        ((updates | clears) & ~is_same & ~in_doubt, CHANGED),
        (adds & ibis.literal(not can_remove), STUCK),
        (only_emptied & ibis.literal(not can_clear), STUCK),
        (removes & rows.person.isin(_deleted(reader, past.project_id)), FORGOTTEN),
        else_=ibis.null("string"),
    )
    return rows.mutate(reason=reason)


def _sent(reader: DuckDbReader, past: Past) -> tuple[ibis.Table, ibis.Table, ibis.Table]:
    """What came of the members in this run (`sent_key`, `outcome`), whom later runs have sent (`later_key`), and whom
    earlier tries to take it back owe (`tried_key`)."""
    sent = reader.table(DELIVERIES, [("project_id", "=", str(past.project_id))])
    own = sent.filter(sent.run_id == past.run_id, sent.audience_id == past.audience_id)
    own = own.group_by("key").aggregate(outcome=own.outcome.arbitrary()).rename(sent_key="key")
    after = reader.table(DELIVERIES, [("project_id", "=", str(past.project_id))])
    after = after.filter(after.run_id > past.run_id, after.audience_id == past.audience_id, after.outcome != REJECTED)
    owed = after.run_id.isin([*past.tries]) & (after.outcome == OWED)
    later, tried = after.filter(~owed), after.filter(owed)
    return own, later.select(later_key="key").distinct(), tried.select(tried_key="key").distinct()


def _deleted(reader: DuckDbReader, project_id: int) -> ibis.Value:
    """The people whose profile was deleted, and not made again."""
    profiles = reader.table(PROFILES, [("project_id", "=", str(project_id))])
    newest = profiles.group_by("distinct_id").aggregate(deleted=profiles.deleted.argmax(profiles.seq))
    return newest.filter(newest.deleted).distinct_id


def _equal(rows: ibis.Table, targets: Sequence[str]) -> ibis.Value:
    """Whether the books still have what the run wrote."""
    import ibis

    same = [_text(text_for(rows.mapped, target)) == _text(text_for(rows.now_mapped, target)) for target in targets]
    return ibis.and_(*same) if same else ibis.literal(True)


def _text(value: ibis.Value) -> ibis.Value:
    return value.fill_null("")  # a typed text is never empty


def _differs(rows: ibis.Table, target: str) -> ibis.Value:
    return _text(text_for(rows.before, target)) != _text(text_for(rows.mapped, target))


def _was_nothing(rows: ibis.Table, target: str) -> ibis.Value:
    return _differs(rows, target) & text_for(rows.before, target).isnull()


def _restored(rows: ibis.Table, target: str) -> ibis.Value:
    return _differs(rows, target) & text_for(rows.before, target).notnull()


def _turned(rows: ibis.Table, targets: Sequence[str], can_clear: bool) -> ibis.Table:
    """The rows of the undo: `rank, action, key, person, fingerprint, send, mapped, before`."""
    import ibis

    adds, removes, clears = (rows.action == action.value for action in (Action.ADD, Action.REMOVE, Action.CLEAR))
    nothing = ibis.null("string")
    send: dict[str, ibis.Value] = {}
    stays: dict[str, ibis.Value] = {}
    for target in targets:
        written, before = text_for(rows.mapped, target), text_for(rows.before, target)
        back = before.fill_null(EMPTIED) if can_clear else before
        send[target] = ibis.cases(
            (adds, nothing),
            (removes, written),
            (clears, text_for(rows.send, target)),
            else_=_differs(rows, target).ifelse(back, nothing),
        )
        stays[target] = ibis.cases(
            (adds, text_for(rows.now_mapped, target)),
            (removes, written),
            (clears, text_for(rows.send, target)),
            else_=before if can_clear else ibis.coalesce(before, written),
        )
    updates = ~adds & ~removes
    left = {target: updates.ifelse(text_for(rows.mapped, target), nothing) for target in targets}
    return rows.select(
        rank=ibis.cases((removes, 0), (adds, 2), else_=1),
        action=ibis.cases((removes, Action.ADD.value), (adds, Action.REMOVE.value), else_=Action.UPDATE.value),
        key=rows.key,
        person=rows.person,
        fingerprint=fingerprint_of(_told(send)),
        send=by_target(send),
        mapped=by_target(stays),
        before=by_target(left),
    )


def _told(values: Mapping[str, ibis.Value]) -> Mapping[str, ibis.Value]:
    return dict(sorted(values.items()))
