"""One judge a clause: whether it holds for the person at any instant, when that can change, and by what."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hub.cohorts.definition import Declined, Did, DidNot, ThenDidNot
from hub.cohorts.definition import Sequence as EventSequence
from hub.cohorts.edges import MICROSECOND, Bounds, Moment, after, before, bounds
from hub.cohorts.explain.crossing import earlier_moments, months_later, window_moments
from hub.cohorts.explain.doings import Doings, Happening
from hub.cohorts.explain.evidence import (
    COMES,
    ENTERS,
    GOES,
    HAPPENS,
    LEAVES,
    LISTED,
    NEWEST,
    PASSES,
    PROFILE,
    Cause,
    Evidence,
)
from hub.cohorts.explain.measuring import aggregate_holds, aggregated
from hub.cohorts.explain.passing import holds, moments_of
from hub.cohorts.explain.values import Value
from hub.cohorts.filters import ProfileTest

State = tuple[datetime | None, Value]
"""A value of a profile property, and since when it is so; None: as far back as anybody knows."""


class Judge(ABC):
    """The judge of one clause for one person."""

    cost = 1
    """About how much work one answer is."""

    @abstractmethod
    def holds(self, now: datetime) -> bool:
        """Whether the clause holds at an instant."""

    @abstractmethod
    def moments(self) -> Iterable[datetime]:
        """Every instant at which the answer may change; others may be among them."""

    @abstractmethod
    def evidence(self, now: datetime) -> Evidence:
        """What decides the answer at an instant."""

    @abstractmethod
    def cause(self, at: datetime) -> Cause:
        """What made the answer change at an instant at which it did."""


class _OfEvents(Judge):
    """A judge of what the person did."""

    def __init__(self, doings: Sequence[Doings], zone: ZoneInfo) -> None:
        self._doings = doings
        self._zone = zone

    def _windows(self, now: datetime) -> list[Bounds]:
        """The bounds that each of the doings is looked at in."""
        raise NotImplementedError

    def _seen(self, now: datetime) -> list[Happening]:
        """The events that count at an instant, those of each of the doings."""
        found = zip(self._doings, self._windows(now), strict=True)
        return [event for doings, window in found for event in doings.within(window, now)]

    def cause(self, at: datetime) -> Cause:
        earlier, later = self._seen(at - MICROSECOND), self._seen(at)
        known_earlier, known_later = {id(each) for each in earlier}, {id(each) for each in later}
        gone = [each for each in earlier if id(each) not in known_later]
        came = [each for each in later if id(each) not in known_earlier]
        return self._told(gone, came, at)

    def _told(self, gone: Sequence[Happening], came: Sequence[Happening], at: datetime) -> Cause:
        # an edge that leaps may let some in and others out: those that are gone are what people miss
        for events, kind in ((gone, LEAVES), (came, ENTERS)):
            if events:
                newest = events[-1]
                told = HAPPENS if newest.time == at else kind
                return Cause(told, newest.event, newest.time, len(events) - 1)
        return Cause(LEAVES)


class DidJudge(_OfEvents):
    """Of `did` and `did not do`: counts, days, values, the first time."""

    def __init__(self, clause: Did | DidNot, happenings: Sequence[Happening], zone: ZoneInfo) -> None:
        super().__init__([Doings(happenings, clause.event, clause.where, zone)], zone)
        self._clause = clause
        plain = not clause.aggregate and (clause.first or clause.count.unit == "times")
        self.cost = 1 if plain else 1 + len(self._doings[0]) // 200

    def holds(self, now: datetime) -> bool:
        return self._did(now) == isinstance(self._clause, Did)

    def moments(self) -> Iterator[datetime]:
        yield from self._doings[0].moments()
        for each in self._doings[0].all:
            yield each.time
            yield from window_moments(self._clause.window, each.time, self._zone)

    def evidence(self, now: datetime) -> Evidence:
        clause, window = self._clause, self._window(now)
        events = self._doings[0].within(self._history(window) if clause.first else window, now)
        newest = tuple(reversed(events[-NEWEST:]))
        if clause.first:
            return Evidence("first", events[0].time if events else None, None, tuple(events[:1]), len(events), window)
        if clause.aggregate:
            function, name = clause.aggregate.of
            value = aggregated(clause.aggregate, events)
            return Evidence(f"{function.replace('_', ' ')} of {name}", value, None, newest, len(events), window)
        return Evidence(clause.count.unit, self._counted(window, now), None, newest, len(events), window)

    def _window(self, now: datetime) -> Bounds:
        return bounds(self._clause.window, now, self._zone)

    def _seen(self, now: datetime) -> list[Happening]:
        window = self._window(now)
        if not self._clause.first:
            return self._doings[0].within(window, now)
        first = self._doings[0].within(self._history(window), now)[:1]
        return first if first and window.contain(first[0].time) else []

    def _history(self, window: Bounds) -> Bounds:
        return Bounds(None, window.end)

    def _did(self, now: datetime) -> bool:
        clause, window = self._clause, self._window(now)
        if clause.first:
            return bool(self._seen(now))
        if clause.aggregate:
            return aggregate_holds(clause.aggregate, self._doings[0].within(window, now), Moment(now, self._zone))
        return bool(clause.count.holds(self._counted(window, now)))

    def _counted(self, window: Bounds, now: datetime) -> int:
        if self._clause.count.unit == "times":
            return self._doings[0].count(window, now)
        return len({each.time.astimezone(self._zone).date() for each in self._doings[0].within(window, now)})


class DeclinedJudge(_OfEvents):
    """Of a decline: a window, and the time right before it."""

    def __init__(self, clause: Declined, happenings: Sequence[Happening], zone: ZoneInfo) -> None:
        doings = Doings(happenings, clause.event, clause.where, zone)
        super().__init__([doings, doings], zone)
        self._clause = clause

    def holds(self, now: datetime) -> bool:
        inside, earlier = self._counted(now)
        return inside * 100 < earlier * self._clause.change.less_than

    def moments(self) -> Iterator[datetime]:
        clause = self._clause
        yield from self._doings[0].moments()
        for each in self._doings[0].all:
            yield each.time
            yield from window_moments(clause.window, each.time, self._zone)
            yield from earlier_moments(clause.window, clause.change.before, each.time, self._zone)

    def evidence(self, now: datetime) -> Evidence:
        inside, earlier = self._counted(now)
        window = self._windows(now)[0]
        newest = self._seen(now)
        newest.sort(key=lambda each: each.time, reverse=True)
        return Evidence("times", inside, earlier, tuple(newest[:NEWEST]), inside + earlier, window)

    def cause(self, at: datetime) -> Cause:
        windows = zip(self._windows(at - MICROSECOND), self._windows(at), strict=True)
        # what moves from the window into the time before it has left the window
        for doings, (old, new) in zip(self._doings, windows, strict=True):
            earlier, later = doings.within(old, at - MICROSECOND), doings.within(new, at)
            gone = [each for each in earlier if each not in later]
            came = [each for each in later if each not in earlier]
            if gone or came:
                return self._told(gone, came, at)
        return Cause(LEAVES)

    def _windows(self, now: datetime) -> list[Bounds]:
        within = bounds(self._clause.window, now, self._zone)
        assert within.start is not None, "its window has a beginning"
        start = before(within.start, self._clause.change.before, self._zone)
        return [within, Bounds(start, min(within.start, now + MICROSECOND))]

    def _counted(self, now: datetime) -> tuple[int, int]:
        inside, earlier = (self._doings[0].count(window, now) for window in self._windows(now))
        return inside, earlier


class SequenceJudge(_OfEvents):
    """Of one event and then another, or not."""

    def __init__(self, clause: EventSequence, happenings: Sequence[Happening], zone: ZoneInfo) -> None:
        steps = (clause, clause.then)
        super().__init__([Doings(happenings, step.event, step.where, zone) for step in steps], zone)
        self._clause = clause
        self.cost = 1 + sum(map(len, self._doings)) // 50

    def holds(self, now: datetime) -> bool:
        return any(self._decisive(now))

    def moments(self) -> Iterator[datetime]:
        for doings in self._doings:
            yield from doings.moments()
            for each in doings.all:
                yield each.time
                yield from window_moments(self._clause.window, each.time, self._zone)

    def evidence(self, now: datetime) -> Evidence:
        firsts, seconds = self._firsts_and_seconds(now)
        found = [*self._decisive(now)]
        window = self._windows(now)[0]
        if found:
            newest = [event for pair in reversed(found[-2:]) for event in reversed(pair)]
            return Evidence("sequences", len(found), None, tuple(newest[: NEWEST + 1]), len(found), window)
        newest = sorted([*firsts[-2:], *seconds[-2:]], key=lambda each: each.time, reverse=True)
        note = f"{len(firsts):,} of the first, {len(seconds):,} of the second"
        return Evidence("sequences", 0, None, tuple(newest[:NEWEST]), len(firsts) + len(seconds), window, note)

    def _windows(self, now: datetime) -> list[Bounds]:
        return [bounds(self._clause.window, now, self._zone)] * 2

    def _firsts_and_seconds(self, now: datetime) -> tuple[list[Happening], list[Happening]]:
        window = self._windows(now)[0]
        return self._doings[0].within(window, now), self._doings[1].within(window, now)

    def _decisive(self, now: datetime) -> Iterator[tuple[Happening, ...]]:
        """The first events that make it hold, each with the second one that followed, if one did."""
        firsts, seconds = self._firsts_and_seconds(now)
        times = [each.time for each in seconds]
        did_not = isinstance(self._clause.then, ThenDidNot)
        for first in firsts:
            place = bisect_right(times, first.time)
            followed = place < len(times) and times[place] <= self._deadline(first.time)
            if followed != did_not:
                yield (first,) if did_not else (first, seconds[place])

    def _deadline(self, time: datetime) -> datetime:
        within = self._clause.within
        if within.unit == "month":
            return months_later(time, within.n, self._zone)
        return after(time, within, self._zone)


class ProfileJudge(Judge):
    """Of a test of the profile."""

    def __init__(self, test: ProfileTest, states: Sequence[State], zone: ZoneInfo) -> None:
        """`states` are the values that the property had, the earliest first."""
        self._test = test
        self._states = states
        self._zone = zone
        self._starts = [since for since, _ in states if since is not None]

    def holds(self, now: datetime) -> bool:
        return holds(self._value(now), self._test.op, self._test.value, Moment(now, self._zone))

    def moments(self) -> Iterator[datetime]:
        yield from self._starts
        for _, value in self._states:
            yield from moments_of(value, self._test.op, self._test.value, self._zone)

    def evidence(self, now: datetime) -> Evidence:
        return Evidence(self._test.profile, self._value(now).plain)

    def cause(self, at: datetime) -> Cause:
        if at in self._starts:
            return Cause(PROFILE, self._test.profile)
        instant = self._value(at).instant
        assert instant is not None, "nothing else changes as time goes by"
        near = self._test.op == "in the next"
        reached = PASSES if (at > instant) == near or at == instant else COMES if near else GOES
        return Cause(reached, self._test.profile, instant)

    def _value(self, now: datetime) -> Value:
        return self._states[bisect_right(self._starts, now) - len(self._starts) - 1][1]


class ListJudge(Judge):
    """Of a list of members: whether the person was on it, by time."""

    def __init__(self, states: Sequence[tuple[datetime | None, bool]], key: Any, name: str) -> None:
        """`key` is what the list knows the person by, None for nobody; `name` is the cohort that it belongs to."""
        self._states = states
        self._key = key
        self._name = name
        self._starts = [since for since, _ in states if since is not None]

    def holds(self, now: datetime) -> bool:
        return self._states[bisect_right(self._starts, now) - len(self._starts) - 1][1]

    def moments(self) -> Iterable[datetime]:
        return self._starts

    def evidence(self, now: datetime) -> Evidence:
        return Evidence("list", self._key)

    def cause(self, at: datetime) -> Cause:
        return Cause(LISTED, self._name)
