"""Tests of properties: Mixpanel's operators and operands as those of a definition.

There are two spellings of a test: `property, value, operator, operand, type` of the selector tree, and `resourceType,
value, filterOperator, filterValue, filterType` of its reports, which its own client writes within `event_selector`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hub.cohorts.mixpanel.refusing import Place

Test = dict[str, Any]
"""`op` and perhaps `value`, or a group `not` of them; what it is about is put beside by who asks."""

_COMPARED = {"==": "=", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<="}
_BY_TREE = (*_COMPARED, "in", "not in", "between", "not between", "defined", "not defined")
_UNARY = {"defined": "is set", "not defined": "is not set", "is set": "is set", "is not set": "is not set"}
_BY_REPORT = {
    "equals": "=",
    "does not equal": "!=",
    "is equal to": "=",
    "is not equal to": "!=",
    "contains": "contains",
    "does not contain": "does not contain",
    "starts with": "starts with",
    "ends with": "ends with",
    "is greater than": ">",
    "is greater than or equal to": ">=",
    "is at least": ">=",
    "is less than": "<",
    "is less than or equal to": "<=",
    "is at most": "<=",
    "is between": "between",
    "between": "between",
    "not between": "not between",
    "was on": "on",
    "was not on": "not on",
    "was before": "<",
    "was since": ">=",
    "was between": "between",
    "was not between": "not between",
    "was in the": "in the last",
    "was not in the": "not in the last",
    "was in the next": "in the next",
}
_OF_LISTS = {"=": "in", "!=": "not in"}
_TYPES = ("string", "number", "boolean", "datetime", "list")

TREE_KEYS = ("property", "value", "operator", "operand", "type")
REPORT_KEYS = ("resourceType", "value", "filterOperator", "filterValue", "filterType", "defaultType", "filterDateUnit",
               "dataset")  # fmt: skip


def tree_test(place: Place, *, about: Callable[[Test], Test]) -> Test:
    """A test as the selector tree has it. `about` puts beside it what it is about."""
    operator = place.at("operator").one_of(_BY_TREE)
    kind = _kind(place.at("type"))
    if operator in _UNARY:
        return about({"op": _UNARY[operator]})
    operand = place.at("operand")
    value = _typed(operand, kind)
    if kind == "list":
        return _of_list(operator, operand, value, about)
    if operator in ("in", "not in") and not isinstance(value, list):
        # on texts this is a part of them, as its own interface has it: without regard to case
        return about({"op": "contains" if operator == "in" else "does not contain", "value": value})
    return about(_test(_COMPARED.get(operator, operator), value))


def report_test(place: Place, *, about: Callable[[Test], Test]) -> Test:
    """A test as reports have it."""
    operator = place.at("filterOperator")
    kind = _kind(place.at("filterType"))
    if kind == "boolean" and operator.value in ("true", "false"):
        return about({"op": "=", "value": operator.value == "true"})
    if operator.value in _UNARY:
        return about({"op": _UNARY[operator.value]})
    op = _BY_REPORT[operator.one_of(_BY_REPORT)]
    operand = place.at("filterValue")
    if op.endswith(("the last", "the next")):
        return about({"op": op, "value": {"n": operand.value, "unit": place.at("filterDateUnit").text()}})
    value = _typed(operand, kind)
    if kind == "list":
        return _of_list({"contains": "in", "does not contain": "not in"}.get(op, op), operand, value, about)
    if isinstance(value, list) and len(value) == 1 and "between" not in op:
        (value,) = value
    return about(_test(op, value))


def _test(op: str, value: Any) -> Test:
    return {"op": _OF_LISTS.get(op, op) if isinstance(value, list) else op, "value": value}


def _of_list(operator: str, operand: Place, value: Any, about: Callable[[Test], Test]) -> Test:
    if operator not in ("in", "not in"):
        raise operand.refused("can only be looked for with `in` or `not in`, because the property is a list")
    within = about({"op": "any of", "value": _test("=", value)})
    return within if operator == "in" else {"not": within}


def _kind(place: Place) -> str:
    return "" if place.value is None else place.one_of(_TYPES)


def _typed(operand: Place, kind: str) -> Any:
    """The operand, if it is of the type that is said beside it."""
    value = operand.value
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    values = value if isinstance(value, list) else [value]
    # "string" is what its client writes when nobody said a type: there, the operand tells its own
    fitting: dict[str, tuple[type, ...]] = {"number": (int, float), "datetime": (str,)}
    for each in values:
        if kind == "boolean" and not isinstance(each, bool):
            raise operand.refused("must be true or false")
        if kind in fitting and (not isinstance(each, fitting[kind]) or isinstance(each, bool)):
            wanted = "a number" if kind == "number" else "a date such as 2026-11-23"
            raise operand.refused(f"must be {wanted}, because the property's type is {kind}")
    return value
