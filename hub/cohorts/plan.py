"""What a question asks about, each thing once, and for whom it can hold at all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from hub.cohorts.conditions import absent_holds
from hub.cohorts.deeds import Counted, Measure, answered_without_events, measures_of
from hub.cohorts.definition import AllOf, AnyOf, Clause, Did, DidNot, InCohort, Leaf, Listed, Not, Sequence, clauses
from hub.cohorts.edges import Moment
from hub.cohorts.filters import ProfileTest
from hub.cohorts.frequent import asks_the_opposite, is_most_frequent

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from hub.cohorts.question import Question

EVENTS = "events"
"""The source of what is counted."""

PROFILES = "profiles"
"""The source of tests of profiles."""


class Plan:
    """The measures, the tests and the scans of a question, by text: clauses that ask the same share one.

    `measures` are counted in one scan of the events; `tests` are (column, test) of profiles; `scans` are the clauses
    that take a scan of their own (also of a list), by column; `cohorts` are the columns of the cohorts that are named.
    """

    def __init__(self, question: Question, zone: ZoneInfo) -> None:
        self.moment = Moment(question.now, zone)
        self.measures: dict[str, Measure] = {}
        self.tests: dict[str, tuple[str, ProfileTest]] = {}
        self.scans: dict[str, Sequence | Did | DidNot | Listed] = {}
        self.cohorts = {name: f"cohort {number}" for number, name in enumerate(question.cohorts)}
        self._question = question
        self._columns: dict[str, str] = {}
        for definition in (*question.cohorts.values(), question.definition):
            for clause in clauses(definition.clause):
                self._add(clause)

    @cached_property
    def sources(self) -> list[str]:
        """The sources of events that the question reads."""
        return [*([EVENTS] if self.measures else []), *self.scans]

    def may_hold(self, *, without: Iterable[str]) -> bool:
        """Whether it can hold for somebody who is in none of these sources."""
        return self._outcomes(self._question.definition.clause, frozenset(without))[0]

    def column(self, measure: Measure) -> str:
        """The column of a measure."""
        return self._columns[measure.key]

    def columns_of(self, clause: Counted) -> list[str]:
        """The columns of a clause's measures."""
        return [self.column(measure) for measure in measures_of(clause, self.moment)]

    def test_column(self, test: ProfileTest) -> str:
        """The column of a test."""
        return self.tests[_key(test)][0]

    def scan_column(self, clause: Leaf) -> str:
        """The column of a clause with a scan of its own: the source is called the same."""
        return self._columns[_key(clause)]

    def _add(self, clause: Leaf) -> None:
        match clause:
            case InCohort():
                pass
            case ProfileTest():
                self.tests.setdefault(_key(clause), (f"test {len(self.tests)}", clause))
            case Sequence() | Listed():
                self._add_scan(clause)
            case Did() | DidNot() if is_most_frequent(clause):
                self._add_scan(clause)
            case _:
                for measure in measures_of(clause, self.moment):
                    self._columns.setdefault(measure.key, f"measure {len(self.measures)}")
                    self.measures.setdefault(measure.key, measure)

    def _add_scan(self, clause: Sequence | Did | DidNot | Listed) -> None:
        column = self._columns.setdefault(_key(clause), f"scan {len(self.scans)}")
        self.scans.setdefault(column, clause)

    def _outcomes(self, clause: Clause, without: frozenset[str]) -> tuple[bool, bool]:  # noqa: PLR0911
        """Whether a clause can be true, and whether it can be false, for somebody who is in none of some sources."""
        match clause:
            case Not():
                true, false = self._outcomes(clause.not_, without)
                return false, true
            case AllOf():
                inner = [self._outcomes(each, without) for each in clause.all]
                return all(true for true, _ in inner), any(false for _, false in inner)
            case AnyOf():
                inner = [self._outcomes(each, without) for each in clause.any]
                return any(true for true, _ in inner), all(false for _, false in inner)
            case InCohort():
                return self._outcomes(self._question.cohorts[clause.cohort].clause, without)
            case ProfileTest():
                return _either(PROFILES not in without, absent_holds(clause.op))
            case Sequence() | Listed():
                return _either(self.scan_column(clause) not in without, False)
            case Did() | DidNot() if is_most_frequent(clause):
                return _either(self.scan_column(clause) not in without, asks_the_opposite(clause))
            case _:
                return _either(EVENTS not in without, answered_without_events(clause))


def _either(unknown: bool, otherwise: bool) -> tuple[bool, bool]:
    return (True, True) if unknown else (otherwise, not otherwise)


def _key(clause: Leaf) -> str:
    # as text: 1, 1.0 and true are equal in Python, and different in a definition
    text = clause.model_dump_json(by_alias=True, exclude_defaults=True)
    if isinstance(clause, DidNot):  # shares the scan with its opposite
        return text.replace('"did_not":', '"did":', 1)
    return text
