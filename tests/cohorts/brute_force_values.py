"""Tests of single values in plain Python: the second opinion on operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

MISSING = object()

OPPOSITES = {
    "!=": "=",
    "not in": "in",
    "does not contain": "contains",
    "is not set": "is set",
    "not between": "between",
    "not on": "on",
    "not in the last": "in the last",
}


@dataclass(frozen=True)
class Clock:
    """Now, and how to go back from an instant by so many units."""

    now: datetime
    earlier: Callable[..., datetime]
    zone: ZoneInfo


def passes(found: Any, test: Mapping[str, Any], clock: Clock) -> bool:
    """Whether a value (or MISSING) passes a test with `op` and `value`."""
    op, value = test["op"], test.get("value")
    if op in OPPOSITES:
        return not passes(found, {"op": OPPOSITES[op], "value": value}, clock)
    if op == "is set":
        return found is not MISSING and found is not None
    if found is MISSING or found is None:
        return False
    if op in ("any of", "all of"):
        if not isinstance(found, list) or not found:
            return False
        results = [_inner(element, value, clock) for element in found]
        return any(results) if op == "any of" else all(results)
    if op == "has":
        return isinstance(found, dict) and _inner(found, value, clock)
    return _compared(found, op, value, clock)


def _compared(found: Any, op: str, value: Any, clock: Clock) -> bool:
    if op == "=":
        return kind_of(found) == kind_of(value) and found == value
    if op == "in":
        return any(_compared(found, "=", each, clock) for each in value)
    if op in ("contains", "starts with", "ends with"):
        if not isinstance(found, str):
            return False
        text, part = found.lower(), value.lower()
        return {"contains": part in text, "starts with": text.startswith(part), "ends with": text.endswith(part)}[op]
    if op == "between":
        return _compared(found, ">=", value[0], clock) and _compared(found, "<=", value[1], clock)
    if op == "on":
        return _compared(found, ">=", value, clock) and _compared(found, "<=", value, clock)
    if op in ("in the last", "in the next"):
        return _is_near(found, op, value, clock)
    if kind_of(value) == "number":
        return kind_of(found) == "number" and _ordered(op, found, value)
    instant = instant_of(found)
    if instant is None:
        return False
    if len(value) == 10:  # a whole day: compare days
        return _ordered(op, instant.date(), date.fromisoformat(value))
    return _ordered(op, instant, instant_of(value))


def _is_near(found: Any, op: str, span: Mapping[str, Any], clock: Clock) -> bool:
    instant = instant_of(found)
    if instant is None:
        return False
    if op == "in the last":
        return clock.earlier(clock.now, span["n"], span["unit"]) <= instant <= clock.now
    return clock.now < instant <= clock.earlier(clock.now, -span["n"], span["unit"])


def _inner(value: Any, test: Mapping[str, Any], clock: Clock) -> bool:
    """Whether an element of a list, or an object, passes a filter."""
    if "all" in test:
        return all(_inner(value, each, clock) for each in test["all"])
    if "any" in test:
        return any(_inner(value, each, clock) for each in test["any"])
    if "not" in test:
        return not _inner(value, test["not"], clock)
    if "property" in test:
        value = value.get(test["property"], MISSING) if isinstance(value, dict) else MISSING
    return passes(value, test, clock)


def _ordered(op: str, left: Any, right: Any) -> bool:
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[op]


def kind_of(value: Any) -> str:
    """The type of a value, for which 1, 1.0 and true are not one."""
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def instant_of(value: Any) -> datetime | None:
    """The instant of an ISO 8601 text, or of an instant; None for anything else."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or value[4:5] != "-":
        return None
    found = datetime.fromisoformat(value)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
