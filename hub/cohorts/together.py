"""Several questions answered in shared scans: cohorts that are counted together, and one cohort at several times.

What is shared is what the questions ask of the events and of the profiles. A portion of them is answered at a time, so
that what has to be kept for each person stays within bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import ibis

from hub.cohorts.compile import Columns, memberships
from hub.cohorts.definition import Listed, clauses
from hub.cohorts.members import evaluate
from hub.cohorts.plan import Plan

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from hub.cohorts.question import Question
    from hub.lake.reading import Reader
    from hub.workspace import Project

MOST = 60
"""Of numbers that are kept for each person at a time: with a million people, half a gigabyte at most."""

Done = Callable[[int], None]
"""Told how many questions are answered."""


def sizes(reader: Reader, project: Project, questions: Sequence[Question], *, done: Done | None = None) -> list[int]:
    """How many people each question holds for, in the order of the questions."""
    found: dict[int, int] = {}
    for portion in portions(questions, project.zone):
        found.update(_sizes(reader, project, {place: questions[place] for place in portion}))
        if done:
            done(len(found))
    return [found[place] for place in range(len(questions))]


def portions(questions: Sequence[Question], zone: ZoneInfo) -> Iterator[list[int]]:
    """The places of questions that are answered together: as many as what has to be kept allows.

    One whose members are brought is answered alone, and so is one that rests on such a list as of another time: it has
    to read the list for itself.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, question in enumerate(questions):
        alone = question.listing is not None or (_rests_on_lists(question) and _several_times(questions))
        groups.setdefault(place if alone else question.known_at, []).append(place)
    for group in groups.values():
        portion: list[int] = []
        for place in group:
            more = [*portion, place]
            if portion and Plan([questions[each] for each in more], zone).weight > MOST:
                yield portion
                more = [place]
            portion = more
        yield portion


def changed(
    reader: Reader, project: Project, before: Question, after: Question, *, columns: Columns | None = None
) -> ibis.Table:
    """Who is in exactly one of two cohorts: `person`, and `entered`, whether it is the one of `after`.

    `columns` as of `hub.cohorts.compile.memberships`; a cohort that brings its members has none of them.
    """
    if before.listing is None and after.listing is None:
        both = memberships(reader, project, {"before": before, "after": after}, columns=columns)
        found = both.filter(both.before != both.after)
        return found.mutate(entered=found.after).drop("before", "after")
    then, now = (evaluate(reader, project, question) for question in (before, after))
    then = then.select(then_person=then.person)
    both = now.join(then, now.person == then.then_person, how="outer")
    only = both.filter(both.person.isnull() | both.then_person.isnull())
    return only.select(person=ibis.coalesce(only.person, only.then_person), entered=only.person.notnull())


def _sizes(reader: Reader, project: Project, questions: Mapping[int, Question]) -> dict[int, int]:
    if len(questions) == 1:
        [(place, question)] = questions.items()
        return {place: reader.value(evaluate(reader, project, question).count())}
    rows = memberships(reader, project, {str(place): question for place, question in questions.items()})
    counted = rows.aggregate(**{str(place): rows.count(where=rows[str(place)]) for place in questions})
    (row,) = [row for batch in reader.batches(counted) for row in batch.to_pylist()]
    return {place: row[str(place)] for place in questions}


def _rests_on_lists(question: Question) -> bool:
    definitions = (question.definition, *question.cohorts.values())
    return any(isinstance(clause, Listed) for each in definitions for clause in clauses(each.clause))


def _several_times(questions: Sequence[Question]) -> bool:
    return len({question.now for question in questions}) > 1
