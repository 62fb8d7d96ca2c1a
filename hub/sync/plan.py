"""A run's first two steps: who is in the cohort, and what that means for what the partner holds.

Both leave one file in the run's folder: `members.parquet` as evaluated, `plan.parquet` in the order in which it is
delivered. A plan is immutable: what it says is what runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.clock import now
from hub.lake.reading import DuckDbReader, Reader
from hub.lake.tables import TIME
from hub.people.views import with_person
from hub.sync.held import held_by
from hub.sync.plan_rows import changes_of, disk, keep, write_sorted
from hub.sync.states import Action, Leavers

if TYPE_CHECKING:
    import ibis

    from hub.workspace import Workspace

NO_PROFILE, NO_KEY, SHARED_KEY = "no profile", "no key", "shared key"
"""Why somebody in the cohort cannot go out: no profile property at all; no value for the match key; or somebody
else has the same value, and goes out for both."""

_MAP = pa.map_(pa.string(), pa.string())
MEMBERS = pa.schema([("person", pa.string()), ("has_profile", pa.bool_()), ("key", pa.string()), ("mapped", _MAP)])
PARKED = pa.schema(
    [
        ("key", pa.string()),
        ("action", pa.string()),
        ("fingerprint", pa.string()),
        ("version", pa.string()),
        ("retry_at", TIME),
    ]
)


@dataclass(frozen=True)
class Plan:
    """The figures of a plan. `skipped` counts people by reason; `digest` is the SHA-256 of the plan's file.

    `to_remove` are those who left: taken out, or cleared, as `leavers` says. `held` members are in the audience.
    """

    qualified: int
    skipped: Mapping[str, int]
    to_add: int
    to_update: int
    to_remove: int
    unchanged: int
    parked: int
    digest: str
    held: int = 0
    leavers: Leavers = Leavers.REMOVE

    @property
    def going(self) -> int:
        """The members who are in the cohort and can go out, each key once."""
        return self.qualified - sum(self.skipped.values())

    def batches(self, size: int) -> list[tuple[Action, int, int]]:
        """The plan cut into batches of at most `size` rows of one action: (action, first row, rows)."""
        cut = []
        first = 0
        for action, rows in (
            (Action.ADD, self.to_add),
            (Action.UPDATE, self.to_update),
            (self.leavers.action or Action.REMOVE, self.to_remove),
        ):
            for offset in range(0, rows, size):
                cut.append((action, first + offset, min(size, rows - offset)))
            first += rows
        return cut


def members_file(workspace: Workspace, run_id: int) -> Path:
    """Where a run keeps who is in the cohort."""
    return workspace.runs_folder / str(run_id) / "members.parquet"


def plan_file(workspace: Workspace, run_id: int) -> Path:
    """Where a run keeps its plan."""
    return workspace.runs_folder / str(run_id) / "plan.parquet"


def forget_plan(workspace: Workspace, run_id: int) -> None:
    """Delete a plan that sends nothing; what was asked of the partner all the same stays beside it."""
    plan = plan_file(workspace, run_id)
    plan.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty
        plan.parent.rmdir()


def write_members(reader: Reader, people: ibis.Table, path: Path) -> None:
    """Write the evaluated cohort (`person, has_profile, key, mapped`) to `path`, all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".writing")
    with disk(path), pq.ParquetWriter(unfinished, MEMBERS, compression="zstd", compression_level=1) as writer:
        for batch in reader.batches(people[MEMBERS.names]):
            writer.write_batch(batch.cast(MEMBERS))
    keep(unfinished, path)


