"""What questions ask about, each thing once, and for whom they can hold at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from hub.cohorts import definition
from hub.cohorts.answers import Answering
from hub.cohorts.conditions import absent_holds
from hub.cohorts.deeds import Counted, answered_without_events, measures_of
from hub.cohorts.definition import AllOf, AnyOf, Clause, Did, DidNot, InCohort, Leaf, Listed, Not, clauses
from hub.cohorts.edges import Moment
from hub.cohorts.filters import ProfileTest
from hub.cohorts.frequent import asks_the_opposite, is_most_frequent
from hub.cohorts.operators import SPANS

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from hub.cohorts.question import Question

EVENTS = "events"
"""The source of what is counted."""

PROFILES = "profiles"
"""The source of tests of profiles."""

_HEAVY = ("days", "distinct", "median")
"""Kinds of measures that keep more than a number for each person."""


@dataclass(frozen=True)
class Asked:
    """A question, and the moment that it is asked as of."""

    question: Question
    moment: Moment


class Testing(NamedTuple):
    """A test of profiles with its column, and the moment from which it looks at dates."""

    column: str
    test: ProfileTest
    moment: Moment


class Scanning(NamedTuple):
    """A clause that takes a scan of its own (also of a list), and who asks."""

    clause: definition.Sequence | Did | DidNot | Listed
    asked: Asked


class Plan:
    """The measures, the tests and the scans of questions, by text: clauses that ask the same share one.

    `answers` are what is counted of the events, by column; `tests` are of profiles; `scans` are the clauses that take a
    scan of their own, by column. Cohorts that are named are asked as of the time of who names them.
    """

    def __init__(self, questions: Sequence[Question], zone: ZoneInfo) -> None:
        self.asked = [Asked(question, Moment(question.now, zone)) for question in questions]
        self.answers: dict[str, Answering] = {}
        self.tests: dict[str, Testing] = {}
        self.scans: dict[str, Scanning] = {}
        self.cohorts: dict[tuple[str, datetime], str] = {}
        self._columns: dict[str, str] = {}
        for asked in self.asked:
            for name in asked.question.cohorts:
                self.cohorts.setdefault((name, asked.moment.now), f"cohort {len(self.cohorts)}")
            for each in (*asked.question.cohorts.values(), asked.question.definition):
                for clause in clauses(each.clause):
                    self._add(clause, asked)

    @cached_property
    def sources(self) -> list[str]:
        """The sources of events that the questions read."""
        return [*([EVENTS] if self.answers else []), *self.scans]

    @property
    def reads(self) -> set[str]:
        """What the questions read, by names that other plans share: events, profiles, and scans by what they ask."""
        scans = {key for key, column in self._columns.items() if column in self.scans}
        return {*([EVENTS] if self.answers else []), *([PROFILES] if self.tests else []), *scans}

    @property
    def weight(self) -> int:
        """How much an engine has to keep for each person, in numbers."""
        measures = {
            measure.key_at(each.moment): measure for each in self.answers.values() for measure in measures_of(*each)
        }
        kinds = [measure.kind for measure in measures.values()]
        return len(kinds) + 9 * sum(kind in _HEAVY for kind in kinds) + 20 * len(self.scans)

    def may_hold(self, *, without: Iterable[str]) -> bool:
        """Whether one of them can hold for somebody who is in none of these sources."""
        sources = frozenset(without)
        return any(self._outcomes(asked.question.definition.clause, asked, sources)[0] for asked in self.asked)

    def answer_column(self, clause: Counted, asked: Asked) -> str:
        """The column of a clause that is answered from what is counted; of `did not do`, that of its opposite."""
        return self._columns[_scan_key(clause, asked.moment)]

    def test_column(self, test: ProfileTest, asked: Asked) -> str:
        """The column of a test."""
        return self.tests[_test_key(test, asked.moment)].column

    def scan_column(self, clause: Leaf, asked: Asked) -> str:
        """The column of a clause with a scan of its own: the source is called the same."""
        return self._columns[_scan_key(clause, asked.moment)]

    def _add(self, clause: Leaf, asked: Asked) -> None:
        match clause:
            case InCohort():
                pass
            case ProfileTest():
                key = _test_key(clause, asked.moment)
                self.tests.setdefault(key, Testing(f"test {len(self.tests)}", clause, asked.moment))
            case definition.Sequence() | Listed():
                self._add_scan(clause, asked)
            case Did() | DidNot() if is_most_frequent(clause):
                self._add_scan(clause, asked)
            case _:
                key = _scan_key(clause, asked.moment)
                column = self._columns.setdefault(key, f"answer {len(self.answers)}")
                self.answers.setdefault(column, Answering(clause, asked.moment))

    def _add_scan(self, clause: definition.Sequence | Did | DidNot | Listed, asked: Asked) -> None:
        column = self._columns.setdefault(_scan_key(clause, asked.moment), f"scan {len(self.scans)}")
        self.scans.setdefault(column, Scanning(clause, asked))

    def _outcomes(  # noqa: PLR0911
        self, clause: Clause, asked: Asked, without: frozenset[str]
    ) -> tuple[bool, bool]:
        """Whether a clause can be true, and whether it can be false, for somebody who is in none of some sources."""
        match clause:
            case Not():
                true, false = self._outcomes(clause.not_, asked, without)
                return false, true
            case AllOf():
                inner = [self._outcomes(each, asked, without) for each in clause.all]
                return all(true for true, _ in inner), any(false for _, false in inner)
            case AnyOf():
                inner = [self._outcomes(each, asked, without) for each in clause.any]
                return any(true for true, _ in inner), all(false for _, false in inner)
            case InCohort():
                return self._outcomes(asked.question.cohorts[clause.cohort].clause, asked, without)
            case ProfileTest():
                return _either(PROFILES not in without, absent_holds(clause.op))
            case definition.Sequence() | Listed():
                return _either(self.scan_column(clause, asked) not in without, False)
            case Did() | DidNot() if is_most_frequent(clause):
                return _either(self.scan_column(clause, asked) not in without, asks_the_opposite(clause))
            case _:
                return _either(EVENTS not in without, answered_without_events(clause))


def _either(unknown: bool, otherwise: bool) -> tuple[bool, bool]:
    return (True, True) if unknown else (otherwise, not otherwise)


def _test_key(test: ProfileTest, moment: Moment) -> str:
    return f"{_key(test)}{moment.now}" if test.op in SPANS else _key(test)


def _scan_key(clause: Leaf, moment: Moment) -> str:
    return f"{_key(clause)}{moment.now}"


def _key(clause: Leaf) -> str:
    # as text: 1, 1.0 and true are equal in Python, and different in a definition
    text = clause.model_dump_json(by_alias=True, exclude_defaults=True)
    if isinstance(clause, DidNot):  # shares the scan with its opposite
        return text.replace('"did_not":', '"did":', 1)
    return text
