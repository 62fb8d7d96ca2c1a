"""Definitions as JSON Schema: for editors, and for programs that write definitions.

What the schema cannot say (that a window begins before it ends, that cohorts do not go round in a circle) is checked
when a definition is read.
"""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from hub.cohorts.definition import HEADER, Definition
from hub.cohorts.filters import ELEMENT_KINDS
from hub.cohorts.measures import COMPARISONS, FUNCTIONS
from hub.cohorts.model import Model
from hub.cohorts.operators import DAYS, LISTS, NESTED, OPS, ORDER, RANGES, SPANS, SYNONYMS, TEXTS, UNARY

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NUMBER = {"type": "number"}
_DATE = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}"}
_DAY = {"type": "string", "format": "date"}
_SCALAR = {"type": ["string", "number", "boolean"]}
_TEXT = {"type": "string", "minLength": 1}
_VALUES = {"type": "array", "items": _SCALAR, "minItems": 1}
_SHORT_WINDOW = {"type": "string", "examples": ["90 days", "between 210 and 30 days ago", "since 2026-01-01", "ever"]}


def definition_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a definition's document, in all the ways in which it can be written."""
    models: list[type[Model]] = [Definition, *ELEMENT_KINDS.values()]
    _, schema = models_json_schema([(model, "validation") for model in models])
    parts = without_noise(schema)["$defs"]
    made = parts.pop("Definition")
    for name in ("EventTest", "ProfileTest"):
        parts[name]["anyOf"] = _by_operator(_values_of_tests(dates=True))
    parts["ElementFilter"] = {"oneOf": [_reference(model.__name__) for model in ELEMENT_KINDS.values()]}
    parts["ElementTest"]["anyOf"] = _by_operator(_values_of_tests(dates=False))
    parts["Aggregate"]["anyOf"] = [_of_function(function) for function in FUNCTIONS]
    parts["Count"]["oneOf"] = [{"required": [word]} for word in COMPARISONS]
    for part in parts.values():
        if "window" in part.get("properties", {}):
            part["properties"]["window"] = {"anyOf": [part["properties"]["window"], _SHORT_WINDOW]}
    header = {name: made["properties"][name] for name in HEADER}
    clauses = made["properties"]["<clause>"]["oneOf"]
    return {
        "$schema": _DIALECT,
        "title": "A cohort definition",
        "oneOf": [_whole(parts[clause["$ref"].rpartition("/")[2]], header) for clause in clauses],
        "$defs": parts,
    }


def _whole(clause: dict[str, Any], header: dict[str, Any]) -> dict[str, Any]:
    """A definition of one kind of clause: its keys beside those of the header."""
    return {
        **clause,
        "properties": {**header, **clause["properties"]},
        "required": ["version", *clause["required"]],
    }


def without_noise(schema: Any) -> Any:
    """The schema without titles made of names, and without null for what may be left out."""
    if isinstance(schema, list):
        return [without_noise(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    kept = {key: value for key, value in kept.items() if (key, value) != ("default", None)}
    choices = [each for each in kept.get("anyOf", []) if each != {"type": "null"}]
    if len(choices) == 1:
        del kept["anyOf"]
        kept = {**choices[0], **kept}
    elif choices:
        kept["anyOf"] = choices
    return {key: without_noise(value) for key, value in kept.items()}


def _values_of_tests(*, dates: bool) -> list[tuple[tuple[str, ...], Any]]:
    """Operators, with the values that can stand after each of them; None for none."""
    ordered = {"anyOf": [_NUMBER, _DATE]} if dates else _NUMBER
    found: list[tuple[tuple[str, ...], Any]] = [
        (UNARY, None),
        (("=", "!="), _SCALAR),
        (LISTS, _VALUES),
        (ORDER, ordered),
        (RANGES, _two(ordered)),
        (TEXTS, _TEXT),
        (NESTED, _reference("ElementFilter")),
    ]
    if dates:
        length = {"anyOf": [_reference("Span"), _TEXT]}
        found += [(tuple(SYNONYMS), _DATE), (DAYS, _DAY), (SPANS, length)]
    assert not dates or {op for ops, _ in found for op in ops} == {*OPS, *SYNONYMS}
    return found


def _by_operator(values: list[tuple[tuple[str, ...], Any]]) -> list[dict[str, Any]]:
    return [
        {"properties": {"op": {"enum": [*ops]}, "value": value or {"type": "null"}}}
        | ({"required": ["value"]} if value else {})
        for ops, value in values
    ]


def _of_function(function: str) -> dict[str, Any]:
    values: list[tuple[tuple[str, ...], Any]] = [(("=", "!=", *ORDER), _NUMBER), (RANGES, _two(_NUMBER))]
    if function in ("min", "max", "most_frequent"):
        values += [(ORDER, _DATE), (RANGES, _two(_DATE)), (DAYS, _DAY)]
    if function == "most_frequent":
        values += [(("=", "!="), _SCALAR), (LISTS, _VALUES), (TEXTS, _TEXT)]
    others = {name: False for name in FUNCTIONS if name != function}
    return {"required": [function], "properties": others, "anyOf": _by_operator(values)}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _two(kind: Any) -> dict[str, Any]:
    return {"type": "array", "items": kind, "minItems": 2, "maxItems": 2}
