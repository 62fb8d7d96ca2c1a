"""From definitions to one Ibis expression of the people for whom they hold.

One scan of each event answers, for each person, whatever the definitions and the cohorts that they name ask about it;
one read of the profiles tests them; a sequence and a most frequent value take a scan each. Joins bring it all together,
and a predicate decides. Who has to be looked at follows from the definitions: only if one can hold for somebody without
such an event and without a profile does the expression begin with everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

import ibis

from hub.cohorts import definition
from hub.cohorts.answers import answers
from hub.cohorts.branches import branches
from hub.cohorts.conditions import absent_holds, profile_holds
from hub.cohorts.definition import AllOf, AnyOf, Clause, Declined, Did, DidNot, InCohort, Listed, Not
from hub.cohorts.edges import bounds
from hub.cohorts.filters import ProfileTest
from hub.cohorts.frequent import asks_the_opposite, is_most_frequent, most_frequently
from hub.cohorts.lists.listing import known_people
from hub.cohorts.plan import EVENTS, PROFILES, Asked, Plan, Scanning
from hub.cohorts.sequences import did_in_sequence
from hub.cohorts.support import refuse_lacking
from hub.people.views import event_people, people_events, people_profiles

if TYPE_CHECKING:
    from hub.cohorts.question import Question
    from hub.lake.reading import Reader
    from hub.workspace import Project

Columns = Callable[[ibis.Table], Mapping[str, ibis.Value]]
"""Makes named columns out of a table of profiles (`hub.people.views.people_profiles`)."""

_FIRST, _PROFILE = "first event", "has profile"


def people(reader: Reader, project: Project, question: Question, *, columns: Columns | None = None) -> ibis.Table:
    """The people for whom the definition of a question holds: the column `person`, each person once.

    With `columns`, what it makes of each one's profile stands beside it, null for somebody without a profile.
    """
    parts = branches(question, project.zone) if columns is None else [question]
    if len(parts) > 1:
        return reduce(
            lambda left, right: left.union(right, distinct=True), (people(reader, project, part) for part in parts)
        )
    compilation = _Compilation(reader, project, [question], columns)
    rows, (holds,) = compilation.answers()
    return rows.filter(holds).select("person", *compilation.names)


def memberships(
    reader: Reader, project: Project, questions: Mapping[str, Question], *, columns: Columns | None = None
) -> ibis.Table:
    """For whom which of several questions hold, in shared scans: `person`, and a boolean column for each question.

    The questions may be as of different times, and have the same `known_at`. People for whom none holds may be there
    too. `columns` as of `people`.
    """
    assert len({question.known_at for question in questions.values()}) == 1, "one look at who is who serves them all"
    compilation = _Compilation(reader, project, [*questions.values()], columns)
    rows, holds = compilation.answers()
    return rows.select("person", *compilation.names, **dict(zip(questions, holds, strict=True)))


class _Compilation:
    """Questions on their way to an expression."""

    def __init__(
        self, reader: Reader, project: Project, questions: Sequence[Question], columns: Columns | None
    ) -> None:
        refuse_lacking(reader.engine, questions)
        self._reader = reader
        self._project = project
        self._columns = columns
        self._plan = Plan(questions, project.zone)
        self._known_at = questions[0].known_at
        self._several_times = len({question.now for question in questions}) > 1
        self.names: list[str] = []
        """The columns that `columns` made."""

    def answers(self) -> tuple[ibis.Table, list[ibis.Value]]:
        """The people who have to be looked at, and for each question whether it holds for them."""
        candidates, everybody = self._candidates()
        rows = self._completed(candidates)
        for asked in self._plan.asked:
            for name, each in asked.question.cohorts.items():  # a cohort comes after those that it names
                column = self._plan.cohorts[name, asked.moment.now]
                if column not in rows.columns:
                    rows = rows.mutate(**{column: self._predicate(each.clause, asked, rows)})
        holds = [self._predicate(asked.question.definition.clause, asked, rows) for asked in self._plan.asked]
        if everybody and self._several_times:
            holds = [each & self._there(asked, rows) for each, asked in zip(holds, self._plan.asked, strict=True)]
        return rows, holds

    def _candidates(self) -> tuple[ibis.Table, bool]:
        """The people who have to be looked at, with the columns of the plan, null for what is not there; and whether
        they are everybody."""
        plan = self._plan
        sources = self._sources()
        if plan.may_hold(without=[*plan.sources, PROFILES]):
            return self._everybody(sources), True
        needed = [source for source in sources if not plan.may_hold(without=[source])]
        others = [source for source in sources if source not in needed]
        tables = [sources[source]() for source in [*needed, *others]]
        hows = ["inner"] * len(needed) + (["left"] if needed else ["outer"]) * len(others)
        rows = tables[0]
        for table, how in zip(tables[1:], hows[1:], strict=True):
            rows = _joined(rows, table, how)
        return rows, False

    def _sources(self) -> dict[str, Callable[[], ibis.Table]]:
        """The tables that have what the plan asks about, each person once; those of events first."""
        plan = self._plan
        sources: dict[str, Callable[[], ibis.Table]] = {}
        if plan.answers:
            sources[EVENTS] = self._answers
        for source, scanning in plan.scans.items():
            sources[source] = self._scan(source, scanning)
        if plan.tests or self._columns or not sources:
            sources[PROFILES] = self._profiles
        return sources

    def _everybody(self, sources: Mapping[str, Callable[[], ibis.Table]]) -> ibis.Table:
        # two scans, of ids alone and of what counts, are as quick as one of everything, and read fewer properties
        latest = max(asked.moment.now for asked in self._plan.asked)
        end = bounds(None, latest, self._project.zone).end
        if self._several_times:
            rows = self._first_events(end)
        else:
            rows = event_people(self._reader, self._project, until=end, known_at=self._known_at)
        for source, table in sources.items():
            # who is on a list is one of the people, too
            scanning = self._plan.scans.get(source)
            whole = source == PROFILES or (scanning is not None and isinstance(scanning.clause, Listed))
            rows = _joined(rows, table(), "outer" if whole else "left")
        return rows if PROFILES in sources else _joined(rows, self._profiles(), "outer")

    def _first_events(self, end: ibis.Value) -> ibis.Table:
        """Everybody who has an event before `end`, with the time of the first one."""
        known_at = self._known_at
        events = people_events(self._reader, self._project, narrow=lambda rows: [rows.time < end], known_at=known_at)
        tests = [events.time < end, *([events.received_at <= known_at] if known_at else [])]
        events = events.filter(*tests)
        return events.group_by("person").agg(**{_FIRST: events.time.min()})

    def _there(self, asked: Asked, rows: ibis.Table) -> ibis.Value:
        """Whether somebody was one of the people, when a question is asked as of one of several times."""
        end = bounds(None, asked.moment.now, self._project.zone).end
        lists = [
            rows[column]
            for column, scanning in self._plan.scans.items()
            if isinstance(scanning.clause, Listed) and scanning.asked.moment == asked.moment
        ]
        known = [ibis.coalesce(rows[_FIRST] < end, False), ibis.coalesce(rows[_PROFILE], False)]
        return reduce(or_, [*known, *lists])

    def _answers(self) -> ibis.Table:
        return answers(self._reader, self._project, self._plan.answers, self._known_at)

    def _scan(self, column: str, scanning: Scanning) -> Callable[[], ibis.Table]:
        clause, asked = scanning
        moment, known_at = asked.moment, self._known_at

        def table() -> ibis.Table:
            if isinstance(clause, Listed):
                found = known_people(self._reader, self._project, asked.question.lists[clause.listed])
            elif isinstance(clause, definition.Sequence):
                found = did_in_sequence(self._reader, self._project, clause, moment, known_at)
            else:
                found = most_frequently(self._reader, self._project, clause, moment, known_at)
            return found.mutate(**{column: ibis.literal(True)})

        return table

    def _profiles(self) -> ibis.Table:
        profiles = people_profiles(self._reader, self._project, known_at=self._known_at)
        wanted = dict(self._columns(profiles)) if self._columns else {}
        self.names[:] = wanted
        tests = {column: profile_holds(profiles, test, moment) for column, test, moment in self._plan.tests.values()}
        there = {_PROFILE: ibis.literal(True)} if self._several_times else {}
        return profiles.select("person", **wanted, **tests, **there)

    def _completed(self, rows: ibis.Table) -> ibis.Table:
        """What is not there said out loud: whoever has no event, or no profile, has an answer, too."""
        plan = self._plan
        absent = {
            **{column: each.absent for column, each in plan.answers.items()},
            **{column: absent_holds(test.op) for column, test, _ in plan.tests.values()},
            **dict.fromkeys(plan.scans, False),
        }
        filled = {name: ibis.coalesce(rows[name], value) for name, value in absent.items()}
        return rows.mutate(**filled) if filled else rows

    def _predicate(self, clause: Clause, asked: Asked, rows: ibis.Table) -> ibis.Value:  # noqa: PLR0911
        plan = self._plan
        match clause:
            case Not():
                return ~self._predicate(clause.not_, asked, rows)
            case AllOf():
                return reduce(and_, (self._predicate(each, asked, rows) for each in clause.all))
            case AnyOf():
                return reduce(or_, (self._predicate(each, asked, rows) for each in clause.any))
            case ProfileTest():
                return rows[plan.test_column(clause, asked)]
            case InCohort():
                return rows[plan.cohorts[clause.cohort, asked.moment.now]]
            case definition.Sequence() | Listed():
                return rows[plan.scan_column(clause, asked)]
            case Did() | DidNot() if is_most_frequent(clause):
                found = rows[plan.scan_column(clause, asked)]
                return ~found if asks_the_opposite(clause) else found
            case Did() | DidNot() | Declined():
                answer = rows[plan.answer_column(clause, asked)]
                return ~answer if isinstance(clause, DidNot) else answer


def _joined(left: ibis.Table, right: ibis.Table, how: str) -> ibis.Table:
    """Both tables by `person`, who is in each of them once."""
    both = left.join(right, "person", how=how, rname="other {name}")
    if "other person" not in both.columns:
        return both
    person = ibis.coalesce(both.person, both["other person"])
    return both.mutate(person=person).drop("other person")
