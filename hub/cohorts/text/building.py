"""From the rules of the grammar to a definition's document. The parser calls these methods bottom-up, as it reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from lark import Token, Transformer

from hub.cohorts.definition import ANY_EVENT
from hub.cohorts.operators import SYNONYMS
from hub.cohorts.text.parts import Misplaced, Part, grouped, listed

Children = Sequence[Any]
_LONGEST_NUMBER = 400
"""Digits: the greatest number that a definition takes has 301."""


class Builder(Transformer[Token, Part]):
    """A method for each rule of `language.lark`; what it is given are Parts, and the tokens of the rule's words."""

    # clauses

    def start(self, children: Children) -> Part:
        return _only(children)

    def either(self, children: Children) -> Part:
        return grouped(any=listed(_parts(children)))

    def both(self, children: Children) -> Part:
        return grouped(all=listed(_parts(children)))

    def negated(self, children: Children) -> Part:
        return grouped(not_=_only(children))

    def all_group(self, children: Children) -> Part:
        return grouped(all=listed(_parts(children)))

    def any_group(self, children: Children) -> Part:
        return grouped(any=listed(_parts(children)))

    def did(self, children: Children) -> Part:
        return grouped(did=children[1], **_named(children))

    def did_not(self, children: Children) -> Part:
        return grouped(did_not=children[3], **_named(children))

    def sequence(self, children: Children) -> Part:
        span, step = (next(_of(children, kind)) for kind in (_Span, _Step))
        return grouped(did=children[1], then=step.part, within=span.part, **_named(children))

    def step(self, children: Children) -> _Step:
        return _Step(grouped(did=_parts(children)[0], **_named(children)))

    def step_not(self, children: Children) -> _Step:
        return _Step(grouped(did_not=_parts(children)[0], **_named(children)))

    def declined(self, children: Children) -> Part:
        _event, percent = _parts(children)
        change = grouped(less_than=percent, before=next(_of(children, _Span)).part)
        return grouped(did=children[1], change=change, **_named(children))

    def profile(self, children: Children) -> Part:
        return _test("profile", children[1:])

    def member(self, children: Children) -> Part:
        return grouped(cohort=_only(children))

    def first(self, children: Children) -> _Named:
        return _Named("first", Part(True, children[0].start_pos, children[-1].end_pos))

    def event(self, children: Children) -> Part:
        (token,) = children
        return _text(token) if token.type == "STRING" else _part(token, ANY_EVENT)

    def property(self, children: Children) -> Part:
        (token,) = children
        return _text(token) if token.type == "STRING" else _part(token, str(token))

    name = property

    # how often, and what the values come to

    def count(self, children: Children) -> _Named:
        *words, number, unit = children
        comparison = "_".join(words)
        return _Named("count", grouped(**{comparison: number}, unit=unit))

    def counted(self, children: Children) -> Part:
        (token,) = children
        return _part(token, "times" if token.type == "TIME" else "days")

    def aggregate(self, children: Children) -> _Named:
        function, _of_word, name, op, *more = children
        value = _value(more)
        if value and isinstance(value.value, str) and op.value in SYNONYMS:  # an aggregate has no synonyms of its own
            op = replace(op, value=SYNONYMS[op.value])
        return _Named("aggregate", grouped(**{function.value: name}, op=op, value=value))

    def function(self, children: Children) -> Part:
        return _words(children, "_")

    # when

    def last(self, children: Children) -> _Named:
        return _Named("window", grouped(last=children[-1].part))

    def more_than_ago(self, children: Children) -> _Named:
        return _Named("window", grouped(more_than_ago=children[2].part))

    def between_ago(self, children: Children) -> _Named:
        n, m, unit = _parts(children)
        return _Named("window", grouped(between_ago=grouped(n=n, m=m, unit=unit)))

    def between(self, children: Children) -> _Named:
        first, last = _parts(children)
        return _Named("window", grouped(from_=first, to=last))

    def since(self, children: Children) -> _Named:
        return _Named("window", grouped(since=_only(children)))

    def before(self, children: Children) -> _Named:
        return _Named("window", grouped(before=_only(children)))

    def ever(self, children: Children) -> _Named:
        return _Named("window", grouped(ever=_part(children[0], True)))

    def span(self, children: Children) -> _Span:
        n, unit = children
        return _Span(grouped(n=n, unit=unit))

    def unit_of_time(self, children: Children) -> Part:
        (token,) = children
        return _part(token, token.type.lower())

    def date(self, children: Children) -> Part:
        (token,) = children
        return _text(token) if token.type == "STRING" else _part(token, str(token))

    # tests

    def where(self, children: Children) -> _Named:
        tests = _parts(children)
        if len(tests) == 1 and tests[0].conjunction:  # `where (a and b)` is `where a and b`
            return _Named("where", tests[0].value["all"])
        return _Named("where", listed(tests))

    def any_tests(self, children: Children) -> Part:
        return grouped(any=listed(_parts(children)))

    def all_tests(self, children: Children) -> Part:
        return replace(grouped(all=listed(_parts(children))), conjunction=True)

    any_elements = any_tests
    all_elements = all_tests

    def test(self, children: Children) -> Part:
        return _test("property", children)

    def element_test(self, children: Children) -> Part:
        return grouped(op=children[0], value=_value(children[1:]))

    def elements(self, children: Children) -> Part:
        return _only(children)

    object = elements

    def one_of_elements(self, children: Children) -> Part:
        values = listed(_parts(children))
        return grouped(op=Part("in", values.start, values.end), value=values)

    def compare(self, children: Children) -> Part:
        return _words(children, " ")

    listed = unary = between_op = has = compare

    def relative(self, children: Children) -> Part:
        words = _words(children, " ")
        with_the = words.value if "the" in words.value else words.value.replace("in ", "in the ")
        return Part(with_the, words.start, words.end)

    def quantified(self, children: Children) -> Part:
        (token,) = children
        return _part(token, " ".join(token.split()))

    def list(self, children: Children) -> Part:
        return listed(_parts(children))

    def range(self, children: Children) -> Part:
        return listed(_parts(children))

    def value(self, children: Children) -> Part:
        (found,) = children
        if isinstance(found, Part):
            return found
        if found.type == "STRING":
            return _text(found)
        return _part(found, str(found) if found.type == "DATE" else found.type == "TRUE")

    def number(self, children: Children) -> Part:
        (token,) = children
        if len(token) > _LONGEST_NUMBER:
            raise Misplaced("is too long for a number", token.start_pos)
        return _part(token, int(token) if token.removeprefix("-").isdecimal() else float(token))


