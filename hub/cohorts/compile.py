"""From a definition to one Ibis expression of the people for whom it holds.

One scan of the events counts, for each person, whatever the definition and the cohorts that it names ask about; one
read of the profiles tests them; a sequence and a most frequent value take a scan each. Joins bring it all together, and
a predicate decides. Who has to be looked at follows from the definition: only if it can hold for somebody without such
an event and without a profile does the expression begin with everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

import ibis

from hub.cohorts.conditions import absent_holds, profile_holds
from hub.cohorts.deeds import Counted, answered, counts
from hub.cohorts.definition import AllOf, AnyOf, Clause, Declined, Did, DidNot, InCohort, Listed, Not, Sequence
from hub.cohorts.edges import bounds
from hub.cohorts.filters import ProfileTest
from hub.cohorts.frequent import asks_the_opposite, is_most_frequent, most_frequently
from hub.cohorts.lists.listing import known_people
from hub.cohorts.plan import EVENTS, PROFILES, Plan
from hub.cohorts.sequences import did_in_sequence
from hub.people.views import event_people, people_profiles

if TYPE_CHECKING:
    from hub.cohorts.question import Question
    from hub.lake.reading import Reader
    from hub.workspace import Project

Columns = Callable[[ibis.Table], Mapping[str, ibis.Value]]
"""Makes named columns out of a table of profiles (`hub.people.views.people_profiles`)."""


def people(reader: Reader, project: Project, question: Question, *, columns: Columns | None = None) -> ibis.Table:
    """The people for whom the definition of a question holds: the column `person`, each person once.

    With `columns`, what it makes of each one's profile stands beside it, null for somebody without a profile.
    """
    return _Compilation(reader, project, question, columns).people()


class _Compilation:
    """One question on its way to an expression."""

    def __init__(self, reader: Reader, project: Project, question: Question, columns: Columns | None) -> None:
        self._reader = reader
        self._project = project
        self._question = question
        self._columns = columns
        self._plan = Plan(question, project.zone)
        self._names: list[str] = []

    def people(self) -> ibis.Table:
        rows = self._completed(self._candidates())
        for name, column in self._plan.cohorts.items():  # a cohort comes after those that it names
            rows = rows.mutate(**{column: self._predicate(self._question.cohorts[name].clause, rows)})
        return rows.filter(self._predicate(self._question.definition.clause, rows)).select("person", *self._names)

    def _candidates(self) -> ibis.Table:
        """The people who have to be looked at, with the columns of the plan, null for what is not there."""
        plan = self._plan
        sources = self._sources()
        if plan.may_hold(without=[*plan.sources, PROFILES]):
            return self._everybody(sources)
        needed = [source for source in sources if not plan.may_hold(without=[source])]
        others = [source for source in sources if source not in needed]
        tables = [sources[source]() for source in [*needed, *others]]
        hows = ["inner"] * len(needed) + (["left"] if needed else ["outer"]) * len(others)
        rows = tables[0]
        for table, how in zip(tables[1:], hows[1:], strict=True):
            rows = _joined(rows, table, how)
        return rows

    def _sources(self) -> dict[str, Callable[[], ibis.Table]]:
        """The tables that have what the plan asks about, each person once; those of events first."""
        plan = self._plan
        sources: dict[str, Callable[[], ibis.Table]] = {}
        if plan.measures:
            sources[EVENTS] = self._counts
        for source, clause in plan.scans.items():
            sources[source] = self._scan(source, clause)
        if plan.tests or self._columns or not sources:
            sources[PROFILES] = self._profiles
        return sources

    def _everybody(self, sources: Mapping[str, Callable[[], ibis.Table]]) -> ibis.Table:
        # two scans, of ids alone and of what counts, are as quick as one of everything, and read fewer properties
        question, zone = self._question, self._project.zone
        end = bounds(None, question.now, zone).end
        rows = event_people(self._reader, self._project, until=end, known_at=question.known_at)
        for source, table in sources.items():
            # who is on a list is one of the people, too
            whole = source == PROFILES or isinstance(self._plan.scans.get(source), Listed)
            rows = _joined(rows, table(), "outer" if whole else "left")
        return rows if PROFILES in sources else _joined(rows, self._profiles(), "outer")

    def _counts(self) -> ibis.Table:
        plan, known_at = self._plan, self._question.known_at
        measures = {plan.column(measure): measure for measure in plan.measures.values()}
        return counts(self._reader, self._project, measures, plan.moment, known_at)

    def _scan(self, column: str, clause: Sequence | Did | DidNot | Listed) -> Callable[[], ibis.Table]:
        moment, known_at = self._plan.moment, self._question.known_at

        def table() -> ibis.Table:
            if isinstance(clause, Listed):
                found = known_people(self._reader, self._project, self._question.lists[clause.listed])
            elif isinstance(clause, Sequence):
                found = did_in_sequence(self._reader, self._project, clause, moment, known_at)
            else:
                found = most_frequently(self._reader, self._project, clause, moment, known_at)
            return found.mutate(**{column: ibis.literal(True)})

        return table

    def _profiles(self) -> ibis.Table:
        profiles = people_profiles(self._reader, self._project, known_at=self._question.known_at)
        wanted = dict(self._columns(profiles)) if self._columns else {}
        self._names[:] = wanted
        moment = self._plan.moment
        tests = {column: profile_holds(profiles, test, moment) for column, test in self._plan.tests.values()}
        return profiles.select("person", **wanted, **tests)

    def _completed(self, rows: ibis.Table) -> ibis.Table:
        """What is not there said out loud: no event is a count of 0, and a test of no profile has its outcome too."""
        plan = self._plan
        absent = {
            **{plan.column(measure): measure.absent for measure in plan.measures.values()},
            **{column: absent_holds(test.op) for column, test in plan.tests.values()},
            **dict.fromkeys(plan.scans, False),
        }
        filled = {name: ibis.coalesce(rows[name], value) for name, value in absent.items() if value is not None}
        return rows.mutate(**filled) if filled else rows

    def _predicate(self, clause: Clause, rows: ibis.Table) -> ibis.Value:  # noqa: PLR0911
        plan = self._plan
        match clause:
            case Not():
                return ~self._predicate(clause.not_, rows)
            case AllOf():
                return reduce(and_, (self._predicate(each, rows) for each in clause.all))
            case AnyOf():
                return reduce(or_, (self._predicate(each, rows) for each in clause.any))
            case ProfileTest():
                return rows[plan.test_column(clause)]
            case InCohort():
                return rows[plan.cohorts[clause.cohort]]
            case Sequence() | Listed():
                return rows[plan.scan_column(clause)]
            case Did() | DidNot() if is_most_frequent(clause):
                found = rows[plan.scan_column(clause)]
                return ~found if asks_the_opposite(clause) else found
            case Did() | DidNot() | Declined():
                return self._counted(clause, rows)

    def _counted(self, clause: Counted, rows: ibis.Table) -> ibis.Value:
        columns = [rows[column] for column in self._plan.columns_of(clause)]
        return answered(clause, columns, self._plan.moment)


def _joined(left: ibis.Table, right: ibis.Table, how: str) -> ibis.Table:
    """Both tables by `person`, who is in each of them once."""
    both = left.join(right, "person", how=how, rname="other {name}")
    if "other person" not in both.columns:
        return both
    person = ibis.coalesce(both.person, both["other person"])
    return both.mutate(person=person).drop("other person")
