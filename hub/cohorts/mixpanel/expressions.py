"""Expressions such as `properties["plan"] == "pro" and not (properties["x"] in [1, 2])`, as tests of an event."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lark import Lark

    from hub.cohorts.mixpanel.refusing import Place

_GRAMMAR = r"""
?start: either
?either: both (_OR both)*
?both: unit (_AND unit)*
?unit: _NOT unit                           -> negated
     | "(" either ")"
     | property COMPARED literal           -> compared
     | literal COMPARED property           -> turned_round
     | property _IN list                   -> in_list
     | STRING _IN property                 -> contained
     | _DEFINED "(" property ")"           -> defined
property: "properties" "[" STRING "]"
list: "[" literal ("," literal)* "]"
?literal: STRING                           -> text
        | NUMBER                           -> number
        | TRUE                             -> true
        | FALSE                            -> false

COMPARED: "==" | "!=" | ">=" | "<=" | ">" | "<"
STRING: /"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*'/
NUMBER: /-?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?/
TRUE.2: /true\b/i
FALSE.2: /false\b/i
_AND: /and\b/i
_OR: /or\b/i
_NOT: /not\b/i
_IN: /in\b/i
_DEFINED: /defined\b/i
%ignore /\s+/
"""
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">=", "==": "==", "!=": "!="}
_LONGEST = 100_000
_DEEPEST = 40

Filter = dict[str, Any]


def filters_of(place: Place) -> list[Filter]:
    """The tests that an expression says, all of which must hold. Raises DefinitionError, with the column."""
    from lark import UnexpectedInput, UnexpectedToken

    text = place.text()
    if len(text) > _LONGEST:
        raise place.refused("is too long")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        begin = error.pos_in_stream or 0
        at = "at its end" if ended else f"from column {begin + 1} on ({text[begin : begin + 40]!r})"
        raise place.refused(
            f"has no counterpart {at}",
            hint='Nothing was saved. What is read: properties["NAME"] beside a value, `in`, `defined`, and, or, not.',
        ) from error
    found: Filter = _Tests(place).of(tree, 0)
    tests: list[Filter] = found.get("all", [found])
    return tests


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark(_GRAMMAR, parser="lalr", lexer="contextual")


class _Tests:
    def __init__(self, place: Place) -> None:
        self._place = place

    def of(self, tree: Any, depth: int) -> Filter:
        """The test, or the group of tests, that a part of the expression says."""
        if depth > _DEEPEST:
            raise self._place.refused(f"is nested more than {_DEEPEST} deep")
        parts = tree.children
        match tree.data:
            case "either":
                return {"any": [self.of(part, depth + 1) for part in parts]}
            case "both":
                return {"all": [self.of(part, depth + 1) for part in parts]}
            case "negated":
                return {"not": self.of(parts[0], depth + 1)}
        return self._test(tree.data, parts)

    def _test(self, kind: str, parts: Sequence[Any]) -> Filter:
        match kind:
            case "compared":
                name, op, value = parts[0], str(parts[1]), self._value(parts[2])
            case "turned_round":
                name, op, value = parts[2], _TURNED[str(parts[1])], self._value(parts[0])
            case "in_list":
                name, op, value = parts[0], "in", [self._value(each) for each in parts[1].children]
            case "contained":
                name, op, value = parts[1], "contains", self._text(parts[0])
            case _:
                return {"property": self._text(parts[0].children[0]), "op": "is set"}
        return {"property": self._text(name.children[0]), "op": "=" if op == "==" else op, "value": value}

    def _value(self, literal: Any) -> Any:
        if literal.data in ("true", "false"):
            return literal.data == "true"
        (token,) = literal.children
        if literal.data == "text":
            return self._text(token)
        return int(token) if token.removeprefix("-").isdecimal() else float(token)

    def _text(self, token: str) -> str:
        inner = token[1:-1]
        if token.startswith("'"):  # as JSON has it, which knows double quotes alone
            inner = re.sub(r"\\'|\\.|\"", lambda found: {"\\'": "'", '"': '\\"'}.get(found[0], found[0]), inner)
        try:
            return str(json.loads(f'"{inner}"'))
        except json.JSONDecodeError:
            raise self._place.refused(f"has an escape in {token} that has no counterpart") from None
