"""Tests of properties on values of one person: what `hub.cohorts.conditions` is in expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from hub.cohorts.edges import MICROSECOND, Moment, after, before
from hub.cohorts.explain.crossing import passed
from hub.cohorts.explain.values import NOTHING, Value, inner_value, lowered
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
    leaves,
)
from hub.cohorts.operators import NEGATIVE, SPANS, DateRange, Scalar, date_range, is_number

Look = Callable[[str], Value]
"""The value of a property by its name."""


def passes(test: AnyFilter, look: Look, moment: Moment) -> bool:
    """Whether an event passes a filter."""
    return _passes(test, look, NOTHING, moment)


def holds(found: Value, op: str, value: Any, moment: Moment) -> bool:
    """Whether a value passes a test."""
    if op in NEGATIVE:
        return not holds(found, NEGATIVE[op], value, moment)
    if op in ("any of", "all of"):
        inner = [_passes(value, inner_value(each).at, inner_value(each), moment) for each in found.elements or ()]
        return any(inner) if op == "any of" else bool(inner) and all(inner)
    if op == "has":
        return found.keys is not None and _passes(value, found.at, found, moment)
    if op == "in the last":
        return _lies(found.instant, before(moment.now, value, moment.zone), moment.now + MICROSECOND)
    if op == "in the next":
        return _lies(found.instant, moment.now + MICROSECOND, after(moment.now, value, moment.zone) + MICROSECOND)
    return _plain(found, op, value)


def relative_to_now(filters: Sequence[AnyFilter]) -> bool:
    """Whether a filter's answer for the same event changes as time goes by."""
    return any(leaf.op in SPANS for test in filters for leaf in leaves(test))


def moments_of(found: Value, op: str, value: Any, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants at which the answer of a test for this value may change."""
    if op not in SPANS or found.instant is None:
        return
    yield found.instant
    if op == "in the next":
        yield from passed(found.instant - MICROSECOND, -value.n, value.unit, zone)
    else:
        yield from passed(found.instant, value.n, value.unit, zone)


def filter_moments(filters: Sequence[AnyFilter], look: Look, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants at which the answer of filters for one event may change."""
    for leaf in (leaf for test in filters for leaf in leaves(test)):
        if isinstance(leaf, EventTest):
            yield from moments_of(look(leaf.property), leaf.op, leaf.value, zone)


def _passes(test: AnyFilter, look: Look, itself: Value, moment: Moment) -> bool:
    match test:
        case EventTest():
            return holds(look(test.property), test.op, test.value, moment)
        case ElementTest():
            return holds(itself, test.op, test.value, moment)
        case NotTest() | NotElementTest():
            return not _passes(test.not_, look, itself, moment)
        case AllTests() | AllElementTests():
            return all(_passes(inner, look, itself, moment) for inner in test.all)
        case AnyTests() | AnyElementTests():
            return any(_passes(inner, look, itself, moment) for inner in test.any)


def _plain(found: Value, op: str, value: Any) -> bool:
    match op:
        case "is set":
            return found.is_set
        case "=" | "in":
            return any(_equal(found, each) for each in (value if op == "in" else (value,)))
        case "contains" | "starts with" | "ends with":
            return found.text is not None and _TEXTS[op](lowered(found.text), lowered(value))
        case "on" | "between":
            return _between(found, *(value if op == "between" else (value, value)))
    return _ordered(found, op, value)


def _equal(found: Value, value: Scalar) -> bool:
    if isinstance(value, bool):
        return found.boolean is value
    if isinstance(value, str):
        return found.text == value
    return found.number == float(value)


def _between(found: Value, least: Any, greatest: Any) -> bool:
    if is_number(least):
        return found.number is not None and float(least) <= found.number <= float(greatest)
    return _lies(found.instant, _range(least).start, _range(greatest).end)


def _ordered(found: Value, op: str, value: Any) -> bool:
    """A date is a range: later than it is from its end on, earlier is before its start."""
    if is_number(value):
        return found.number is not None and _ORDERS[op](found.number, float(value))
    if found.instant is None:
        return False
    edge = _range(value)
    match op:
        case ">":
            return found.instant >= edge.end
        case ">=":
            return found.instant >= edge.start
        case "<":
            return found.instant < edge.start
    return found.instant < edge.end


def _lies(instant: datetime | None, start: datetime, end: datetime) -> bool:
    return instant is not None and start <= instant < end


def _range(value: object) -> DateRange:
    found = date_range(value)
    assert found is not None, "a date was asked for when the definition was read"
    return found


_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts with": lambda text, part: text.startswith(part),
    "ends with": lambda text, part: text.endswith(part),
}

_ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
}
