"""What one person did of one kind: the events that a step of a clause is about, by time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.cohorts.definition import ANY_EVENT
from hub.cohorts.edges import Bounds, Moment
from hub.cohorts.explain.passing import Look, filter_moments, passes, relative_to_now
from hub.cohorts.explain.values import NOTHING, Value

if TYPE_CHECKING:
    from hub.cohorts.filters import Filter


@dataclass(frozen=True, slots=True)
class Happening:
    """One event of the person, with the values of those properties that the definition asks about."""

    time: datetime
    event: str
    values: Mapping[str, Value]

    def look(self, name: str) -> Value:
        """The value of one of these properties."""
        return self.values.get(name, NOTHING)


class Doings:
    """The events of a step: those with its name that pass its filters."""

    def __init__(
        self, happenings: Sequence[Happening], event: str, filters: Sequence[Filter] | None, zone: ZoneInfo
    ) -> None:
        """`happenings` are all of the person, by time."""
        self._filters = tuple(filters or ())
        self._zone = zone
        self._moving = relative_to_now(self._filters)
        named = [each for each in happenings if event in (ANY_EVENT, each.event)]
        self.all = named if self._moving else [each for each in named if self._passes(each.look, None)]
        """All of them; when a filter is relative to now, all that may pass it at some time."""
        self._times = [each.time for each in self.all]

    def __len__(self) -> int:
        return len(self.all)

    def within(self, bounds: Bounds, now: datetime) -> list[Happening]:
        """Those within bounds that pass the filters as of `now`, by time."""
        first = 0 if bounds.start is None else bisect_left(self._times, bounds.start)
        found = self.all[first : bisect_left(self._times, bounds.end)]
        return [each for each in found if self._passes(each.look, now)] if self._moving else found

    def count(self, bounds: Bounds, now: datetime) -> int:
        """How many those are."""
        if self._moving:
            return len(self.within(bounds, now))
        first = 0 if bounds.start is None else bisect_left(self._times, bounds.start)
        return max(bisect_left(self._times, bounds.end) - first, 0)

    def moments(self) -> Iterator[datetime]:
        """The instants at which a filter's answer for one of them may change."""
        if self._moving:
            for each in self.all:
                yield from filter_moments(self._filters, each.look, self._zone)

    def _passes(self, look: Look, now: datetime | None) -> bool:
        moment = Moment(now, self._zone) if now else _NEVER_ASKED
        return all(passes(test, look, moment) for test in self._filters)


_NEVER_ASKED = Moment(datetime(1970, 1, 1, tzinfo=UTC), ZoneInfo("UTC"))
"""For filters that do not ask what time it is."""
