"""Why somebody is, or is not, in a cohort: from a question and an id to the explanation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from hub.cohorts.explain.course import Course, Joined, Single
from hub.cohorts.explain.evidence import KNOWN, Cause, Evidence
from hub.cohorts.explain.judges import Judge
from hub.cohorts.explain.membership import OnList, list_history, on_list
from hub.cohorts.explain.person_rows import PersonRows
from hub.cohorts.explain.report import Explained, Explanation
from hub.cohorts.explain.tree import Branch, Known, Tree

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.cohorts.question import Question
    from hub.lake.reading import Reader
    from hub.workspace import Project


def explain(
    reader: Reader,
    project: Project,
    question: Question,
    asked: str,
    *,
    cohort: str = "",
    connection: Connection | None = None,
    list_ids: Mapping[str, int] | None = None,
    past: bool = False,
) -> Explanation | None:
    """Why the person of an id is, or is not, in the cohort of a question. None when nothing is known by that id.

    With `past`, what the hub knew at earlier instants counts for since when it is so: earlier states of the profile,
    and of the lists whose cohorts' ids are in `list_ids`, read by `connection`. Without, all is as the question has it.
    """
    rows = PersonRows(reader, project, question, asked, past=past)
    definitions = [question.definition.clause, *(each.clause for each in question.cohorts.values())]
    lists = {}
    for name, listing in question.lists.items():
        found = on_list(reader, rows, listing, itself=question.listing is listing)
        if past and connection is not None and name in (list_ids or {}):
            found = _with_history(
                reader, connection, (list_ids or {})[name], rows.keys(listing.key, frozen=listing.frozen), found
            )
        lists[name] = found
    known = Known(question.now, project.zone, rows.happenings(definitions), rows.profile_states(), lists)
    tree = Tree(known, question.cohorts)
    branch = tree.branch(question.definition.clause)
    profile = known.profile[-1].properties
    listed = any(each.states[-1][1] for each in lists.values())
    first = _first_event(rows, known)
    if first is None and profile is None and not (listed or rows.is_linked):
        return None
    whole: Course = branch.course
    is_person = profile is not None or listed or (first is not None and first <= question.now)
    if not (profile is not None or listed):
        there = tree.single(_ThereJudge(first))
        whole = Joined([branch.course, there], all, question.now)
    return Explanation(
        cohort=cohort,
        asked=asked,
        person=rows.person,
        ids=len(rows.ids),
        member=whole.holds(question.now),
        now=question.now,
        zone=project.zone,
        since=whole.since(),
        until=whole.until(),
        clause=_explained(branch, question.now, _deciding(branch, question.now) if is_person else set(), set()),
        is_person=is_person,
        profile=profile,
    )


class _ThereJudge(Judge):
    """Whether somebody without a profile is one of the people: from their first event on."""

    def __init__(self, first: datetime | None) -> None:
        self._first = first

    def holds(self, now: datetime) -> bool:
        return self._first is not None and now >= self._first

    def moments(self) -> list[datetime]:
        return [] if self._first is None else [self._first]

    def evidence(self, now: datetime) -> Evidence:
        return Evidence("first event", self._first)

    def cause(self, at: datetime) -> Cause:
        return Cause(KNOWN, of=at)


def _first_event(rows: PersonRows, known: Known) -> datetime | None:
    """The first event of any name; not looked for when it does not matter."""
    if known.profile[-1].properties is not None:
        return known.happenings[0].time if known.happenings else None
    return rows.first_event()


def _with_history(reader: Reader, connection: Connection, cohort_id: int, keys: list[str], found: OnList) -> OnList:
    """The list by time, if what is kept of its past ends with what it is now."""
    states = list_history(reader, connection, cohort_id, keys) if keys else found.states
    return OnList(found.key, states) if states[-1][1] == found.states[-1][1] else found


def _explained(branch: Branch, now: datetime, deciding: set[int], told: set[int]) -> Explained:
    course = branch.course
    evidence = course.judge.evidence(now) if isinstance(course, Single) else None
    above = branch.kind == "cohort" and id(course) in told
    if branch.kind == "cohort":
        told.add(id(course))
    return Explained(
        kind=branch.kind,
        text=branch.text,
        holds=course.holds(now),
        since=course.since(),
        until=course.until(),
        decides=id(branch) in deciding,
        evidence=evidence,
        parts=() if above else tuple(_explained(part, now, deciding, told) for part in branch.parts),
        told_above=above,
    )


def _deciding(branch: Branch, now: datetime) -> set[int]:
    """The clauses (by identity) of which each alone decides: were it the opposite, so would be the whole.

    A clause that names a cohort is one of them, and none within that cohort.
    """
    if branch.kind in ("all", "any", "not"):
        answers = [part.course.holds(now) for part in branch.parts]
        whole = branch.course.holds(now)
        found: set[int] = set()
        for place, part in enumerate(branch.parts):
            turned = [not answer if place == at else answer for at, answer in enumerate(answers)]
            if (all(turned) if branch.kind == "all" else any(turned) != (branch.kind == "not")) != whole:
                found |= _deciding(part, now)
        return found
    return {id(branch)}
