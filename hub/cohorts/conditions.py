"""Tests of properties as Ibis expressions: true where a test holds, false or null where it does not.

A filter takes null for false, and so do `and` and `or` in one. Before a `not`, and beside other columns, null has to be
made false with `hub.cohorts.properties.sure`; to do so everywhere takes an engine a quarter of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_, ge, gt, le, lt, or_
from typing import TYPE_CHECKING, Any

import ibis

from hub.cohorts.edges import MICROSECOND, Moment, after, before
from hub.cohorts.filters import (
    AllElementTests,
    AllTests,
    AnyElementTests,
    AnyFilter,
    AnyTests,
    ElementTest,
    EventTest,
    NotElementTest,
    NotTest,
    ProfileTest,
)
from hub.cohorts.operators import NEGATIVE, DateRange, Scalar, date_range, is_number
from hub.cohorts.properties import EventProperty, Found, JsonValue, Property, sure

if TYPE_CHECKING:
    from hub.cohorts.windows import Span

Look = Callable[[EventTest | ElementTest], Found]
"""What a test of a filter is about."""


def where(rows: ibis.Table, filters: Sequence[AnyFilter], moment: Moment) -> ibis.Value:
    """Whether an event passes every filter."""

    def of_event(test: EventTest | ElementTest) -> Found:
        assert isinstance(test, EventTest)
        return EventProperty(rows, test.property)

    return reduce(and_, (_passes(each, of_event, moment) for each in filters))


def profile_holds(profiles: ibis.Table, test: ProfileTest, moment: Moment) -> ibis.Value:
    """Whether a profile passes a test."""
    return holds(Property(profiles, test.profile), test.op, test.value, moment)


def is_set(rows: ibis.Table, name: str) -> ibis.Value:
    """Whether rows with typed maps have a property, of any type."""
    return Property(rows, name).is_set


def absent_holds(op: str) -> bool:
    """Whether a test with this operator holds for somebody without the property."""
    return op in NEGATIVE


def holds(found: Found, op: str, value: Any, moment: Moment) -> ibis.Value:
    """Whether what was found passes a test."""
    if op in NEGATIVE:
        return ~sure(holds(found, NEGATIVE[op], value, moment))
    if op in _NESTED:
        return _NESTED[op](found, value, moment)
    if op in _RELATIVE:
        start, end = _RELATIVE[op](value, moment)
        return found.instant.between(start, end)
    return _POSITIVE[op](found, value)


def _passes(test: AnyFilter, look: Look, moment: Moment) -> ibis.Value:
    match test:
        case EventTest() | ElementTest():
            return holds(look(test), test.op, test.value, moment)
        case NotTest() | NotElementTest():
            return ~sure(_passes(test.not_, look, moment))
        case AllTests() | AllElementTests():
            return reduce(and_, (_passes(inner, look, moment) for inner in test.all))
        case AnyTests() | AnyElementTests():
            return reduce(or_, (_passes(inner, look, moment) for inner in test.any))


def _within(value: JsonValue, test: AnyFilter, moment: Moment) -> ibis.Value:
    """Whether an element of a list, or an object, passes a filter."""
    return _passes(test, lambda each: value.at(each.property) if isinstance(each, EventTest) else value, moment)


def _any_of(found: Found, test: AnyFilter, moment: Moment) -> ibis.Value:
    passing = found.elements.filter(lambda element: _within(JsonValue(element), test, moment))
    return passing.length() > 0


def _all_of(found: Found, test: AnyFilter, moment: Moment) -> ibis.Value:
    failing = found.elements.filter(lambda element: ~sure(_within(JsonValue(element), test, moment)))
    return (found.elements.length() > 0) & (failing.length() == 0)


def _has(found: Found, test: AnyFilter, moment: Moment) -> ibis.Value:
    return found.document.startswith("{") & _within(JsonValue(found.document), test, moment)


def _in_the_last(span: Span, moment: Moment) -> tuple[Any, Any]:
    return before(moment.now, span, moment.zone), moment.now


def _in_the_next(span: Span, moment: Moment) -> tuple[Any, Any]:
    return moment.now + MICROSECOND, after(moment.now, span, moment.zone)


def _equal(found: Found, value: Scalar) -> ibis.Value:
    return _of_type(found, value) == _literal(value)


def _in(found: Found, values: Sequence[Scalar]) -> ibis.Value:
    """One look-up for the values of each type."""
    by_type: dict[type, list[Scalar]] = {}
    for value in values:
        by_type.setdefault(type(_literal(value)), []).append(_literal(value))
    return reduce(or_, (_of_type(found, same[0]).isin(same) for same in by_type.values()))


def _ordered(op: str) -> Callable[[Found, Any], ibis.Value]:
    """An order test of numbers or instants. A date is a range: after it is from its end on, up to it until its end."""
    by_number, by_instant, edge = _ORDERS[op]

    def test(found: Found, value: Any) -> ibis.Value:
        if is_number(value):
            return by_number(found.number, float(value))
        return by_instant(found.instant, getattr(_range(value), edge))

    return test


def _between(found: Found, value: tuple[Any, Any]) -> ibis.Value:
    least, greatest = value
    if is_number(least):
        return found.number.between(float(least), float(greatest))
    return found.instant.between(_range(least).start, _range(greatest).end - MICROSECOND)


def _text_test(method: str) -> Callable[[Found, str], ibis.Value]:
    """A test of texts that ignores case: both sides are made lower case by the engine's own rules."""

    def test(found: Found, value: str) -> ibis.Value:
        return getattr(found.text.lower(), method)(ibis.literal(value).lower())

    return test


def _of_type(found: Found, value: Scalar) -> ibis.Value:
    if isinstance(value, bool):
        return found.boolean
    return found.text if isinstance(value, str) else found.number


def _literal(value: Scalar) -> Scalar:
    return float(value) if is_number(value) else value


def _range(value: object) -> DateRange:
    found = date_range(value)
    if found is None:
        raise ValueError(f"{value!r} is no date")
    return found


_ORDERS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], str]] = {
    ">": (gt, ge, "end"),
    ">=": (ge, ge, "start"),
    "<": (lt, lt, "start"),
    "<=": (le, lt, "end"),
}

_POSITIVE: dict[str, Callable[[Found, Any], ibis.Value]] = {
    "=": _equal,
    "in": _in,
    **{op: _ordered(op) for op in _ORDERS},
    "between": _between,
    "on": lambda found, day: _between(found, (day, day)),
    "contains": _text_test("contains"),
    "starts with": _text_test("startswith"),
    "ends with": _text_test("endswith"),
    "is set": lambda found, _: found.is_set,
}

_RELATIVE: dict[str, Callable[[Span, Moment], tuple[Any, Any]]] = {
    "in the last": _in_the_last,
    "in the next": _in_the_next,
}

_NESTED: dict[str, Callable[[Found, AnyFilter, Moment], ibis.Value]] = {
    "any of": _any_of,
    "all of": _all_of,
    "has": _has,
}
