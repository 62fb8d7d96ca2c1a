"""Who was in a cohort, evaluation by evaluation: the lake table `membership_changes`.

An evaluation that is recorded (of a sync's run, or of `hub cohort refresh`) appends what differs from the state
recorded before it: who entered, and who left. One that finds no difference appends nothing. The newest row of a person
is the truth.

People are recorded by the id that is theirs at the time. When that becomes another one (ids were linked, or somebody
known by an address alone became known), nobody leaves or enters: the next evaluation takes the old id out and puts the
new one in, and marks both rows as `merged`. Somebody of whom several ids were in, and who leaves, leaves once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import ibis
import pyarrow as pa

from hub.errors import Busy
from hub.lake.tables import MEMBERSHIP_CHANGES
from hub.people.views import MATCH, identity_map, known_by_value, with_person

if TYPE_CHECKING:
    from hub.cohorts.cohort import Cohort
    from hub.lake.reading import Reader
    from hub.workspace import Project, Workspace


@dataclass(frozen=True)
class Recorded:
    """What an evaluation changed of the recorded state.

    `evaluation` is the newest one that changed anything (0: none yet); this one, if somebody `entered` or `left`.
    """

    evaluation: int
    entered: int
    left: int


@dataclass(frozen=True)
class Evaluation:
    """One recorded evaluation that changed something, as of `at`, by a `version` of the definition.

    `size` people were in the cohort then.
    """

    number: int
    version: int
    at: datetime
    entered: int
    left: int
    size: int


def record(workspace: Workspace, reader: Reader, cohort: Cohort, at: datetime, people: ibis.Table) -> Recorded:
    """Record who is in a cohort as of `at` (aware): `people` has the column `person`, each person once.

    One commit, harmless when repeated. Raises Busy when another process has recorded the cohort meanwhile, or as of a
    later time; StoreError when the lake cannot be written. Then nothing is recorded.
    """
    application = f"cohort {cohort.id}"
    newest = reader.snapshot(MEMBERSHIP_CHANGES).table.transaction_version(application) or 0
    rows = _rows(reader, workspace.project, cohort.id)
    if newest and reader.value(rows["at"].max()) > at:
        raise Busy(
            f"The cohort {cohort.name!r} has been recorded as of a later time.", hint="Nothing is lost; nothing to do."
        )
    changes = reader.keep(_changes(reader, workspace.project, rows, people))
    entered, left, other = _figures(reader, changes)
    if not entered + left + other:
        return Recorded(newest, 0, 0)
    told = changes.select(
        project_id=ibis.literal(workspace.project.id),
        cohort_id=ibis.literal(cohort.id),
        version=ibis.literal(cohort.version),
        person=changes.person,
        entered=changes.entered,
        at=ibis.literal(at),
        evaluation=ibis.literal(newest + 1),
        merged=changes.merged,
    )[MEMBERSHIP_CHANGES.schema.names]

    def batches() -> Iterator[pa.RecordBatch]:
        return reader.batches(told)

    workspace.lake.append(MEMBERSHIP_CHANGES, batches, application=application, version=newest + 1, after=newest)
    return Recorded(newest + 1, entered, left)


def recorded_members(reader: Reader, project: Project, cohort_id: int) -> ibis.Table:
    """The people who were in the cohort at its newest recorded evaluation: `person`, by the ids of then."""
    return _present(reader, _rows(reader, project, cohort_id))


def evaluations(reader: Reader, project: Project, cohort_id: int) -> list[Evaluation]:
    """The recorded evaluations of a cohort that changed something, the earliest first."""
    rows = _rows(reader, project, cohort_id)
    figures = rows.group_by("evaluation").agg(
        version=rows.version.max(),
        at=rows["at"].max(),
        entered=rows.count(where=rows.entered & ~rows.merged),
        left=rows.count(where=~rows.entered & ~rows.merged),
        more=rows.count(where=rows.entered) - rows.count(where=~rows.entered),
    )
    found, size = list[Evaluation](), 0
    for row in _pythonic(reader, figures.order_by("evaluation")):
        size += row["more"]
        found.append(Evaluation(row["evaluation"], row["version"], row["at"], row["entered"], row["left"], size))
    return found


def _changes(reader: Reader, project: Project, rows: ibis.Table, people: ibis.Table) -> ibis.Table:
    """What differs between the recorded state and these people: `person`, `entered`, `merged`."""
    held = _owned(reader, project, rows)
    now = people.select(present=people.person)
    both = held.join(now, held.person == now.present, how="outer")
    new_id = both.present.notnull() & (both.nth == 0) & (both.id != both.present)
    gone = both.id.notnull() & (both.present.isnull() | (both.id != both.present))
    entered = both.filter(both.id.isnull() | new_id)
    left = both.filter(gone)
    return entered.select(person=entered.present, entered=ibis.literal(True), merged=entered.id.notnull()).union(
        left.select(person=left.id, entered=ibis.literal(False), merged=left.present.notnull() | (left.nth > 0))
    )


def _owned(reader: Reader, project: Project, rows: ibis.Table) -> ibis.Table:
    """Everybody who is recorded as being in: the `id` that is recorded, whose it is now (`person`), and the `nth` id of
    that person it is, the person's own being the first."""
    present = _present(reader, rows).select(id=lambda each: each.person)
    people = identity_map(reader, project)
    if reader.value(ibis.coalesce(rows.person.startswith(MATCH).any(), False)):
        known = known_by_value(reader, project, present.filter(present.id.startswith(MATCH)))
        if known is not None:
            people = known.select("id", "person") if people is None else people.union(known.select("id", "person"))
    if people is None:  # every id is a person of its own
        return present.mutate(person=present.id, nth=ibis.literal(0))
    owned = with_person(present, people, of="id")
    order = [(owned.id == owned.person).desc(), owned.id]
    return owned.mutate(nth=ibis.row_number().over(group_by=owned.person, order_by=order))


def _present(reader: Reader, rows: ibis.Table) -> ibis.Table:
    """Who is in by these rows. Most people have the row of the first evaluation alone: only of the later ones is each
    person's newest row looked for."""
    first = reader.value(rows.evaluation.min())
    earliest = rows.filter(rows.evaluation == first) if first is not None else rows
    if first is None or first == reader.value(rows.evaluation.max()):
        return earliest.filter(earliest.entered).select("person")
    later = rows.filter(rows.evaluation > first)
    newest = later.group_by("person").agg(entered=later.entered.argmax(later.evaluation))
    untouched = earliest.filter(earliest.entered).anti_join(newest, "person").select("person")
    return untouched.union(newest.filter(newest.entered).select("person"))


def _rows(reader: Reader, project: Project, cohort_id: int) -> ibis.Table:
    of = [("project_id", "=", str(project.id)), ("cohort_id", "=", str(cohort_id))]
    return reader.table(MEMBERSHIP_CHANGES, of)


def _figures(reader: Reader, changes: ibis.Table) -> tuple[int, int, int]:
    merged = changes.merged
    sums = changes.aggregate(
        entered=changes.count(where=changes.entered & ~merged),
        left=changes.count(where=~changes.entered & ~merged),
        other=changes.count(where=merged),
    )
    (row,) = _pythonic(reader, sums)
    return row["entered"], row["left"], row["other"]


def _pythonic(reader: Reader, rows: ibis.Table) -> list[dict[str, Any]]:
    return [row for batch in reader.batches(rows) for row in batch.to_pylist()]
