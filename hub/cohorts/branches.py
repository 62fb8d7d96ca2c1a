"""A question that is an `any` of questions which read nothing in common, and so can be asked one by one.

"Bought lately, or is a member": in one expression everybody who has an event is joined with everybody who has a
profile, to find few of them. Each part alone reads what it needs, and passes over all others early.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

from hub.cohorts.definition import AnyOf, Clause, Definition, InCohort
from hub.cohorts.plan import PROFILES, Plan
from hub.cohorts.question import Question
from hub.cohorts.references import closure


def branches(question: Question, zone: ZoneInfo) -> list[Question]:
    """Questions of which no two read the same, and whose people together are those of `question`.

    The question itself, if there are no such parts, or if one of them may hold for everybody.
    """
    parts = [_asking(question, [clause]) for clause in _alternatives(question.definition.clause, question.cohorts)]
    plans = [Plan([part], zone) for part in parts]
    if len(parts) == 1 or any(plan.may_hold(without=[*plan.sources, PROFILES]) for plan in plans):
        return [question]
    groups: list[tuple[set[str], list[Clause]]] = []
    for part, plan in zip(parts, plans, strict=True):
        reads, clauses = set(plan.reads), [part.definition.clause]
        for group in [group for group in groups if group[0] & reads]:
            groups.remove(group)
            reads, clauses = group[0] | reads, [*group[1], *clauses]
        groups.append((reads, clauses))
    return [_asking(question, clauses) for _, clauses in groups] if len(groups) > 1 else [question]


def _alternatives(clause: Clause, cohorts: Mapping[str, Definition]) -> Iterator[Clause]:
    """The clauses of which one has to hold."""
    match clause:
        case AnyOf():
            for each in clause.any:
                yield from _alternatives(each, cohorts)
        case InCohort():
            yield from _alternatives(cohorts[clause.cohort].clause, cohorts)
        case _:
            yield clause


def _asking(question: Question, clauses: list[Clause]) -> Question:
    clause = clauses[0] if len(clauses) == 1 else AnyOf(any=tuple(clauses))
    definition = Definition.model_construct(clause=clause)
    return replace(question, definition=definition, cohorts=closure(definition, question.cohorts.__getitem__))
