"""The size of a cohort over time, and who entered and left between two instants.

Both are evaluated, by today's definition: each point is what `hub cohort count --as-of` says, and the points share
their scans where the clauses allow it. What was recorded when the cohort was evaluated (`hub.cohorts.recorded`) stands
beside it, and may differ: the definition was another one, events came late, profiles have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hub.clock import day_start
from hub.cohorts.asked import AskedFor, as_of, asked_for
from hub.cohorts.recorded import Evaluation, evaluations
from hub.errors import UsageError

if TYPE_CHECKING:
    import ibis

    from hub.cohorts.question import Question
    from hub.workspace import Workspace

MOST_POINTS = 1_000

_MICROSECOND = timedelta(microseconds=1)


class Every(StrEnum):
    """How far apart the points are."""

    DAY = "day"
    WEEK = "week"


@dataclass(frozen=True)
class Point:
    """`size` people are in the cohort as of `at`; `recorded` are the evaluations since the point before."""

    at: datetime
    size: int
    recorded: tuple[Evaluation, ...]

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of a point of `hub cohort history --json`."""
        newest = self.recorded[-1] if self.recorded else None
        return {
            "at": self.at.isoformat(),
            "count": self.size,
            "recorded": newest
            and {
                "at": newest.at.isoformat(),
                "count": newest.size,
                "version": newest.version,
                "entered": sum(each.entered for each in self.recorded),
                "left": sum(each.left for each in self.recorded),
            },
        }


@dataclass(frozen=True)
class History:
    """A cohort at several instants, the earliest first. `left_out` says why the earliest of them are not there."""

    cohort: str
    points: tuple[Point, ...]
    left_out: str = ""

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort history --json`."""
        return {"cohort": self.cohort, "points": [point.figures() for point in self.points]}


def ends(first: date, last: date, every: Every, zone: ZoneInfo, until: datetime) -> list[datetime]:
    """The ends of the days (or weeks, the last of which ends with `last`) of a zone from `first` to `last`.

    The last instant of each, and `until` (aware) in the place of all that are later. Raises UsageError for days that
    end before they begin, for none that has begun, and for too many.
    """
    if last < first:
        raise UsageError(f"The days end on {last} and begin on {first}.", hint="Give the earlier one first.")
    step = timedelta(days=7 if every is Every.WEEK else 1)
    number = (last - first) // step + 1
    if number > MOST_POINTS:
        raise UsageError(
            f"From {first} to {last} there are {number:,} points, and {MOST_POINTS:,} are the most.",
            hint="Ask for fewer days, or with --every week.",
        )
    days = [last - step * back for back in reversed(range(number))]
    found = [min(day_start(day + timedelta(days=1), zone) - _MICROSECOND, until) for day in days]
    begun = [each for each, day in zip(found, days, strict=True) if day_start(day, zone) <= until]
    if not begun:
        raise UsageError(f"The day {first} is still to come.", hint="Ask for days that have begun.")
    return sorted(set(begun))


def history(
    workspace: Workspace,
    name: str,
    instants: Sequence[datetime],
    *,
    known_at: datetime | None = None,
    done: Callable[[int], None] | None = None,
) -> History:
    """The size of a cohort as of each of these instants (aware, rising), by its present definition.

    Profiles are those of today, or with `known_at` those of then. Instants at which nobody knows who was on a list are
    left out. `done` is told how many points are worked out. Raises NotFound, UsageError when all are left out,
    StoreError.
    """
    from hub.cohorts.together import sizes

    asked = asked_for(workspace, [name], as_of=instants[-1], known_at=known_at)[0]
    questions, left_out = _as_far_back_as_known(workspace, asked, instants)
    instants = [question.now for question in questions]
    with workspace.reading() as reader:
        found = sizes(reader, workspace.project, questions, done=done)
        recorded = evaluations(reader, workspace.project, asked.cohort.id)
    spans = pairwise([None, *instants])
    points = [
        Point(at, size, tuple(each for each in recorded if (before is None or before < each.at) and each.at <= at))
        for (before, at), size in zip(spans, found, strict=True)
        if at is not None
    ]
    return History(asked.cohort.name, (_of_its_day(points[0]), *points[1:]), left_out)


def changes(
    workspace: Workspace, name: str, since: datetime, until: datetime, *, known_at: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Who is in a cohort as of `until` and not as of `since` (aware), and the other way round; in no promised order.

    Keys: `person`, `change` (entered or left), `email`. Raises NotFound, UsageError for instants that are not in their
    order, and as of `asked_for`.
    """
    if until <= since:
        raise UsageError("The second time is not later than the first.", hint="Give the earlier one first.")
    asked = asked_for(workspace, [name], as_of=since, known_at=known_at)[0]
    before, after = as_of(workspace, asked, [since, until])
    return _changes(workspace, before, after)


def _as_far_back_as_known(
    workspace: Workspace, asked: AskedFor, instants: Sequence[datetime]
) -> tuple[list[Question], str]:
    if not asked.question.lists:
        return as_of(workspace, asked, instants), ""
    found: list[Question] = []
    for at in reversed(instants):
        try:
            found += as_of(workspace, asked, [at])
        except UsageError as error:
            return found[::-1], error.message
    return found[::-1], ""


def _changes(workspace: Workspace, before: Question, after: Question) -> Iterator[dict[str, Any]]:
    from hub.cohorts.together import changed

    def email(profiles: ibis.Table) -> Mapping[str, ibis.Value]:
        return {"email": profiles.strings.get("$email")}

    with workspace.reading() as reader:
        found = changed(reader, workspace.project, before, after, columns=email)
        for batch in reader.batches(found):
            for row in batch.to_pylist():
                change = "entered" if row["entered"] else "left"
                yield {"person": row["person"], "change": change, "email": row.get("email")}


def _of_its_day(point: Point) -> Point:
    """The first point, with the evaluations of the 24 hours before it: all earlier ones are of no interval."""
    near = tuple(each for each in point.recorded if each.at > point.at - timedelta(days=1))
    return Point(point.at, point.size, near)
