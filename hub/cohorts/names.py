"""Are the events and properties of a definition in the data at all? A name that is not is a warning, not an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from hub.cohorts.conditions import is_set
from hub.cohorts.definition import ANY_EVENT, Did, DidNot, Leaf, clauses, steps
from hub.cohorts.filters import EventTest, ProfileTest, leaves
from hub.cohorts.properties import EVENT_COLUMNS, TIME
from hub.people.views import people_profiles, project_events

if TYPE_CHECKING:
    import ibis

    from hub.cohorts.definition import Definition
    from hub.lake.reading import Reader
    from hub.workspace import Project

_SAMPLE = 20_000
_PROPERTY_MAPS = ("strings", "numbers", "booleans", "lists")


def unknown_names(reader: Reader, project: Project, definition: Definition) -> tuple[str, ...]:
    """A sentence for each event, event property and profile property that no row of the lake has.

    The names that are known are worked out only for what is missing, from a sample of the rows.
    """
    asked = [*clauses(definition.clause)]
    found = [
        *_unknown_events(reader, project, [step.event for each in asked for step in steps(each)]),
        *_unknown_event_properties(reader, project, asked),
        *_unknown_profile_properties(reader, project, [each for each in asked if isinstance(each, ProfileTest)]),
    ]
    return tuple(dict.fromkeys(found))


def _unknown_events(reader: Reader, project: Project, names: Sequence[str]) -> Iterator[str]:
    asked = {name for name in names if name != ANY_EVENT}
    if not asked:
        return
    known = _texts(reader, project_events(reader, project).select("event").distinct())
    for name in sorted(asked - {*known}):
        yield f"No event is called {name!r} yet{_nearest(name, known)}"


def _unknown_event_properties(reader: Reader, project: Project, asked: Sequence[Leaf]) -> Iterator[str]:
    found = {(event, name) for each in asked for event, name in _properties(each)}
    pairs = {(event, name) for event, name in found if name not in EVENT_COLUMNS and name != TIME}
    for event, name in sorted(pairs):
        rows = project_events(reader, project)
        rows = rows if event == ANY_EVENT else rows.filter(rows.event == event)
        if not _any_has(reader, rows, name):
            yield f"No event {event!r} has a property {name!r} yet{_nearest(name, _sampled(reader, rows))}"


def _properties(clause: Leaf) -> Iterator[tuple[str, str]]:
    """The events of a clause with the properties that it asks of them."""
    for step in steps(clause):
        for test in (leaf for each in step.where or () for leaf in leaves(each)):
            if isinstance(test, EventTest):
                yield step.event, test.property
        if isinstance(step, (Did, DidNot)) and step.aggregate:
            yield step.event, step.aggregate.of[1]


def _unknown_profile_properties(reader: Reader, project: Project, asked: Sequence[ProfileTest]) -> Iterator[str]:
    for name in sorted({test.profile for test in asked}):
        rows = people_profiles(reader, project)
        if not _any_has(reader, rows, name):
            yield f"No profile has a property {name!r} yet{_nearest(name, _sampled(reader, rows))}"


def _any_has(reader: Reader, rows: ibis.Table, name: str) -> bool:
    having = rows.filter(is_set(rows, name)).select("distinct_id").limit(1)
    return any(batch.num_rows for batch in reader.batches(having))


def _sampled(reader: Reader, rows: ibis.Table) -> list[str]:
    sample = rows.select(*_PROPERTY_MAPS).limit(_SAMPLE)
    names: set[str] = set()
    for kind in _PROPERTY_MAPS:
        names.update(_texts(reader, sample.select(name=sample[kind].keys().unnest()).distinct()))
    return sorted(names)


def _texts(reader: Reader, rows: ibis.Table) -> list[str]:
    return [text for batch in reader.batches(rows) for text in batch.column(0).to_pylist() if text is not None]


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, [*known], n=1, cutoff=0.6)
    return f": did you mean {near[0]!r}?" if near else "."
