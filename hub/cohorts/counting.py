"""How many people are in cohorts, counted in shared scans; and the evaluations that are recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from time import monotonic
from typing import TYPE_CHECKING, Any

from hub.cohorts.asked import AskedFor, asked_for
from hub.cohorts.cohort import Cohort, CohortCount
from hub.cohorts.lists.sources import Sql
from hub.cohorts.recorded import record
from hub.errors import Busy
from hub.store.tables import cohorts

if TYPE_CHECKING:
    import ibis

    from hub.cohorts.question import Question
    from hub.lake.reading import Reader
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Refreshed:
    """An evaluation as of `at` that was recorded: `size` people are in the cohort.

    `entered` and `left` since what was recorded before. They are None when nothing was recorded, because another
    process has recorded the cohort at the same time.
    """

    cohort: str
    size: int
    entered: int | None
    left: int | None
    at: datetime
    seconds: float

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort refresh --json`."""
        return {
            "cohort": self.cohort,
            "count": self.size,
            "entered": self.entered,
            "left": self.left,
            "recorded": self.entered is not None,
            "evaluated_at": self.at.isoformat(),
            "seconds": round(self.seconds, 3),
        }


def count(
    workspace: Workspace, names: Sequence[str], *, as_of: datetime | None = None, known_at: datetime | None = None
) -> list[CohortCount]:
    """Count the people in cohorts, all as of the same instant, in shared scans; in the order of the names.

    `as_of` (aware) hides later events; `known_at` (aware) hides what the hub got later. What is counted as of now is
    kept with the cohorts. `seconds` is how long it took for all of them. Raises as of `asked_for`.
    """
    from hub.cohorts.together import sizes

    asked, started = asked_for(workspace, names, as_of=as_of, known_at=known_at), monotonic()
    with workspace.reading() as reader:
        found = sizes(reader, workspace.project, [each.question for each in asked])
        warnings = [_rows_left_out(workspace, reader, each.cohort) for each in asked]
    if as_of is None and known_at is None:
        for each, size in zip(asked, found, strict=True):
            keep_size(workspace, each.cohort, size, each.question.now)
    seconds = monotonic() - started
    return [
        CohortCount(each.cohort.name, size, each.question.now, seconds, warned)
        for each, size, warned in zip(asked, found, warnings, strict=True)
    ]


def refresh(workspace: Workspace, names: Sequence[str]) -> list[Refreshed]:
    """Evaluate cohorts now, in shared scans, and record who entered and left; in the order of the names.

    Raises as of `asked_for`, StoreError. Killed in the middle, it has recorded some of them, each as a whole.
    """
    from hub.cohorts.together import portions

    asked = asked_for(workspace, dict.fromkeys(names))
    found: dict[int, Refreshed] = {}
    with workspace.reading() as reader:
        for portion in portions([each.question for each in asked], workspace.project.zone):
            tables = _kept(workspace, reader, {place: asked[place].question for place in portion})
            for place, people in tables.items():
                found[place] = record_now(workspace, reader, asked[place], people)
    return [found[place] for place in range(len(asked))]


def record_now(workspace: Workspace, reader: Reader, asked: AskedFor, people: ibis.Table) -> Refreshed:
    """Record an evaluation whose `people` (the column `person`) are at hand, and keep its size with the cohort.

    Where another process is quicker, the record has its state. Raises StoreError.
    """
    started, at = monotonic(), asked.question.now
    size = int(reader.value(people.count()))
    try:
        done = record(workspace, reader, asked.cohort, at, people)
    except Busy:
        return Refreshed(asked.cohort.name, size, None, None, at, monotonic() - started)
    keep_size(workspace, asked.cohort, size, at)
    return Refreshed(asked.cohort.name, size, done.entered, done.left, at, monotonic() - started)


def keep_size(workspace: Workspace, cohort: Cohort, size: int, at: datetime) -> None:
    """Keep with a cohort how many people are in it, and as of when."""
    with workspace.store.writing() as connection:
        figures = {"size": size, "evaluated_at": at}
        connection.execute(cohorts.update().where(cohorts.c.id == cohort.id).values(figures))


def _kept(workspace: Workspace, reader: Reader, questions: Mapping[int, Question]) -> dict[int, ibis.Table]:
    """The people of questions that are answered together, worked out and kept."""
    from hub.cohorts.compile import memberships
    from hub.cohorts.members import evaluate

    if len(questions) == 1:
        [(place, question)] = questions.items()
        return {place: reader.keep(evaluate(reader, workspace.project, question))}
    named = {str(place): question for place, question in questions.items()}
    rows = memberships(reader, workspace.project, named)
    kept = reader.keep(rows.filter(reduce(or_, (rows[name] for name in named))))
    return {place: kept.filter(kept[str(place)]).select("person") for place in questions}


def _rows_left_out(workspace: Workspace, reader: Reader, cohort: Cohort) -> tuple[str, ...]:
    from hub.cohorts.lists.resolving import found_by

    if not isinstance(cohort.source, Sql):
        return ()
    return found_by(workspace, reader, cohort.id, cohort.source).warnings(cohort.source)
