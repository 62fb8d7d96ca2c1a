"""Tests of properties, and groups of them: what stands after `where`, and what `profile` says.

A value has the type that it is written in, and a test never crosses types: `= 3` is about numbers, `= "3"`
about texts. Order (`>`, `between`) is there for numbers and for dates: a text in the form of an ISO 8601 date
or date-time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, PlainValidator, Tag, model_validator

from hub.cohorts.model import Model, Name, kind_of, one_of, shown, sound_text, tag, wrong

Op = Literal[
    "=",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "in",
    "not in",
    "contains",
    "does not contain",
    "starts with",
    "ends with",
    "is set",
    "is not set",
    "between",
]
OPS: tuple[str, ...] = Op.__args__  # type: ignore[attr-defined]

NEGATIVE: Mapping[str, str] = {"!=": "=", "not in": "in", "does not contain": "contains", "is not set": "is set"}
"""Operators that are the opposite of another, and so hold for somebody without the property."""

Scalar = str | int | float | bool
_ORDER = (">", ">=", "<", "<=")
_LISTS = ("in", "not in")
_TEXTS = ("contains", "does not contain", "starts with", "ends with")
_UNARY = ("is set", "is not set")
_MOST_VALUES = 100_000


def _value(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        if len(value) > _MOST_VALUES:
            raise wrong(f"has {len(value)} values, and {_MOST_VALUES} are the most")
        return tuple(_scalar(item, key=index) for index, item in enumerate(value))
    return _scalar(value)


def _scalar(value: Any, *, key: int | None = None) -> Scalar:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return sound_text(value, key=key)
    if isinstance(value, (int, float)):
        if abs(value) > 1e300 or not math.isfinite(value):
            raise wrong("must be a finite number", key=key)
        return value
    raise wrong(f"must be text, a number, true or false, not {shown(value)}", key=key)


Value = Annotated[Any, PlainValidator(_value)]
"""A scalar, a tuple of scalars, or None: as the operator wants it."""


class EventTest(Model):
    """A test of a property of the event: `PROPERTY op VALUE`."""

    property: Name
    op: Annotated[Op, one_of(OPS)]
    value: Value = None

    @model_validator(mode="after")
    def _value_fits(self) -> EventTest:
        _check_value(self.op, self.value)
        return self


class ProfileTest(Model):
    """A test of a property of the profile: `user.PROPERTY op VALUE`."""

    profile: Name
    op: Annotated[Op, one_of(OPS)]
    value: Value = None

    @model_validator(mode="after")
    def _value_fits(self) -> ProfileTest:
        _check_value(self.op, self.value)
        return self


class AllTests(Model):
    """Every one of the tests holds."""

    all: tuple[Filter, ...] = Field(min_length=1)


class AnyTests(Model):
    """At least one of the tests holds."""

    any: tuple[Filter, ...] = Field(min_length=1)


class NotTest(Model):
    """The test does not hold."""

    not_: Filter = Field(alias="not")


_KINDS: dict[str, type[Model]] = {"property": EventTest, "all": AllTests, "any": AnyTests, "not": NotTest}


def _tag(value: Any) -> str:
    if isinstance(value, Model):
        return tag(next(kind for kind, model in _KINDS.items() if type(value) is model))
    return tag(kind_of(value, _KINDS, what="a test"))


def _checked(value: Any) -> Any:
    _tag(value)
    return value


Filter = Annotated[
    Annotated[EventTest, Tag("<property>")]
    | Annotated[AllTests, Tag("<all>")]
    | Annotated[AnyTests, Tag("<any>")]
    | Annotated[NotTest, Tag("<not>")],
    Discriminator(_tag),
    BeforeValidator(_checked),
]
"""A test, or a group of tests."""


def _listed(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


Filters = Annotated[tuple[Filter, ...], BeforeValidator(_listed), Field(min_length=1)]
"""What stands after `where`: tests that must all hold. A single one may stand without a list."""


@dataclass(frozen=True)
class DateRange:
    """The instants that a date in a test stands for, UTC: one instant, or a day from midnight to midnight.

    `end` is excluded. Properties without a zone are taken for UTC when they come in (`hub.lake.typed`), and so
    are dates in tests: a property "2026-11-23" is on the day 2026-11-23 in every project.
    """

    start: datetime
    end: datetime


def date_range(value: object) -> DateRange | None:
    """The instants of an ISO 8601 date or date-time; None when `value` is something else."""
    from hub.lake.typed import microseconds_of

    micros = microseconds_of(value) if isinstance(value, str) else None
    if micros is None:
        return None
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    whole_day = len(str(value)) == len("2026-11-23")
    return DateRange(start, start + (timedelta(days=1) if whole_day else timedelta(microseconds=1)))


def is_number(value: object) -> bool:
    """Whether a value of a test is a number: true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_value(op: str, value: Any) -> None:
    problem = _misfit(op, value)
    if problem:
        raise wrong(problem, key="value")


def _misfit(op: str, value: Any) -> str:
    """Why `value` cannot stand after `op`; empty when it can."""
    if op in _UNARY:
        return f"must not be there: {op!r} has no value" if value is not None else ""
    if value is None:
        return f"is missing: {op!r} needs one"
    if op in _LISTS:
        return "" if isinstance(value, tuple) and value else f"must be a list of values after {op!r}"
    if op == "between":
        return _misfit_range(value)
    return _misfit_single(op, value)


def _misfit_single(op: str, value: Any) -> str:
    if isinstance(value, tuple):
        return f"must be a single value after {op!r}; a list goes with {_LISTS[0]!r} and {_LISTS[1]!r}"
    if op in _TEXTS and not (isinstance(value, str) and value):
        return f"must be text after {op!r}, not {shown(value)}"
    if op in _ORDER and not (is_number(value) or date_range(value)):
        return f"must be a number or a date such as 2026-11-23 after {op!r}, not {shown(value)}"
    return ""


def _misfit_range(value: Any) -> str:
    if not isinstance(value, tuple) or len(value) != 2:
        return "must be a list of two, the least and the greatest, after 'between'"
    least, greatest = value
    if is_number(least) and is_number(greatest):
        return "" if least <= greatest else "must begin with the least"
    first, last = date_range(least), date_range(greatest)
    if first and last:
        return "" if first.start < last.end else "must begin with the earliest"
    return "must be two numbers or two dates after 'between'"