class _Named:
    """What stands under a key of its own in the group of a clause."""

    def __init__(self, key: str, part: Part) -> None:
        self.key, self.part = key, part


class _Span:
    """A length of time."""

    def __init__(self, part: Part) -> None:
        self.part = part


class _Step:
    """The second step of a sequence."""

    def __init__(self, part: Part) -> None:
        self.part = part


def _of(children: Children, kind: type[Any]) -> Iterator[Any]:
    return (child for child in children if isinstance(child, kind))


def _parts(children: Children) -> list[Part]:
    return [*_of(children, Part)]


def _only(children: Children) -> Part:
    (part,) = _parts(children)
    return part


def _named(children: Children) -> dict[str, Part]:
    return {child.key: child.part for child in _of(children, _Named)}


def _value(children: Children) -> Part | None:
    (value,) = children or (None,)
    return value.part if isinstance(value, _Span) else value


def _test(key: str, children: Children) -> Part:
    name, op, *value = children
    return grouped(**{key: name}, op=op, value=_value(value))


def _words(tokens: Sequence[Token], between: str) -> Part:
    return Part(between.join(tokens), tokens[0].start_pos or 0, tokens[-1].end_pos or 0)


def _part(token: Token, value: Any) -> Part:
    return Part(value, token.start_pos or 0, token.end_pos or 0)


def _text(token: Token) -> Part:
    try:
        return _part(token, json.loads(token))
    except json.JSONDecodeError as error:
        problem = "is no escape of a text in quotes: write \\\\ for a backslash"
        raise Misplaced(problem, (token.start_pos or 0) + error.pos) from error