def write_plan(
    reader: DuckDbReader,
    *,
    members: Path,
    plan: Path,
    audience_id: int,
    targets: Iterable[str],
    parked: Path | None,
    connector_version: str,
    can_remove: bool,
    identity: ibis.Table | None = None,
    leavers: Leavers = Leavers.REMOVE,
) -> Plan:
    """Compare the evaluated cohort with what the audience holds, and write what is to be done to `plan`.

    `targets` are the names of the mapped values; `parked` is the file that `write_parked` made. Rows are ordered by
    action (add, update, remove or clear) and key. `leavers` says what becomes of those who are held and not in the
    cohort; without `can_remove` nobody is taken out. `identity` (`id`, `person`) says who
    somebody is now who was held under another id.
    """
    people = reader.files(members)
    counts = _count(reader, people)
    going = _going(people, shared=counts.shared)
    changes = changes_of(going, held_by(reader, audience_id), sorted(targets), leavers)
    changes = with_person(changes, identity, of="person") if identity is not None else changes
    if leavers is Leavers.KEEP or (leavers is Leavers.REMOVE and not can_remove):
        changes = changes.filter(changes.rank < 2)
    waiting = _waiting(reader, parked, connector_version)
    held_back = changes.semi_join(waiting, ["key", "action", "fingerprint"]) if waiting is not None else None
    if waiting is not None:
        changes = changes.anti_join(waiting, ["key", "action", "fingerprint"])
    digest = write_sorted(reader, changes, plan)
    sent = _by_action(reader, reader.files(plan))
    kept_back = _by_action(reader, held_back) if held_back is not None else dict.fromkeys(Action, 0)
    touched = sum(each[action] for each in (sent, kept_back) for action in (Action.ADD, Action.UPDATE))
    leaving = [sum(each[action] for action in (Action.REMOVE, Action.CLEAR)) for each in (sent, kept_back)]
    new = sent[Action.ADD] + kept_back[Action.ADD]
    return Plan(
        qualified=counts.qualified,
        skipped=counts.skipped,
        to_add=sent[Action.ADD],
        to_update=sent[Action.UPDATE],
        to_remove=leaving[0],
        unchanged=counts.distinct_keys - touched,
        parked=sum(kept_back.values()),
        digest=digest,
        held=counts.distinct_keys - new + sum(leaving),
        leavers=leavers,
    )


def parked_file(workspace: Workspace, run_id: int) -> Path:
    """Where a run keeps who was refused before, while it is planned."""
    return workspace.runs_folder / str(run_id) / "parked.parquet"


def write_parked(pages: Iterable[Sequence[Any]], path: Path) -> Path | None:
    """Write rows of the exceptions, page by page, to `path`; returns it, or None when there is no row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = 0
    with disk(path), pq.ParquetWriter(path, PARKED, compression="zstd", compression_level=1) as writer:
        for page in pages:
            writer.write_table(_parked_table(page))
            rows += len(page)
    return path if rows else None


def stale_parked(reader: Reader, *, members: Path, parked: Path, audience_id: int) -> Iterator[list[str]]:
    """The keys of `parked` that are neither in the cohort nor in the audience any more, some at a time."""
    people = reader.files(members)
    waiting = reader.files(parked).select("key")
    gone = waiting.anti_join(people.filter(people.key.notnull()), "key").anti_join(held_by(reader, audience_id), "key")
    for batch in reader.batches(gone):
        yield batch.column("key").to_pylist()


def _parked_table(rows: Sequence[Any]) -> pa.Table:
    columns = [
        [row.key for row in rows],
        [row.action for row in rows],
        [row.mapped for row in rows],
        [row.connector_version for row in rows],
        [row.retry_at for row in rows],
    ]
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, PARKED, strict=True)], schema=PARKED
    )


@dataclass(frozen=True)
class _Counts:
    qualified: int
    no_profile: int
    no_key: int
    distinct_keys: int

    @property
    def shared(self) -> int:
        return self.qualified - self.no_profile - self.no_key - self.distinct_keys

    @property
    def skipped(self) -> dict[str, int]:
        reasons = {NO_PROFILE: self.no_profile, NO_KEY: self.no_key, SHARED_KEY: self.shared}
        return {reason: people for reason, people in reasons.items() if people}


def _count(reader: Reader, people: ibis.Table) -> _Counts:
    identified = people.has_profile
    figures = people.aggregate(
        qualified=people.count(),
        no_profile=(~identified).sum().fill_null(0),
        no_key=(identified & people.key.isnull()).sum().fill_null(0),
        distinct_keys=people.key.nunique(where=identified),
    )
    row = next(iter(reader.batches(figures))).to_pylist()[0]
    return _Counts(**{name: int(value) for name, value in row.items()})


def _going(people: ibis.Table, *, shared: int) -> ibis.Table:
    """Who goes out: identified, with a key; of several with the same key the one whose id sorts first."""
    import ibis

    going = people.filter(people.has_profile, people.key.notnull())
    if not shared:
        return going
    of_key = ibis.window(group_by=going.key, order_by=going.person)
    return going.mutate(nth=ibis.row_number().over(of_key)).filter(lambda row: row.nth == 0).drop("nth")


def _waiting(reader: Reader, parked: Path | None, connector_version: str) -> ibis.Table | None:
    """Who was refused, and would be refused again: same action and values, same connector, and no time for a try."""
    if parked is None:
        return None
    rows = reader.files(parked)
    return rows.filter(rows.version == connector_version, rows.retry_at > now()).select("key", "action", "fingerprint")


def _by_action(reader: Reader, rows: ibis.Table) -> dict[Action, int]:
    counted = rows.group_by("action").aggregate(people=rows.count())
    found = dict.fromkeys(Action, 0)
    for batch in reader.batches(counted):
        found |= {Action(row["action"]): row["people"] for row in batch.to_pylist()}
    return found
