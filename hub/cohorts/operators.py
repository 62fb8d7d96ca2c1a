"""The operators of tests, and which values can stand after each.

A value has the type that it is written in, and a test never crosses types: `= 3` is about numbers, `= "3"`
about texts. Order (`>`, `between`) is there for numbers and for dates: a text in the form of an ISO 8601 date
or date-time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from hub.cohorts.model import shown

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
    "not between",
    "on",
    "not on",
    "in the last",
    "not in the last",
    "in the next",
    "any of",
    "all of",
    "has",
]
OPS: tuple[str, ...] = Op.__args__  # type: ignore[attr-defined]

NEGATIVE: Mapping[str, str] = {
    "!=": "=",
    "not in": "in",
    "does not contain": "contains",
    "is not set": "is set",
    "not between": "between",
    "not on": "on",
    "not in the last": "in the last",
}
"""Operators that are the opposite of another, and so hold for somebody without the property."""

SYNONYMS: Mapping[str, str] = {"before": "<", "since": ">="}
"""Words for dates that are read as the operator that they mean."""

ORDER = (">", ">=", "<", "<=")
RANGES = ("between", "not between")
LISTS = ("in", "not in")
TEXTS = ("contains", "does not contain", "starts with", "ends with")
UNARY = ("is set", "is not set")
DAYS = ("on", "not on")
SPANS = ("in the last", "not in the last", "in the next")
NESTED = ("any of", "all of", "has")

Scalar = str | int | float | bool


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
    return DateRange(start, start + (timedelta(days=1) if _is_day(value) else timedelta(microseconds=1)))


def is_number(value: object) -> bool:
    """Whether a value of a test is a number: true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def about_dates(op: str, value: object) -> bool:
    """Whether a test is one of instants."""
    if op in (*DAYS, *SPANS):
        return True
    first = value[0] if op in RANGES and isinstance(value, tuple) else value
    return op in (*ORDER, *RANGES) and isinstance(first, str)


def misfit(op: str, value: Any) -> str:
    """Why `value` cannot stand after `op`; empty when it can. Lengths and nested tests fit by their types."""
    if op in UNARY:
        return f"must not be there: {op!r} has no value" if value is not None else ""
    if value is None:
        return f"is missing: {op!r} needs one"
    if op in LISTS:
        return "" if isinstance(value, tuple) and value else f"must be a list of values after {op!r}"
    if op in RANGES:
        return _misfit_range(op, value)
    return "" if op in (*SPANS, *NESTED) else _misfit_single(op, value)


def _misfit_single(op: str, value: Any) -> str:
    if isinstance(value, tuple):
        return f"must be a single value after {op!r}; a list goes with {LISTS[0]!r} and {LISTS[1]!r}"
    if op in TEXTS and not (isinstance(value, str) and value):
        return f"must be text after {op!r}, not {shown(value)}"
    if op in DAYS and not (date_range(value) and _is_day(value)):
        return f"must be a day such as 2026-11-23 after {op!r}, not {shown(value)}"
    if op in ORDER and not (is_number(value) or date_range(value)):
        return f"must be a number or a date such as 2026-11-23 after {op!r}, not {shown(value)}"
    return ""


def _misfit_range(op: str, value: Any) -> str:
    if not isinstance(value, tuple) or len(value) != 2:
        return f"must be a list of two, the least and the greatest, after {op!r}"
    least, greatest = value
    if is_number(least) and is_number(greatest):
        return "" if least <= greatest else "must begin with the least"
    first, last = date_range(least), date_range(greatest)
    if first and last:
        return "" if first.start < last.end else "must begin with the earliest"
    return f"must be two numbers or two dates after {op!r}"


def _is_day(value: object) -> bool:
    return len(str(value)) == len("2026-11-23")
