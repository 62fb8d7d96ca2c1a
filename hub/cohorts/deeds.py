"""What is counted of the events, for each person, in one scan: a column for each thing that the clauses ask about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Any

import ibis

from hub.cohorts.conditions import absent_holds, holds, where
from hub.cohorts.days import local_day
from hub.cohorts.definition import ANY_EVENT, Declined, Did, DidNot
from hub.cohorts.edges import Bounds, Moment, before, bounds
from hub.cohorts.filters import leaves
from hub.cohorts.operators import SPANS, about_dates
from hub.cohorts.properties import TIME, Computed, EventProperty, sure
from hub.people.views import owners, project_events, with_person

if TYPE_CHECKING:
    from datetime import datetime

    from hub.cohorts.filters import Filter
    from hub.lake.reading import Reader
    from hub.workspace import Project

Counted = Did | DidNot | Declined
"""A clause that is answered from what is counted."""

_MOST_READS = 8
"""The most events that are read one by one."""


@dataclass(frozen=True)
class Scan(Bounds):
    """The bounds that all events of a scan lie within, and the name of all of them if they have only one."""

    event: str | None


@dataclass(frozen=True)
class Deed:
    """The events that a step of a clause is about."""

    event: str
    filters: tuple[Filter, ...]
    bounds: Bounds

    @property
    def key(self) -> str:
        """The same text for the same deed. Values as text: 1, 1.0 and true are equal in Python, and are not here."""
        tests = ",".join(test.model_dump_json(by_alias=True) for test in self.filters)
        return f"{self.event!r} {tests} {self.bounds.start} {self.bounds.end}"

    def done(self, events: ibis.Table, within: Scan, moment: Moment) -> ibis.Value | None:
        """Whether an event of a scan counts; None when every one does."""
        tests = []
        if self.event not in (ANY_EVENT, within.event):
            tests.append(events.event == self.event)
        if self.bounds.end < within.end:
            tests.append(events.time < self.bounds.end)
        if self.bounds.start is not None and self.bounds.start != within.start:
            tests.append(events.time >= self.bounds.start)
        if self.filters:
            tests.append(where(events, self.filters, moment))
        return reduce(and_, tests) if tests else None


@dataclass(frozen=True)
class Measure:
    """One number, or instant, of each person's deeds. `kind`: `times`, `days`, `first`, or a function of a property."""

    deed: Deed
    kind: str
    name: str = ""
    of_dates: bool = False

    @property
    def key(self) -> str:
        """The same text for the same measure."""
        return f"{self.kind} {self.name!r} {self.of_dates} {self.deed.key}"

    def key_at(self, moment: Moment) -> str:
        """The same text for the same measure as of a moment, from which its filters look at dates."""
        tests = (test for each in self.deed.filters for test in leaves(each))
        return f"{self.key} {moment.now}" if any(test.op in SPANS for test in tests) else self.key

    def taken(self, events: ibis.Table, done: ibis.Value | None, moment: Moment) -> ibis.Value:
        """The aggregate over the events that count, which are all of them if `done` is None."""
        if self.kind == "times":
            return events.count(where=done)
        if self.kind == "first":
            return events.time.min(where=done)

        def only(value: Any) -> Any:
            # an ifelse is worked out for the rows that it is about; the argument of a filtered aggregate, for all
            return value if done is None else done.ifelse(value, ibis.null(value.type()))

        if self.kind == "days":
            return only(local_day(events.time, self.deed.bounds, moment.zone)).nunique()
        found = EventProperty(events, self.name)
        if self.kind == "distinct":
            return _distinct(found, self.name, only)
        return _FUNCTIONS[self.kind](only(found.instant if self.of_dates else found.number))


def measures_of(clause: Counted, moment: Moment) -> tuple[Measure, ...]:
    """What has to be counted to answer a clause."""
    within = bounds(clause.window, moment.now, moment.zone)

    def deed(window: Bounds) -> Deed:
        return Deed(clause.event, clause.where or (), window)

    match clause:
        case Declined():
            assert within.start is not None, "its window has a beginning"
            now = bounds(None, moment.now, moment.zone).end  # the window may lie in what is to come
            earlier = Bounds(before(within.start, clause.change.before, moment.zone), min(within.start, now))
            return Measure(deed(within), "times"), Measure(deed(earlier), "times")
        case Did(first=True) | DidNot(first=True):
            return (Measure(deed(Bounds(None, within.end)), "first"),)
        case Did(aggregate=None) | DidNot(aggregate=None):
            return (Measure(deed(within), clause.count.unit),)
        case _:
            assert clause.aggregate is not None
            function, name = clause.aggregate.of
            of_dates = about_dates(clause.aggregate.op, clause.aggregate.value)
            return (Measure(deed(within), function, name, of_dates),)


def did_without_events(clause: Counted) -> bool:
    """Whether a clause holds for somebody without any event; of `did not do`, whether its opposite does."""
    if isinstance(clause, Declined) or clause.first:
        return False
    return bool(clause.count.holds(0)) if clause.aggregate is None else _nothing_holds(clause)


