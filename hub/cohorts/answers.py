"""Whether clauses about events hold, for each person, found event by event.

Each scan is of one event, so that it reads the properties of its own clauses, and passes over the rows of all others.
It hands on only those people for whom an answer is not what it is for everybody who never did the event: mostly few.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

import ibis

from hub.cohorts.deeds import Counted, Measure, counts, did, did_without_events, measures_of
from hub.cohorts.definition import ANY_EVENT

if TYPE_CHECKING:
    from datetime import datetime

    from hub.cohorts.edges import Moment
    from hub.lake.reading import Reader
    from hub.workspace import Project

MOST_SCANS = 16
"""The most events that are scanned one by one."""


class Answering(NamedTuple):
    """A clause that is answered from what is counted, and the moment that it is asked as of. Of `did` and `did not do`
    the answer is that of `did`."""

    clause: Counted
    moment: Moment

    @property
    def absent(self) -> bool:
        """The answer for somebody without such an event."""
        return did_without_events(self.clause)


def answers(reader: Reader, project: Project, asked: Mapping[str, Answering], known_at: datetime | None) -> ibis.Table:
    """The answers for each person for whom one is not `absent`: `person`, and a boolean column for each; who is not
    there has what is `absent`, and so does a null."""
    by_event: dict[str, dict[str, Answering]] = {}
    for column, each in asked.items():
        by_event.setdefault(each.clause.event, {})[column] = each
    if len(by_event) == 1 or ANY_EVENT in by_event or len(by_event) > MOST_SCANS:
        return _scan(reader, project, asked, known_at)
    parts = [_scan(reader, project, of_event, known_at) for of_event in by_event.values()]
    nothing = ibis.null("boolean")
    rows = reduce(
        lambda left, right: left.union(right),
        [
            part.select("person", **{name: part[name] if name in part.columns else nothing for name in asked})
            for part in parts
        ],
    )
    return rows.group_by("person").agg(**{name: rows[name].any() for name in asked})


def _scan(reader: Reader, project: Project, asked: Mapping[str, Answering], known_at: datetime | None) -> ibis.Table:
    measures: dict[str, tuple[Measure, Moment]] = {}
    columns = {
        column: [_column(each, one.moment, measures) for each in measures_of(*one)] for column, one in asked.items()
    }
    rows = counts(reader, project, measures, known_at)
    told = rows.select(
        "person",
        **{name: did(each.clause, [rows[of] for of in columns[name]], each.moment) for name, each in asked.items()},
    )
    return told.filter(reduce(or_, (~told[name] if each.absent else told[name] for name, each in asked.items())))


def _column(measure: Measure, moment: Moment, measures: dict[str, tuple[Measure, Moment]]) -> str:
    """The column of a measure: clauses that ask the same share one."""
    key = measure.key_at(moment)
    for name, (known, at) in measures.items():
        if known.key_at(at) == key:
            return name
    name = f"measure {len(measures)}"
    measures[name] = (measure, moment)
    return name
