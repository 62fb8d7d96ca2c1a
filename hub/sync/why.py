"""What became of one person in every sync: one timeline of what was planned, sent and answered, and how it stands now.

Found by every id of the person, so that what was sent before a merge is told too. Who was in a run stands in its plan;
each plan is asked by DuckDB, which reads its columns of ids and keys (about 30 ms for a million members).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.cohorts.asked import asked_for
from hub.cohorts.members import qualified
from hub.lake.tables import MEMBERSHIP_CHANGES
from hub.store.tables import audiences, batches, cohorts, connections, exceptions, runs, syncs
from hub.sync.attempts import Attempt
from hub.sync.attempts_reading import attempts_of
from hub.sync.evaluated import INVALID
from hub.sync.held import held_by
from hub.sync.plan import plan_file
from hub.sync.states import BatchState
from hub.sync.verify_told import decided_about

if TYPE_CHECKING:
    from hub.connectors.connections import Connections
    from hub.lake.reading import DuckDbReader
    from hub.workspace import Workspace

_ACTIONS = {"add": "added", "update": "updated", "remove": "removed", "clear": "cleared"}


@dataclass(frozen=True)
class Moment:
    """One thing that happened: entered, left, planned, attempt, waiting or verified. `said` is it in a sentence."""

    at: datetime
    kind: str
    said: str
    sync: str = ""
    run: int | None = None
    batch: int | None = None
    attempt: int | None = None
    key: str = ""

    def figures(self) -> dict[str, Any]:
        """For machines: stable keys."""
        return {**vars(self), "at": self.at.isoformat()}


@dataclass(frozen=True)
class Standing:
    """How the person stands in one sync now. `reason` is empty when he goes out; `held_since` None when not held."""

    sync: str
    connection: str
    audience: str
    cohort: str
    said: str
    reason: str = ""
    held_since: datetime | None = None
    certain: bool = True
    parked: str = ""
    retry_at: datetime | None = None

    def figures(self) -> dict[str, Any]:
        """For machines: stable keys."""
        times = {name: getattr(self, name) for name in ("held_since", "retry_at")}
        return {**vars(self), **{name: at.isoformat() if at else None for name, at in times.items()}}


@dataclass(frozen=True)
class Why:
    """The answer of `hub why`: the `timeline`, the oldest first, and how it stands `now`, a line a sync."""

    person: str
    ids: Sequence[str]
    timeline: Sequence[Moment]
    now: Sequence[Standing]

    @property
    def was_in_a_run(self) -> bool:
        """Whether any run in the answer had the person."""
        return any(each.run is not None for each in self.timeline)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub why --json`."""
        return {
            "person": self.person,
            "ids": list(self.ids),
            "timeline": [each.figures() for each in self.timeline],
            "now": [each.figures() for each in self.now],
        }


