"""What the values of a property of some events come to: what `hub.cohorts.deeds` and `frequent` are in expressions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from hub.cohorts.edges import Moment
from hub.cohorts.explain.doings import Happening
from hub.cohorts.explain.passing import holds
from hub.cohorts.explain.values import NOTHING, Value, of_instant, of_number
from hub.cohorts.measures import Aggregate
from hub.cohorts.operators import NEGATIVE, about_dates
from hub.cohorts.properties import TIME

_FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "sum": sum,
    "average": lambda values: sum(values) / len(values),
    "min": min,
    "max": max,
    "median": median,
}


def aggregate_holds(aggregate: Aggregate, events: Sequence[Happening], moment: Moment) -> bool:
    """Whether the values of a property of these events pass the test of an aggregate."""
    function, name = aggregate.of
    if function == "most_frequent":
        test = NEGATIVE.get(aggregate.op, aggregate.op)
        found = any(holds(value, test, aggregate.value, moment) for value in _most_frequent(events, name))
        return found != (aggregate.op in NEGATIVE)
    return holds(_computed(aggregate, events), aggregate.op, aggregate.value, moment)


def aggregated(aggregate: Aggregate, events: Sequence[Happening]) -> Any:
    """What the values come to, as JSON has it; the most frequent ones as a list; None without any."""
    function, name = aggregate.of
    if function == "most_frequent":
        return [value.plain for value in _most_frequent(events, name)] or None
    return _computed(aggregate, events).plain


def _computed(aggregate: Aggregate, events: Sequence[Happening]) -> Value:
    function, name = aggregate.of
    found = [each.look(name) for each in events]
    if function == "distinct":
        return of_number(_distinct(found, name))
    if about_dates(aggregate.op, aggregate.value):
        instants = [value.instant for value in found if value.instant is not None]
        return of_instant(_FUNCTIONS[function](instants)) if instants else NOTHING
    numbers = [value.number for value in found if value.number is not None]
    return of_number(_FUNCTIONS[function](numbers)) if numbers else NOTHING


def _distinct(found: Sequence[Value], name: str) -> int:
    if name == TIME:
        return len({value.instant for value in found})
    kinds = ([value.text for value in found], [value.number for value in found], [value.boolean for value in found])
    return sum(len({value for value in kind if value is not None}) for kind in kinds)


def _most_frequent(events: Sequence[Happening], name: str) -> list[Value]:
    """Each of the values that are there most often."""
    times: Counter[tuple[Any, ...]] = Counter()
    for each in events:
        value = each.look(name)
        text = None if name == TIME else value.text
        if not (text is None and value.number is None and value.boolean is None and value.instant is None):
            times[text, value.number, value.boolean, value.instant] += 1
    most = max(times.values(), default=0)
    return [
        Value(text, number, boolean, instant, is_set=True)
        for (text, number, boolean, instant), n in times.items()
        if n == most
    ]
