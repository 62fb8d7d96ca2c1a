"""A second evaluator, to hold the first one against: plain Python over lists, written from the design page alone.

It reads the definition as the file has it, one person at a time, and compares local dates where the hub computes edges.
Tests of values are in `brute_force_values`.
"""

from __future__ import annotations

import calendar
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from statistics import fmean, median
from typing import Any
from zoneinfo import ZoneInfo

from tests.cohorts.brute_force_values import MISSING, Clock, instant_of, kind_of, passes
from tests.lake_rows import EventRow, ProfileRow

NEGATIVE = {"!=": "=", "not in": "in", "does not contain": "contains", "not between": "between", "not on": "on"}


@dataclass(frozen=True)
class Data:
    """Everything that is known: `identity` says whose an id is, `system` by which rules."""

    events: Sequence[EventRow]
    profiles: Sequence[ProfileRow]
    identity: Mapping[str, str] = field(default_factory=dict)
    system: str = "simplified"


def brute_force(
    document: Mapping[str, Any],
    data: Data,
    now: datetime,
    zone: ZoneInfo,
    cohorts: Mapping[str, Mapping[str, Any]] | None = None,
) -> set[str]:
    """The people for whom the document holds."""
    profiles = _seen_profiles(data)
    done: dict[str, list[EventRow]] = {}
    for event in data.events:
        if event.time <= now and event.person:
            done.setdefault(_person(event, profiles, data.identity), []).append(event)
    properties: dict[str, ProfileRow] = {}
    owner = lambda row: data.identity.get(row.distinct_id, row.distinct_id)  # noqa: E731
    for row in sorted(profiles.values(), key=lambda each: (owner(each) == each.distinct_id, each.seq)):
        properties[owner(row)] = row
    asked = Clock(now, lambda instant, n, unit: _earlier(instant, n, unit, zone), zone)
    return {
        person
        for person in {*properties, *done}
        if _Person(
            done.get(person, []), properties[person].properties if person in properties else {}, asked, cohorts or {}
        ).is_in(document)
    }


def _seen_profiles(data: Data) -> dict[str, ProfileRow]:
    newest: dict[str, ProfileRow] = {}
    for row in data.profiles:
        if row.distinct_id not in newest or newest[row.distinct_id].seq < row.seq:
            newest[row.distinct_id] = row
    hidden = set(data.identity) if data.system == "simplified" else set()
    return {row.distinct_id: row for row in newest.values() if not row.deleted and row.distinct_id not in hidden}


def _person(event: EventRow, profiles: Mapping[str, ProfileRow], owner: Mapping[str, str]) -> str:
    if event.person.startswith("$match:"):
        _, name, value = event.person.split(":", 2)
        for distinct_id in sorted(profiles):
            found = profiles[distinct_id].properties.get(name)
            if isinstance(found, str) and (found.strip().lower() if name == "$email" else found) == value:
                return owner.get(distinct_id, distinct_id)
        return event.person
    return owner.get(event.person, event.person)


@dataclass(frozen=True)
class _Person:
    """One person: what they did until now, and what their profile says."""

    events: Sequence[EventRow]
    profile: Mapping[str, Any]
    clock: Clock
    cohorts: Mapping[str, Mapping[str, Any]]

    def is_in(self, clause: Mapping[str, Any]) -> bool:
        if "all" in clause:
            return all(self.is_in(each) for each in clause["all"])
        if "any" in clause:
            return any(self.is_in(each) for each in clause["any"])
        if "not" in clause:
            return not self.is_in(clause["not"])
        if "cohort" in clause:
            return self.is_in(self.cohorts[clause["cohort"]])
        if "profile" in clause:
            return passes(self.profile.get(clause["profile"], MISSING), clause, self.clock)
        if "then" in clause:
            return self._in_sequence(clause)
        if "change" in clause:
            return self._declined(clause)
        return self._did(clause) == ("did" in clause)

    def _did(self, clause: Mapping[str, Any]) -> bool:
        name = clause.get("did", clause.get("did_not"))
        passing = self._passing(name, clause.get("where", []))
        matching = [event for event in passing if self._within(clause.get("window"), event.time)]
        if clause.get("first"):
            return bool(passing) and self._within(clause.get("window"), min(event.time for event in passing))
        if "aggregate" in clause:
            return _aggregate_holds(clause["aggregate"], matching, self.clock)
        count = dict(clause.get("count", {"at_least": 1}))
        days = {event.time.astimezone(self.clock.zone).date() for event in matching}
        return _count_holds(count, len(days) if count.pop("unit", "times") == "days" else len(matching))

    def _in_sequence(self, clause: Mapping[str, Any]) -> bool:
        then, within, window = clause["then"], clause["within"], clause.get("window")
        inside = lambda events: [event for event in events if self._within(window, event.time)]  # noqa: E731
        firsts = inside(self._passing(clause["did"], clause.get("where", [])))
        seconds = inside(self._passing(then.get("did", then.get("did_not")), then.get("where", [])))
        followed = [
            any(first.time < second.time <= self._later(first.time, **within) for second in seconds) for first in firsts
        ]
        return any(followed) if "did" in then else any(not each for each in followed)

    def _declined(self, clause: Mapping[str, Any]) -> bool:
        passing = self._passing(clause["did"], clause.get("where", []))
        start = self._start(clause["window"])
        before = self.clock.earlier(start, clause["change"]["before"]["n"], clause["change"]["before"]["unit"])
        inside = sum(self._within(clause["window"], event.time) for event in passing)
        earlier = sum(before <= event.time < start for event in passing)
        return inside < earlier * clause["change"]["less_than"] / 100

    def _passing(self, name: str, tests: Any) -> list[EventRow]:
        return [
            event
            for event in self.events
            if name in ("any event", event.event) and all(_event_passes(test, event, self.clock) for test in tests)
        ]

    def _start(self, window: Mapping[str, Any]) -> datetime:
        if "last" in window:
            return self.clock.earlier(self.clock.now, **window["last"])
        if "between_ago" in window:
            span = window["between_ago"]
            return self.clock.earlier(self.clock.now, span["n"], span["unit"])
        day = date.fromisoformat(window.get("since", window.get("from")))
        return datetime(day.year, day.month, day.day, tzinfo=self.clock.zone).astimezone(UTC)

    def _within(self, window: Any, time: datetime) -> bool:
        if window is None:
            return True
        now, earlier = self.clock.now, self.clock.earlier
        if "last" in window:
            return time >= earlier(now, **window["last"])
        if "more_than_ago" in window:
            return time < earlier(now, **window["more_than_ago"])
        if "between_ago" in window:
            span = window["between_ago"]
            return earlier(now, span["n"], span["unit"]) <= time < earlier(now, span["m"], span["unit"])
        day = time.astimezone(self.clock.zone).date().isoformat()
        if "since" in window:
            return day >= window["since"]
        if "before" in window:
            return day < window["before"]
        return window["from"] <= day <= window["to"]

    def _later(self, time: datetime, n: int, unit: str) -> datetime:
        return self.clock.earlier(time, -n, unit)


