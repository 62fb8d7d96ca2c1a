"""A run's second step: what the evaluated cohort means for what the partner holds.

It leaves one file in the run's folder, `plan.parquet`, in the order in which it is delivered. A plan is immutable: what
it says is what runs.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.clock import now
from hub.lake.reading import DuckDbReader, Reader
from hub.lake.tables import TIME
from hub.people.views import with_person
from hub.sync.evaluated import count, going
from hub.sync.held import held_by, is_empty
from hub.sync.memory import SORTING
from hub.sync.moves import moved_first, sent_again
from hub.sync.plan_rows import LEAVES, Comparing, disk, write_sorted
from hub.sync.states import Action, Leavers

if TYPE_CHECKING:
    import ibis
    from sqlalchemy import Row

    from hub.workspace import Workspace

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

    `to_remove` are those who left: taken out, or cleared, as `leavers` says. `held` members are in the audience. Of
    `to_remove`, `moved` are keys of people who go on under one of another kind: they come first (`hub.sync.moves`).
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
    moved: int = 0

    @property
    def going(self) -> int:
        """The members who are in the cohort and can go out, each key once."""
        return self.qualified - sum(self.skipped.values())

    def batches(self, size: int) -> list[tuple[Action, int, int]]:
        """The plan cut into batches of at most `size` rows of one action: (action, first row, rows)."""
        cut = []
        first = 0
        leaving = self.leavers.action or Action.REMOVE
        for action, rows in (
            (leaving, self.moved),
            (Action.ADD, self.to_add),
            (Action.UPDATE, self.to_update),
            (leaving, self.to_remove - self.moved),
        ):
            for offset in range(0, rows, size):
                cut.append((action, first + offset, min(size, rows - offset)))
            first += rows
        return cut


def members_file(workspace: Workspace, run_id: int) -> Path:
    """Where a run keeps who is in the cohort (`hub.sync.evaluated`), until it is planned."""
    return workspace.runs_folder / str(run_id) / "members.parquet"


def plan_file(workspace: Workspace, run_id: int) -> Path:
    """Where a run keeps its plan."""
    return workspace.runs_folder / str(run_id) / "plan.parquet"


def is_as_planned(workspace: Workspace, run: Row[Any]) -> bool:
    """Whether the file of the plan of a run (a row of the table) is there, and is what it was when it was made."""
    try:
        with plan_file(workspace, run.id).open("rb") as file:
            return bool(hashlib.file_digest(file, "sha256").hexdigest() == run.plan_digest)
    except OSError:
        return False


def forget_plan(workspace: Workspace, run_id: int) -> None:
    """Delete a plan that sends nothing; what was asked of the partner all the same stays beside it."""
    plan = plan_file(workspace, run_id)
    plan.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty
        plan.parent.rmdir()


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
    once: Collection[str] = (),
    several_kinds: bool = False,
) -> Plan:
    """Compare the evaluated cohort with what the audience holds, and write what is to be done to `plan`.

    `targets` are the names of the mapped values; `parked` is the file that `write_parked` made. Rows are ordered by
    action (add, update, remove or clear) and key. `leavers` says what becomes of those who are held and not in the
    cohort; without `can_remove` nobody is taken out. `identity` (`id`, `person`) says who
    somebody is now who was held under another id. Of the targets in `once` what was written first stays. With
    `several_kinds` of keys at the partner, a person's key of another kind goes first (`hub.sync.moves`).
    """
    people = reader.files(members)
    counts = count(reader, people)
    wanted, comparing = going(people, shared=counts.shared), Comparing(sorted(targets), leavers, once)
    nobody = is_empty(reader, audience_id)
    if nobody:
        changes = comparing.everybody(wanted)
    else:
        held = held_by(reader, audience_id)
        if several_kinds:
            held = sent_again(held if identity is None else with_person(held, identity, of="person"), wanted)
        changes = comparing.changes(wanted, held)
    changes = with_person(changes, identity, of="person") if identity is not None else changes
    if leavers is Leavers.KEEP or (leavers is Leavers.REMOVE and not can_remove):
        changes = changes.filter(changes.rank < LEAVES)
    elif several_kinds:
        changes = moved_first(changes, wanted)
    waiting, held_back = _waiting(reader, parked, connector_version), None
    if waiting is not None:
        marked = changes.mutate(action=comparing.action(changes), fingerprint=comparing.fingerprint(changes))
        held_back = marked.semi_join(waiting, ["key", "action", "fingerprint"])
        changes = marked.anti_join(waiting, ["key", "action", "fingerprint"])
    with reader.one_thread(SORTING) if nobody else contextlib.nullcontext():  # everybody is sorted
        digest = write_sorted(reader, changes, plan, comparing.rows)
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
        moved=reader.value(changes.filter(changes.rank < 0).count()) if several_kinds else 0,
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
