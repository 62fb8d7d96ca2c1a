"""From a definition to one Ibis expression of the people for whom it holds.

One scan of the events counts, for each person, whatever the definition asks about; one read of the profiles tests
them; a join brings both together, and a predicate decides. Who has to be looked at follows from the definition:
only if it can hold for somebody without such an event and without a profile does the expression begin with
everybody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING

import ibis

from hub.cohorts.conditions import absent_holds, profile_holds, where
from hub.cohorts.definition import ANY_EVENT, AllOf, AnyOf, Clause, Definition, Did, DidNot, Not, clauses
from hub.cohorts.edges import Bounds, bounds
from hub.cohorts.filters import Filter, ProfileTest
from hub.people.views import event_people, people_events, people_profiles

if TYPE_CHECKING:
    from hub.lake.reading import Reader
    from hub.workspace import Project

Columns = Callable[[ibis.Table], Mapping[str, ibis.Value]]
"""Makes named columns out of a table of profiles (`hub.people.views.people_profiles`)."""


def people(
    reader: Reader, project: Project, definition: Definition, now: datetime, *, columns: Columns | None = None
) -> ibis.Table:
    """The people for whom `definition` holds at `now` (aware): the column `person`, each person once.

    With `columns`, what it makes of each one's profile stands beside it, null for somebody without a profile.
    """
    plan = _plan(definition, now, project)
    asked = _Asked(plan, columns)
    candidates = _candidates(reader, project, plan, asked)
    return candidates.filter(_predicate(definition.clause, candidates, plan)).select("person", *asked.names)


@dataclass(frozen=True)
class _Deed:
    """What events are counted for: clauses that ask about the same share it."""

    column: str
    event: str
    filters: tuple[Filter, ...]
    bounds: Bounds

    def counted(self, events: ibis.Table, within: Bounds) -> ibis.Value:
        """How many of the events count, all of which lie within some bounds already."""
        tests = []
        if self.event != ANY_EVENT:
            tests.append(events.event == self.event)
        if self.bounds.end < within.end:
            tests.append(events.time < self.bounds.end)
        if self.bounds.start is not None and self.bounds.start != within.start:
            tests.append(events.time >= self.bounds.start)
        if self.filters:
            tests.append(where(events, self.filters))
        return events.count(where=reduce(and_, tests) if tests else None)


@dataclass(frozen=True)
class _Plan:
    """What a definition asks about: the deeds and the tests, by the text of the clause."""

    clause: Clause
    everything: Bounds
    deeds: dict[str, _Deed] = field(default_factory=dict)
    tests: dict[str, tuple[str, ProfileTest]] = field(default_factory=dict)

    def may_hold(self, *, events: bool, profile: bool) -> bool:
        """Whether it can hold for somebody, who has no such event or no profile if so told."""
        return _outcomes(self.clause, events=events, profile=profile)[0]


def _plan(definition: Definition, now: datetime, project: Project) -> _Plan:
    plan = _Plan(definition.clause, bounds(None, now, project.zone))
    for clause in clauses(definition.clause):
        key = _key(clause)
        if isinstance(clause, ProfileTest):
            plan.tests.setdefault(key, (f"test {len(plan.tests)}", clause))
        elif key not in plan.deeds:
            within = bounds(clause.window, now, project.zone)
            plan.deeds[key] = _Deed(f"deed {len(plan.deeds)}", clause.event, clause.where or (), within)
    return plan


def _key(clause: Did | DidNot | ProfileTest) -> str:
    # as text: 1, 1.0 and true are equal in Python, and different in a definition
    if isinstance(clause, ProfileTest):
        return clause.model_dump_json()
    return f"{clause.event} {clause.model_dump_json(include={'where', 'window'})}"


def _outcomes(clause: Clause, *, events: bool, profile: bool) -> tuple[bool, bool]:
    """Whether a clause can be true, and whether it can be false."""
    match clause:
        case Did():
            return _either(events, clause.count.holds(0))
        case DidNot():
            return _either(events, not clause.count.holds(0))
        case ProfileTest():
            return _either(profile, absent_holds(clause))
        case Not():
            true, false = _outcomes(clause.not_, events=events, profile=profile)
            return false, true
        case AllOf():
            inner = [_outcomes(each, events=events, profile=profile) for each in clause.all]
            return all(true for true, _ in inner), any(false for _, false in inner)
        case AnyOf():
            inner = [_outcomes(each, events=events, profile=profile) for each in clause.any]
            return any(true for true, _ in inner), all(false for _, false in inner)


def _either(unknown: bool, otherwise: bool) -> tuple[bool, bool]:
    return (True, True) if unknown else (otherwise, not otherwise)


class _Asked:
    """What is taken out of the profiles: the outcome of each test, and the columns that the caller wants."""

    def __init__(self, plan: _Plan, columns: Columns | None) -> None:
        self._plan = plan
        self._columns = columns
        self.names: list[str] = []

    @property
    def anything(self) -> bool:
        return bool(self._plan.tests or self._columns)

    def of(self, profiles: ibis.Table) -> ibis.Table:
        wanted = dict(self._columns(profiles)) if self._columns else {}
        self.names[:] = wanted
        tests = {column: profile_holds(profiles, test) for column, test in self._plan.tests.values()}
        return profiles.select("person", **wanted, **tests)


def _candidates(reader: Reader, project: Project, plan: _Plan, asked: _Asked) -> ibis.Table:
    """The people who have to be looked at, with the columns of the plan, none of them null."""
    needs_event = not plan.may_hold(events=False, profile=True)
    needs_profile = not plan.may_hold(events=True, profile=False)
    everybody = plan.may_hold(events=False, profile=False)
    rows = _counted(reader, project, plan, everybody=everybody)
    if asked.anything or everybody:
        profiles = asked.of(people_profiles(reader, project))
        how = {(True, True): "inner", (True, False): "left", (False, True): "right"}
        rows = profiles if rows is None else _joined(rows, profiles, how.get((needs_event, needs_profile), "outer"))
    assert rows is not None, "a definition without clauses"
    return _completed(rows, plan)


def _counted(reader: Reader, project: Project, plan: _Plan, *, everybody: bool) -> ibis.Table | None:
    """How often each person did each deed; with `everybody`, also those who did none. None without either."""
    if not everybody:
        return _counts(reader, project, plan) if plan.deeds else None
    # two scans, of ids alone and of what counts, are as quick as one of everything, and read fewer properties
    found = event_people(reader, project, until=plan.everything.end)
    return _joined(found, _counts(reader, project, plan), "left") if plan.deeds else found


def _counts(reader: Reader, project: Project, plan: _Plan) -> ibis.Table:
    deeds = [*plan.deeds.values()]
    starts = [deed.bounds.start for deed in deeds if deed.bounds.start is not None]
    within = Bounds(min(starts) if len(starts) == len(deeds) else None, max(deed.bounds.end for deed in deeds))
    events = people_events(reader, project, months=within.months())
    tests = [events.time < within.end]
    if within.start is not None:
        tests.append(events.time >= within.start)
    names = {deed.event for deed in deeds}
    if ANY_EVENT not in names:
        tests.append(events.event.isin(sorted(names)))
    events = events.filter(*tests)  # at once: each filter of its own costs Ibis milliseconds
    return events.group_by("person").agg(**{deed.column: deed.counted(events, within) for deed in deeds})


def _joined(left: ibis.Table, right: ibis.Table, how: str) -> ibis.Table:
    """Both tables by `person`, who is in each of them once."""
    both = left.join(right, "person", how=how, rname="other {name}")
    if "other person" not in both.columns:
        return both
    person = ibis.coalesce(both.person, both["other person"])
    return both.mutate(person=person).drop("other person")


def _completed(rows: ibis.Table, plan: _Plan) -> ibis.Table:
    """What is not there said out loud: no event is a count of 0, and a test of no profile has its outcome too."""
    counts = {deed.column: ibis.coalesce(rows[deed.column], 0) for deed in plan.deeds.values()}
    tests = {column: ibis.coalesce(rows[column], absent_holds(test)) for column, test in plan.tests.values()}
    return rows.mutate(**counts, **tests)


def _predicate(clause: Clause, rows: ibis.Table, plan: _Plan) -> ibis.Value:
    match clause:
        case Did():
            return clause.count.holds(rows[plan.deeds[_key(clause)].column])
        case DidNot():
            return ~clause.count.holds(rows[plan.deeds[_key(clause)].column])
        case ProfileTest():
            return rows[plan.tests[_key(clause)][0]]
        case Not():
            return ~_predicate(clause.not_, rows, plan)
        case AllOf():
            return reduce(and_, (_predicate(each, rows, plan) for each in clause.all))
        case AnyOf():
            return reduce(or_, (_predicate(each, rows, plan) for each in clause.any))
