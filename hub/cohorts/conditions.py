"""Tests of properties as Ibis expressions over the typed maps. Every expression is true or false, never null."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_, ge, gt, le, lt, or_
from typing import Any

import ibis

from hub.cohorts.filters import (
    NEGATIVE,
    AllTests,
    AnyTests,
    DateRange,
    EventTest,
    Filter,
    NotTest,
    ProfileTest,
    Scalar,
    date_range,
    is_number,
)

EVENT_COLUMNS = {
    "distinct_id": "distinct_id",
    "$device_id": "device_id",
    "$user_id": "user_id",
    "$insert_id": "insert_id",
}
"""Properties of events that the lake keeps as columns of texts; `time` is one of instants."""

_TIME = "time"


def where(rows: ibis.Table, filters: Sequence[Filter]) -> ibis.Value:
    """Whether an event passes every filter."""
    return reduce(and_, (_event_filter(rows, each) for each in filters))


def profile_holds(profiles: ibis.Table, test: ProfileTest) -> ibis.Value:
    """Whether a profile passes a test."""
    return _holds(_Property(profiles, test.profile), test.op, test.value)


def is_set(rows: ibis.Table, name: str) -> ibis.Value:
    """Whether rows with typed maps have a property, of any type."""
    return _Property(rows, name).is_set


def absent_holds(test: ProfileTest) -> bool:
    """Whether a test holds for somebody who has no profile."""
    return test.op in NEGATIVE


def _event_filter(rows: ibis.Table, each: Filter) -> ibis.Value:
    match each:
        case EventTest():
            return _holds(_EventProperty(rows, each.property), each.op, each.value)
        case NotTest():
            return ~_event_filter(rows, each.not_)
        case AllTests():
            return reduce(and_, (_event_filter(rows, inner) for inner in each.all))
        case AnyTests():
            return reduce(or_, (_event_filter(rows, inner) for inner in each.any))


class _Property:
    """One property of the rows of a table with typed maps, by type. A type that a row does not have is null."""

    def __init__(self, rows: ibis.Table, name: str) -> None:
        self._rows = rows
        self._name = name

    @property
    def text(self) -> ibis.Value:
        return self._rows.strings.get(self._name)

    @property
    def number(self) -> ibis.Value:
        return self._rows.numbers.get(self._name)

    @property
    def boolean(self) -> ibis.Value:
        return self._rows.booleans.get(self._name)

    @property
    def instant(self) -> ibis.Value:
        return self._rows.times.get(self._name)

    @property
    def is_set(self) -> ibis.Value:
        rows, name = self._rows, self._name
        maps = [rows[kind].contains(name) for kind in ("strings", "numbers", "booleans", "lists")]
        return reduce(or_, (_sure(found) for found in [*maps, _json_exists(rows.nested, _json_path(name))]))


class _EventProperty(_Property):
    """One property of events; some of them are columns."""

    @property
    def text(self) -> ibis.Value:
        column = EVENT_COLUMNS.get(self._name)
        return self._rows[column] if column else super().text

    @property
    def instant(self) -> ibis.Value:
        return self._rows.time if self._name == _TIME else super().instant

    @property
    def is_set(self) -> ibis.Value:
        column = EVENT_COLUMNS.get(self._name, _TIME if self._name == _TIME else None)
        return self._rows[column].notnull() if column else super().is_set


def _holds(found: _Property, op: str, value: Any) -> ibis.Value:
    if op in NEGATIVE:
        return ~_holds(found, NEGATIVE[op], value)
    return _sure(_POSITIVE[op](found, value))


def _sure(condition: ibis.Value) -> ibis.Value:
    return ibis.coalesce(condition, ibis.literal(False))


def _equal(found: _Property, value: Scalar) -> ibis.Value:
    return _of_type(found, value) == _literal(value)


def _in(found: _Property, values: Sequence[Scalar]) -> ibis.Value:
    """One look-up for the values of each type."""
    by_type: dict[type, list[Scalar]] = {}
    for value in values:
        by_type.setdefault(type(_literal(value)), []).append(_literal(value))
    return reduce(or_, (_sure(_of_type(found, same[0]).isin(same)) for same in by_type.values()))


def _ordered(op: str) -> Callable[[_Property, Any], ibis.Value]:
    """An order test of numbers or instants. A date is a range: after it is from its end on, up to it until its end."""
    by_number, by_instant, edge = _ORDERS[op]

    def holds(found: _Property, value: Any) -> ibis.Value:
        if is_number(value):
            return by_number(found.number, float(value))
        return by_instant(found.instant, getattr(_range(value), edge))

    return holds


def _between(found: _Property, value: tuple[Any, Any]) -> ibis.Value:
    least, greatest = value
    if is_number(least):
        return (found.number >= float(least)) & (found.number <= float(greatest))
    return (found.instant >= _range(least).start) & (found.instant < _range(greatest).end)


def _text_test(method: str) -> Callable[[_Property, str], ibis.Value]:
    """A test of texts that ignores case: both sides are made lower case by the engine's own rules."""

    def holds(found: _Property, value: str) -> ibis.Value:
        return getattr(found.text.lower(), method)(ibis.literal(value).lower())

    return holds


def _of_type(found: _Property, value: Scalar) -> ibis.Value:
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


def _json_path(name: str) -> str:
    return f"$.{json.dumps(name, ensure_ascii=False)}"


@ibis.udf.scalar.builtin(name="json_exists", signature=(("string", "string"), "boolean"))
def _json_exists(document, path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Whether a JSON text has something at a path. Ibis's own look-up takes a name that begins with $ for a path."""


_ORDERS: dict[str, tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], str]] = {
    ">": (gt, ge, "end"),
    ">=": (ge, ge, "start"),
    "<": (lt, lt, "start"),
    "<=": (le, lt, "end"),
}

_POSITIVE: dict[str, Callable[[_Property, Any], ibis.Value]] = {
    "=": _equal,
    "in": _in,
    **{op: _ordered(op) for op in _ORDERS},
    "between": _between,
    "contains": _text_test("contains"),
    "starts with": _text_test("startswith"),
    "ends with": _text_test("endswith"),
    "is set": lambda found, _: found.is_set,
}