def _count_holds(count: Mapping[str, int], times: int) -> bool:
    ((word, n),) = count.items()
    return {
        "at_least": times >= n,
        "at_most": times <= n,
        "exactly": times == n,
        "more_than": times > n,
        "fewer_than": times < n,
    }[word]


def _aggregate_holds(aggregate: Mapping[str, Any], events: Sequence[EventRow], clock: Clock) -> bool:
    ((function, name),) = [(key, value) for key, value in aggregate.items() if key not in ("op", "value")]
    values = [value for event in events if (value := _value(event, name)) is not MISSING]
    if aggregate["op"] in NEGATIVE:
        return not _aggregate_holds({**aggregate, "op": NEGATIVE[aggregate["op"]]}, events, clock)
    plain = [(kind_of(value), value) for value in values if kind_of(value) in ("str", "number", "boolean", "datetime")]
    if function == "distinct":
        return passes(len(set(plain)), aggregate, clock)
    if function == "most_frequent":
        times = Counter(plain)
        return any(
            passes(value, aggregate, clock) for (_, value), n in times.items() if n == max(times.values(), default=0)
        )
    least = aggregate["value"][0] if isinstance(aggregate["value"], (list, tuple)) else aggregate["value"]
    if isinstance(least, str):
        compared: list[Any] = [instant for value in values if (instant := instant_of(value))]
    else:
        compared = [value for value in values if kind_of(value) == "number"]
    if not compared:
        return False
    functions = {"sum": sum, "average": fmean, "min": min, "max": max, "median": median}
    return passes(functions[function](compared), aggregate, clock)


def _event_passes(test: Any, event: EventRow, clock: Clock) -> bool:
    if "all" in test:
        return all(_event_passes(each, event, clock) for each in test["all"])
    if "any" in test:
        return any(_event_passes(each, event, clock) for each in test["any"])
    if "not" in test:
        return not _event_passes(test["not"], event, clock)
    return passes(_value(event, test["property"]), test, clock)


def _value(event: EventRow, name: str) -> Any:
    columns = {"time": event.time, "distinct_id": event.person, "$event_name": event.event}
    if name in columns:
        return columns[name]
    found = event.properties.get(name, MISSING)
    return MISSING if found is None else found


def _earlier(instant: datetime, n: int, unit: str, zone: ZoneInfo) -> datetime:
    """The instant `n` units before, or after if `n` is negative; months are counted one by one on the calendar."""
    if unit == "hour":
        return instant - timedelta(hours=n)
    if unit in ("day", "week"):
        return instant - timedelta(hours=24 * n * (7 if unit == "week" else 1))
    local = instant.astimezone(zone).replace(tzinfo=None)
    year, month = local.year, local.month
    for _ in range(abs(n)):
        if n > 0:
            year, month = (year - 1, 12) if month == 1 else (year, month - 1)
        else:
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    day = min(local.day, calendar.monthrange(year, month)[1])
    return datetime(year, month, day, *local.timetuple()[3:6], local.microsecond, tzinfo=zone).astimezone(UTC)
