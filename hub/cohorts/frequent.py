"""Whose most frequent value of a property passes a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.cohorts.conditions import holds
from hub.cohorts.deeds import Deed, scanned
from hub.cohorts.definition import Did, DidNot
from hub.cohorts.edges import Moment, bounds
from hub.cohorts.operators import NEGATIVE
from hub.cohorts.properties import TIME, Computed, EventProperty

if TYPE_CHECKING:
    from datetime import datetime

    import ibis

    from hub.lake.reading import Reader
    from hub.workspace import Project


def is_most_frequent(clause: object) -> bool:
    """Whether a clause is about the most frequent value of a property."""
    return isinstance(clause, (Did, DidNot)) and clause.aggregate is not None and bool(clause.aggregate.most_frequent)


def asks_the_opposite(clause: Did | DidNot) -> bool:
    """Whether the clause holds for whom `most_frequently` does not name."""
    assert clause.aggregate is not None
    return isinstance(clause, DidNot) != (clause.aggregate.op in NEGATIVE)


def most_frequently(
    reader: Reader, project: Project, clause: Did | DidNot, moment: Moment, known_at: datetime | None
) -> ibis.Table:
    """The people of whose most frequent values at least one passes the test, or its opposite if the test is negative.

    The column `person`, each once. Of several values that are there equally often, each is a most frequent one.
    """
    assert clause.aggregate is not None
    _, name = clause.aggregate.of
    deed = Deed(clause.event, clause.where or (), bounds(clause.window, moment.now, moment.zone))
    events, within = scanned(reader, project, [deed], known_at)
    done = deed.done(events, within, moment)
    events = events if done is None else events.filter(done)
    found = EventProperty(events, name)
    text = None if name == TIME else found.text
    told = events.select("person", text=text, number=found.number, boolean=found.boolean, instant=found.instant)
    known = told.filter(told.text.notnull() | told.number.notnull() | told.boolean.notnull() | told.instant.notnull())
    values = known.group_by("person", "text", "number", "boolean", "instant").agg(times=known.count())
    op, value = clause.aggregate.op, clause.aggregate.value
    passes = holds(_Value(values), NEGATIVE.get(op, op), value, moment)
    people = values.group_by("person").agg(most=values.times.max(), passing=values.times.max(where=passes))
    return people.filter(people.passing == people.most).select("person")


class _Value(Computed):
    """One value of the property."""

    def __init__(self, values: ibis.Table) -> None:
        super().__init__(number=values.number, instant=values.instant)
        self._values = values

    @property
    def text(self) -> ibis.Value:
        return self._values.text

    @property
    def boolean(self) -> ibis.Value:
        return self._values.boolean