def answered_without_events(clause: Counted) -> bool:
    """Whether a clause holds for somebody without any event."""
    return did_without_events(clause) != isinstance(clause, DidNot)


def counts(
    reader: Reader, project: Project, measures: Mapping[str, tuple[Measure, Moment]], known_at: datetime | None
) -> ibis.Table:
    """The measures of each person who has any of the events: `person`, and a column for each.

    Each stands with the moment from which its filters look at dates.
    """
    events, within = scanned(reader, project, [measure.deed for measure, _ in measures.values()], known_at)
    done = {name: measure.deed.done(events, within, moment) for name, (measure, moment) in measures.items()}
    first, *others = measures.values()
    if all(moment == first[1] and measure.deed.key == first[0].deed.key for measure, moment in others):
        # all ask about the same events: the others need not even be grouped
        condition = next(iter(done.values()))
        events = events if condition is None else events.filter(condition)
        done = dict.fromkeys(measures, None)
    columns = {name: measure.taken(events, done[name], moment) for name, (measure, moment) in measures.items()}
    return events.group_by("person").agg(**columns)


def scanned(
    reader: Reader, project: Project, deeds: Sequence[Deed], known_at: datetime | None
) -> tuple[ibis.Table, Scan]:
    """The events that some deeds are about, with `person`, and what is known of all of them."""
    by_event: dict[str, list[Bounds]] = {}
    for deed in deeds:
        by_event.setdefault(deed.event, []).append(deed.bounds)
    within = _around([deed.bounds for deed in deeds])
    if ANY_EVENT in by_event or len(by_event) > _MOST_READS:
        read = [_read(reader, project, None if ANY_EVENT in by_event else sorted(by_event), within, known_at)]
    else:
        # an engine passes over the rows of other events if it is asked for one, and not if it is asked for several
        read = [_read(reader, project, [event], _around(found), known_at) for event, found in by_event.items()]
    events = reduce(lambda left, right: left.union(right), read)
    people = owners(reader, project, months=within.months(), known_at=known_at)
    only = next(iter(by_event)) if len(by_event) == 1 else None
    return with_person(events, people), Scan(within.start, within.end, only)


def _around(bounds: Sequence[Bounds]) -> Bounds:
    """The bounds from the first beginning to the last end of some."""
    starts = [each.start for each in bounds if each.start is not None]
    return Bounds(min(starts) if len(starts) == len(bounds) else None, max(each.end for each in bounds))


def _read(
    reader: Reader, project: Project, names: list[str] | None, within: Bounds, known_at: datetime | None
) -> ibis.Table:
    """The events of these names, or of any, within some bounds."""

    def narrow(rows: ibis.Table) -> list[Any]:
        tests = [rows.time < within.end]
        if within.start is not None:
            tests.append(rows.time >= within.start)
        if names is not None:
            tests.append(rows.event == names[0] if len(names) == 1 else rows.event.isin(names))
        return tests

    events = project_events(reader, project, within.months(), narrow)
    # at once: each filter of its own costs Ibis milliseconds
    return events.filter(*narrow(events), *([events.received_at <= known_at] if known_at else []))


def did(clause: Counted, columns: Sequence[ibis.Value], moment: Moment) -> ibis.Value:
    """Whether a clause holds, by the columns of its measures; of `did not do`, whether its opposite does. Never null
    for somebody who has any of the events."""
    column = columns[0]
    if isinstance(clause, Declined):
        return column * 100 < columns[1] * clause.change.less_than
    if clause.first:
        within = bounds(clause.window, moment.now, moment.zone)
        tests = [column < within.end, *([column >= within.start] if within.start else [])]
        return sure(reduce(and_, tests))
    if clause.aggregate is None:
        return clause.count.holds(column)
    of_dates = about_dates(clause.aggregate.op, clause.aggregate.value)
    found = Computed(instant=column) if of_dates else Computed(number=column)
    return sure(holds(found, clause.aggregate.op, clause.aggregate.value, moment))


def _nothing_holds(clause: Did | DidNot) -> bool:
    """Whether a comparison holds for the values of no event."""
    assert clause.aggregate is not None
    if clause.aggregate.of[0] != "distinct":
        return absent_holds(clause.aggregate.op)
    op, value = clause.aggregate.op, clause.aggregate.value
    if op in ("between", "not between"):
        return bool(value[0] <= 0 <= value[1]) == (op == "between")
    return bool(_COMPARISONS[op](0, value))


def _distinct(found: EventProperty, name: str, only: Callable[[Any], Any]) -> ibis.Value:
    if name == TIME:
        return only(found.instant).nunique()
    return only(found.text).nunique() + only(found.number).nunique() + only(found.boolean).nunique()


_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda values: values.sum(),
    "average": lambda values: values.mean(),
    "min": lambda values: values.min(),
    "max": lambda values: values.max(),
    "median": lambda values: values.median(),
}

_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
}
