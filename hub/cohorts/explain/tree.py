"""The clauses of a definition as judges over one person's rows, in the shape of the definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hub.cohorts.definition import (
    AllOf,
    AnyOf,
    Clause,
    Declined,
    Definition,
    Did,
    DidNot,
    InCohort,
    Listed,
    Not,
)
from hub.cohorts.definition import Sequence as EventSequence
from hub.cohorts.explain.course import Course, Joined, Single, Work
from hub.cohorts.explain.doings import Happening
from hub.cohorts.explain.judges import (
    DeclinedJudge,
    DidJudge,
    Judge,
    ListJudge,
    ProfileJudge,
    SequenceJudge,
)
from hub.cohorts.explain.values import NOTHING
from hub.cohorts.filters import ProfileTest
from hub.cohorts.text.printing import clause_text

if TYPE_CHECKING:
    from hub.cohorts.explain.membership import OnList
    from hub.cohorts.explain.person_rows import ProfileState


@dataclass(frozen=True)
class Known:
    """All that is known of one person as of `now`: events that matter by time, the profile, the lists by cohort."""

    now: datetime
    zone: ZoneInfo
    happenings: Sequence[Happening] = ()
    profile: Sequence[ProfileState] = ()
    lists: Mapping[str, OnList] = field(default_factory=dict)


@dataclass(frozen=True)
class Branch:
    """A clause with its course; `parts` are those of a group, or the clause of the cohort that it names."""

    kind: str
    text: str
    course: Course
    parts: tuple[Branch, ...] = ()


class Tree:
    """The clauses of a definition, and of the cohorts that it rests on, for one person."""

    def __init__(self, known: Known, cohorts: Mapping[str, Definition]) -> None:
        self._known = known
        self._cohorts = cohorts
        self._made: dict[str, Branch] = {}
        self._work = Work()

    def branch(self, clause: Clause) -> Branch:
        """A clause with all that is in it."""
        match clause:
            case AllOf():
                return self._group("all", all, clause, clause.all)
            case AnyOf():
                return self._group("any", any, clause, clause.any)
            case Not():
                return self._group("not", lambda answers: not any(answers), clause, [clause.not_])
            case InCohort():
                part = self._cohort(clause.cohort)
                return Branch("cohort", text_of(clause), part.course, (part,))
        kind, judge = self._judge(clause)
        return Branch(kind, text_of(clause), self.single(judge))

    def single(self, judge: Judge) -> Course:
        """The course of one judge."""
        return Single(judge, self._known.now, self._work)

    def _group(self, kind: str, join: Any, clause: Clause, inner: Sequence[Clause]) -> Branch:
        parts = tuple(self.branch(each) for each in inner)
        return Branch(kind, text_of(clause), Joined([part.course for part in parts], join, self._known.now), parts)

    def _cohort(self, name: str) -> Branch:
        """The clause of a cohort: one for all that name it, which remembers its answers."""
        if name not in self._made:
            inner = self.branch(self._cohorts[name].clause)
            course = Joined([inner.course], all, self._known.now, keep=True)
            self._made[name] = Branch(inner.kind, inner.text, course, inner.parts)
        return self._made[name]

    def _judge(self, clause: Clause | Listed) -> tuple[str, Judge]:
        known = self._known
        match clause:
            case Did():
                return "did", DidJudge(clause, known.happenings, known.zone)
            case DidNot():
                return "did_not", DidJudge(clause, known.happenings, known.zone)
            case EventSequence():
                return "sequence", SequenceJudge(clause, known.happenings, known.zone)
            case Declined():
                return "change", DeclinedJudge(clause, known.happenings, known.zone)
            case ProfileTest():
                states = [
                    (each.since, each.properties.value(clause.profile) if each.properties else NOTHING)
                    for each in known.profile
                ]
                return "profile", ProfileJudge(clause, states or [(None, NOTHING)], known.zone)
            case Listed():
                found = known.lists.get(clause.listed)
                states_of_list = found.states if found else ((None, False),)
                return "list", ListJudge(states_of_list, found.key if found else None, clause.listed)
        raise AssertionError(clause)


def text_of(clause: Clause | Listed) -> str:
    """A clause in the text language; a list in words."""
    if isinstance(clause, Listed):
        return f"on the list of {clause.listed}"
    return clause_text(Definition.model_construct(version=1, description="", clause=clause))
