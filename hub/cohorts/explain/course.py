"""How the answer of a clause goes through time: whether it holds at an instant, when it turned, when it will."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from heapq import merge

from hub.cohorts.edges import MICROSECOND
from hub.cohorts.explain.evidence import Cause, Turn
from hub.cohorts.explain.judges import Judge

WORK = 400_000
"""About how many answers of clauses one explanation may take."""


class TooMuch(Exception):
    """There is too much to look at; it was looked as far as `at`."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.at = at


class Work:
    """How much more an explanation may look at."""

    def __init__(self, most: int = WORK) -> None:
        self._left = most

    def spend(self, cost: int, at: datetime) -> None:
        """Note what an answer as of `at` costs. Raises TooMuch."""
        self._left -= cost
        if self._left < 0:
            raise TooMuch(at)


class Course(ABC):
    """The answer of one clause at every instant."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._turns = {True: _Replay(self._later), False: _Replay(self._earlier)}

    @abstractmethod
    def holds(self, at: datetime) -> bool:
        """Whether the clause holds at an instant."""

    @abstractmethod
    def cause(self, at: datetime) -> tuple[Cause, Course] | None:
        """What makes it turn at an instant at which it does, and the clause that this is about."""

    def later(self) -> Iterator[datetime]:
        """The instants after now at which it turns, in order. Raises TooMuch."""
        return iter(self._turns[True])

    def earlier(self) -> Iterator[datetime]:
        """The instants up to now at which it turned, the newest first. Raises TooMuch."""
        return iter(self._turns[False])

    def since(self) -> Turn:
        """Since when its answer is what it is."""
        return self._first(self.earlier())

    def until(self) -> Turn:
        """When its answer changes by itself."""
        return self._first(self.later())

    @abstractmethod
    def _later(self) -> Iterator[datetime]: ...

    @abstractmethod
    def _earlier(self) -> Iterator[datetime]: ...

    def _first(self, turns: Iterator[datetime]) -> Turn:
        try:
            at = next(turns, None)
        except TooMuch as limit:
            return Turn(limit.at, known=False)
        found = None if at is None else self.cause(at)
        return Turn(at, found[0] if found else None)


class Single(Course):
    """The course of a clause that is no group."""

    def __init__(self, judge: Judge, now: datetime, work: Work) -> None:
        super().__init__(now)
        self.judge = judge
        self._work = work

    def holds(self, at: datetime) -> bool:
        return self.judge.holds(at)

    def cause(self, at: datetime) -> tuple[Cause, Course] | None:
        return self.judge.cause(at), self

    @cached_property
    def _moments(self) -> list[datetime]:
        return sorted(set(self.judge.moments()))

    def _later(self) -> Iterator[datetime]:
        answer = self.holds(self.now)
        for at in self._moments[bisect_right(self._moments, self.now) :]:
            self._work.spend(self.judge.cost, at)
            if self.holds(at) != answer:
                answer = not answer
                yield at

    def _earlier(self) -> Iterator[datetime]:
        answer = self.holds(self.now)
        moments = self._moments[: bisect_right(self._moments, self.now)]
        # between two of them nothing changes: before one of them it is as at the one before
        for place in range(len(moments) - 1, -1, -1):
            self._work.spend(self.judge.cost, moments[place])
            earlier = moments[place - 1] if place else moments[0] - MICROSECOND
            if self.holds(earlier) != answer:
                answer = not answer
                yield moments[place]


class Joined(Course):
    """The course of a group, by those of its parts."""

    def __init__(
        self, parts: Sequence[Course], join: Callable[[Iterator[bool]], bool], now: datetime, *, keep: bool = False
    ) -> None:
        """`keep` remembers answers: for a cohort that several clauses name."""
        super().__init__(now)
        self.parts = parts
        self._join = join
        self._answers: dict[datetime, bool] | None = {} if keep else None

    def holds(self, at: datetime) -> bool:
        if self._answers is None:
            return self._join(part.holds(at) for part in self.parts)
        if at not in self._answers:
            self._answers[at] = self._join(part.holds(at) for part in self.parts)
        return self._answers[at]

    def cause(self, at: datetime) -> tuple[Cause, Course] | None:
        turned = (part for part in self.parts if part.holds(at) != part.holds(at - MICROSECOND))
        return next((found for part in turned if (found := part.cause(at))), None)

    def _later(self) -> Iterator[datetime]:
        answer = self.holds(self.now)
        for at in merge(*(part.later() for part in self.parts)):
            if self.holds(at) != answer:
                answer = not answer
                yield at

    def _earlier(self) -> Iterator[datetime]:
        answer = self.holds(self.now)
        for at in merge(*(part.earlier() for part in self.parts), reverse=True):
            if self.holds(at - MICROSECOND) != answer:
                answer = not answer
                yield at


class _Replay:
    """What an iterator yields, for several who go through it: worked out when it is first asked for."""

    def __init__(self, start: Callable[[], Iterator[datetime]]) -> None:
        self._start = start
        self._seen: list[datetime] = []
        self._rest: Iterator[datetime] | None = None
        self._end: TooMuch | None = None

    def __iter__(self) -> Iterator[datetime]:
        place = 0
        while True:
            if place < len(self._seen) or self._another():
                yield self._seen[place]
                place += 1
            elif self._end:
                raise self._end
            else:
                return

    def _another(self) -> bool:
        if self._end:
            return False
        if self._rest is None:
            self._rest = self._start()
        try:
            self._seen.append(next(self._rest))
        except StopIteration:
            return False
        except TooMuch as limit:
            self._end = limit
            return False
        return True
