"""How many people: of each clause of a cohort, and of two cohorts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hub.cohorts.definition import ANY_EVENT, AllOf, AnyOf, Clause, Definition, Did
from hub.cohorts.explain.tree import text_of
from hub.cohorts.measures import Count
from hub.cohorts.references import closure

if TYPE_CHECKING:
    import ibis

    from hub.cohorts.asked import AskedFor
    from hub.cohorts.question import Question
    from hub.lake.reading import Reader
    from hub.workspace import Project

_EVERYBODY = Did(did=ANY_EVENT, count=Count(at_least=0))
"""Holds for all people: those who have an event or a profile."""


@dataclass(frozen=True)
class Step:
    """One clause of a waterfall: how many people it lets through `alone`, and `together` with those before it."""

    text: str
    alone: int
    together: int

    def figures(self) -> dict[str, Any]:
        """For machines: a step of `hub cohort show --waterfall --json`."""
        return {"text": self.text, "alone": self.alone, "together": self.together}


@dataclass(frozen=True)
class Waterfall:
    """How many of `everybody` each clause lets through. `joined` is `and`, or `or`: then `together` grows."""

    everybody: int
    joined: str
    steps: tuple[Step, ...]

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort show --waterfall --json`."""
        return {"everybody": self.everybody, "joined": self.joined, "steps": [each.figures() for each in self.steps]}


@dataclass(frozen=True)
class Overlap:
    """How many people are in one of two cohorts, in both, and in neither of them."""

    first: str
    second: str
    only_first: int
    both: int
    only_second: int
    neither: int

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort overlap --json`."""
        return {
            "cohorts": [self.first, self.second],
            "only_first": self.only_first,
            "both": self.both,
            "only_second": self.only_second,
            "neither": self.neither,
        }


def waterfall(reader: Reader, project: Project, question: Question) -> Waterfall:
    """How many people each clause of a question's definition lets through, counted in shared scans."""
    from hub.cohorts.together import sizes

    clause = question.definition.clause
    is_any = isinstance(clause, AnyOf)
    parts = clause.any if isinstance(clause, AnyOf) else clause.all if isinstance(clause, AllOf) else (clause,)
    grown = [parts[: place + 1] for place in range(1, len(parts))]
    together = [AnyOf(any=first) if is_any else AllOf(all=first) for first in grown]
    asked = [_asking(question, each) for each in (_EVERYBODY, *parts, *together)]
    everybody, *found = sizes(reader, project, asked)
    alone, joined = found[: len(parts)], [found[0], *found[len(parts) :]]
    steps = zip(map(text_of, parts), alone, joined, strict=True)
    return Waterfall(everybody, "or" if is_any else "and", tuple(Step(*each) for each in steps))


def overlap(reader: Reader, project: Project, first: AskedFor, second: AskedFor) -> Overlap:
    """How many people are in one of two cohorts, in both, and in neither of them."""
    from hub.cohorts.members import evaluate

    def people(question: Question, *, first: bool = False, second: bool = False) -> ibis.Table:
        return evaluate(reader, project, question).select("person").mutate(first=first, second=second)

    everybody = people(_asking(first.question, _EVERYBODY))
    rows = everybody.union(people(first.question, first=True)).union(people(second.question, second=True))
    each = rows.group_by("person").agg(first=rows["first"].max(), second=rows.second.max())
    counts = each.group_by("first", "second").agg(people=each.count())
    found = {
        (row["first"], row["second"]): row["people"] for batch in reader.batches(counts) for row in batch.to_pylist()
    }
    return Overlap(
        first.cohort.name,
        second.cohort.name,
        only_first=found.get((True, False), 0),
        both=found.get((True, True), 0),
        only_second=found.get((False, True), 0),
        neither=found.get((False, False), 0),
    )


def _asking(question: Question, clause: Clause) -> Question:
    definition = Definition.model_construct(version=1, description="", clause=clause)
    return replace(question, definition=definition, cohorts=closure(definition, question.cohorts.__getitem__))