def why(
    workspace: Workspace,
    kinds: Connections,
    *,
    person: str,
    ids: Sequence[str],
    sync: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Why:
    """What became of somebody, by the canonical id and all ids, in all syncs of the project or in one of that name.

    `since` and `until` (aware) bound the timeline. A cohort of each active sync is evaluated once to tell how it stands
    now. Raises StoreError when the lake cannot be read.
    """
    told = _syncs(workspace, sync)
    with workspace.reading_here() as reader:
        timeline = [*_memberships(workspace, reader, told, ids), *_in_runs(workspace, reader, told, ids)]
        standing = [_standing(workspace, kinds, reader, row, person, ids) for row in told if row.removed_at is None]
    shown = [each for each in timeline if (not since or each.at >= since) and (not until or each.at <= until)]
    return Why(person, [*ids], sorted(shown, key=lambda each: each.at), standing)


def _syncs(workspace: Workspace, name: str) -> Sequence[Row[Any]]:
    query = (
        select(
            syncs,
            cohorts.c.name.label("cohort"),
            connections.c.name.label("connection"),
            audiences.c.id.label("audience_id"),
        )
        .join(cohorts, cohorts.c.id == syncs.c.cohort_id)
        .join(connections, connections.c.id == syncs.c.connection_id)
        .outerjoin(
            audiences,
            (audiences.c.connection_id == syncs.c.connection_id) & (audiences.c.name == syncs.c.audience_name),
        )
        .where(syncs.c.project_id == workspace.project.id)
        .order_by(syncs.c.id)
    )
    with workspace.store.reading() as connection:
        return connection.execute(query.where(syncs.c.name == name) if name else query).all()


def _memberships(
    workspace: Workspace, reader: DuckDbReader, told: Sequence[Row[Any]], ids: Sequence[str]
) -> Iterator[Moment]:
    names = {row.cohort_id: row.cohort for row in told}
    if not names:
        return
    rows = reader.table(MEMBERSHIP_CHANGES, [("project_id", "=", str(workspace.project.id))])
    rows = rows.filter(rows.person.isin([*ids]), rows.cohort_id.isin([*names]), ~rows.merged)
    for row in _rows(reader, rows):
        kind = "entered" if row["entered"] else "left"
        yield Moment(row["at"], kind, f"{kind} the cohort {names[row['cohort_id']]}")


def _in_runs(
    workspace: Workspace, reader: DuckDbReader, told: Sequence[Row[Any]], ids: Sequence[str]
) -> Iterator[Moment]:
    names = {row.id: row.name for row in told}
    with workspace.store.reading() as connection:
        found = connection.execute(select(runs).where(runs.c.sync_id.in_([*names])).order_by(runs.c.id)).all()
    for run in found:
        if plan_file(workspace, run.id).exists():
            for place in _places(workspace, reader, run.id, ids):
                yield from _in_run(workspace, run, names[run.sync_id], place)
    for at, said, sync_id, run_id, key in decided_about(workspace, reader, [*names], ids):
        yield Moment(at, "verified", said, names[sync_id], run_id, None, None, key)


def _places(workspace: Workspace, reader: DuckDbReader, run_id: int, ids: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    plan = reader.backend.read_parquet(plan_file(workspace, run_id), file_row_number=True)
    found = plan.filter(plan.person.isin([*ids])).select("file_row_number", "action", "key")
    return [*_rows(reader, found)]


def _in_run(workspace: Workspace, run: Row[Any], sync: str, place: Mapping[str, Any]) -> Iterator[Moment]:
    number, key = place["file_row_number"], place["key"]
    of_row = (batches.c.run_id == run.id, batches.c.first_row <= number, batches.c.first_row + batches.c.size > number)
    with workspace.store.reading() as connection:
        batch = connection.execute(select(batches).where(*of_row)).first()
    why_so = f", to take back run {run.undoes}" if run.undoes is not None else ""
    said = f"planned to be {_ACTIONS[place['action']]} as {key}{why_so}"
    yield Moment(run.as_of or run.created_at, "planned", said, sync, run.id, None, None, key)
    if batch is None:
        return
    for attempt in attempts_of(workspace, run.id, batch=batch.number):
        if attempt.had(key):
            yield Moment(attempt.at, "attempt", _answer(attempt, key), sync, run.id, batch.number, attempt.number, key)
    if batch.state in (BatchState.OWED, BatchState.HELD, BatchState.REFUSED):
        yield Moment(
            batch.answered_at or run.held_at or run.created_at,
            "waiting",
            _waits(batch),
            sync,
            run.id,
            batch.number,
            None,
            key,
        )


def _answer(attempt: Attempt, key: str) -> str:
    sent = f"sent in batch {attempt.batch}, attempt {attempt.number}: "
    if key in attempt.refused:
        return sent + f"rejected, {attempt.refused[key]}"
    ending = {
        "unknown": "the hub was stopped before an answer came, so it may have been carried out",
        "lost answer": "no answer came back, so it may have been carried out",
    }.get(attempt.end.value, attempt.end.value)
    words = f": {attempt.message}" if attempt.message else ""
    partner_id = f" (request {attempt.request_id})" if attempt.request_id else ""
    return f"{sent}{ending}{words}{partner_id}"


def _waits(batch: Row[Any]) -> str:
    if batch.state == BatchState.HELD:
        return "held by a guard until somebody approves the run"
    if batch.state == BatchState.REFUSED:
        return "not sent: the held run was refused"
    return f"owed: it goes out with the next run{f'. {batch.message}' if batch.message else ''}"


def _standing(
    workspace: Workspace, kinds: Connections, reader: DuckDbReader, row: Row[Any], person: str, ids: Sequence[str]
) -> Standing:
    held = parked = None
    if row.audience_id is not None:
        rows = held_by(reader, row.audience_id)
        held = next(iter(_rows(reader, rows.filter(rows.person.isin([*ids])).select("since", "certain"))), None)
        ours = (exceptions.c.audience_id == row.audience_id, exceptions.c.person.in_([*ids]))
        with workspace.store.reading() as connection:
            parked = connection.execute(select(exceptions).where(*ours)).first()
    reason = _skipped(workspace, kinds, row, person)
    return Standing(
        sync=row.name,
        connection=row.connection,
        audience=row.audience_name,
        cohort=row.cohort,
        said=_now(row, person, reason, held, parked),
        reason=reason,
        held_since=held["since"] if held else None,
        certain=held["certain"] if held else True,
        parked=parked.reason if parked else "",
        retry_at=parked.retry_at if parked else None,
    )


def _now(row: Row[Any], person: str, reason: str, held: Mapping[str, Any] | None, parked: Row[Any] | None) -> str:
    parts = ["held at the partner" if held else "not held at the partner"]
    if held and not held["certain"]:
        parts = ["may be held at the partner: an answer was lost, or a listing did not show it"]
    if parked:
        parts.append(
            f"rejected {parked.tries} times, {parked.reason}" if parked.tries > 1 else f"rejected, {parked.reason}"
        )
    if reason == "not in the cohort":
        parts.append(f"not in the cohort {row.cohort} (`hub cohort explain {row.cohort} {person}` says why)")
    elif reason:
        parts.append(f"in the cohort {row.cohort}, and skipped: {reason}")
    else:
        parts.append(f"in the cohort {row.cohort}" + ("" if held or parked else "; goes out with the next run"))
    return "; ".join(parts)


def _skipped(workspace: Workspace, kinds: Connections, row: Row[Any], person: str) -> str:
    """Why the person does not go out with this sync now; empty when he does."""
    asked = asked_for(workspace, [row.cohort])[0]
    match = kinds.match(row.connection)
    with workspace.reading() as reader:
        people = qualified(reader, workspace.project, asked.question, match=match, mapping={})
        facts = people.filter(people.person == person).select("has_profile", "key", "invalid")
        own = next(iter(_rows(reader, facts)), None)
        if own is None:
            return "not in the cohort"
        if not own["has_profile"]:
            return "no identified profile: it has no property"
        if own["key"] is None:
            wanted = " or ".join(on.property for on in match)
            return f"{INVALID[own['invalid']]}: {wanted}" if own["invalid"] else f"no key: the profile has no {wanted}"
        sharing = people.filter(people.key == own["key"], people.has_profile, people.person < person)
        first = reader.value(sharing.person.min())
    return f"shares the key {own['key']} with {first}, who goes out for both" if first else ""


def _rows(reader: Any, table: Any) -> Iterator[Mapping[str, Any]]:
    for batch in reader.batches(table):
        yield from batch.to_pylist()
