"""From a definition to its text, in one form: one line, after the description's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from hub.cohorts import windows
from hub.cohorts.definition import (
    ANY_EVENT,
    AllOf,
    AnyOf,
    Declined,
    Definition,
    Did,
    DidNot,
    InCohort,
    Listed,
    Not,
    ThenDid,
)
from hub.cohorts.definition import Sequence as EventSequence
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
from hub.cohorts.measures import Aggregate, Count
from hub.cohorts.operators import LISTS, NESTED, RANGES, SPANS, UNARY
from hub.cohorts.text.words import BESIDE_EVENTS, WITHIN_ELEMENTS, named, quoted

_ALL = (AllOf, AllTests, AllElementTests)
_ANY = (AnyOf, AnyTests, AnyElementTests)
_NOT = (Not, NotTest, NotElementTest)


def text_of(definition: Definition) -> str:
    """The text of a definition. A mixture of `and` and `or` is bracketed.

    The lines of the description stand in front, each after `#`; what the definition says is one line.
    """
    lines = [f"# {line}" if line else "#" for line in definition.description.split("\n")]
    return "\n".join([*(lines if definition.description else ()), clause_text(definition)])


def clause_text(definition: Definition) -> str:
    """As `text_of`, without the description: one line. Empty for a cohort that brings its own members."""
    return "" if isinstance(definition.clause, Listed) else _joined(definition.clause, _leaf)


def _joined(node: Any, leaf: Callable[[Any], str]) -> str:
    """A tree of `all`, `any` and `not`. A group of one is spelt out, so that it reads back as a group."""
    if isinstance(node, _ALL):
        return _group("and", "all", node.all, leaf)
    if isinstance(node, _ANY):
        return _group("or", "any", node.any, leaf)
    if isinstance(node, _NOT):
        inner = _bracketed(node.not_, leaf)
        return f"not ({inner})" if isinstance(node.not_, ElementTest) else f"not {inner}"
    return leaf(node)


def _group(word: str, key: str, nodes: Sequence[Any], leaf: Callable[[Any], str]) -> str:
    if len(nodes) == 1:
        return f"{key} ({_joined(nodes[0], leaf)})"
    return f" {word} ".join(_bracketed(node, leaf) for node in nodes)


def _bracketed(node: Any, leaf: Callable[[Any], str]) -> str:
    text = _joined(node, leaf)
    return f"({text})" if _is_chain(node) else text


def _is_chain(node: Any) -> bool:
    return len(node.all if isinstance(node, _ALL) else node.any if isinstance(node, _ANY) else ()) > 1


def _leaf(clause: Any) -> str:
    match clause:
        case Did():
            return _words("did", _event(clause.did), _where(clause.where), *_rest(clause))
        case DidNot():
            return _words("did not do", _event(clause.did_not), _where(clause.where), *_rest(clause))
        case EventSequence():
            first = _words("did", _event(clause.did), _where(clause.where))
            return _words(first, "then", _step(clause.then), "within", _span(clause.within), _window(clause.window))
        case Declined():
            first = _words("did", _event(clause.did), _where(clause.where))
            change = f"less than {_value(clause.change.less_than)} % of the {_span(clause.change.before)} before"
            return _words(first, change, _window(clause.window))
        case ProfileTest():
            return f"user.{named(clause.profile)} {_operation(clause.op, clause.value)}"
        case InCohort():
            return f"in cohort {named(clause.cohort)}"
    raise AssertionError(clause)


def _words(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _rest(clause: Did | DidNot) -> Sequence[str]:
    measure = _aggregate(clause.aggregate) if clause.aggregate else _count(clause.count)
    return measure, _window(clause.window), "for the first time" if clause.first else ""


def _step(step: Any) -> str:
    if isinstance(step, ThenDid):
        return _words(_event(step.did), _where(step.where))
    return _words("did not do", _event(step.did_not), _where(step.where))


def _event(name: str) -> str:
    return ANY_EVENT if name == ANY_EVENT else quoted(name)


def _count(count: Count) -> str:
    if count == Count(at_least=1):
        return ""
    comparison, n = count.comparison
    return f"{comparison.replace('_', ' ')} {n} {count.unit}"


def _aggregate(aggregate: Aggregate) -> str:
    function, name = aggregate.of
    return f"{function.replace('_', ' ')} of {named(name)} {_operation(aggregate.op, aggregate.value)}"


def _where(tests: Sequence[AnyFilter] | None) -> str:
    """Tests without brackets if they are all plain, else in one bracket; a group alone as what it is."""
    if not tests:
        return ""
    texts = [_bracketed(test, _event_test) for test in tests]
    if all(isinstance(test, EventTest) for test in tests):
        return f"where {' and '.join(texts)}"
    if len(tests) > 1:
        return f"where ({' and '.join(texts)})"
    (only,) = tests
    if isinstance(only, AllTests) and len(only.all) > 1:  # in a bracket it would be read as the tests themselves
        return f"where all ({', '.join(_joined(test, _event_test) for test in only.all)})"
    return f"where ({texts[0]})" if isinstance(only, NotTest) else f"where {texts[0]}"


def _event_test(test: EventTest) -> str:
    return f"{named(test.property, BESIDE_EVENTS)} {_operation(test.op, test.value)}"


def _element_test(test: EventTest | ElementTest) -> str:
    operation = _operation(test.op, test.value)
    return f"{named(test.property, WITHIN_ELEMENTS)} {operation}" if isinstance(test, EventTest) else operation


def _operation(op: str, value: Any) -> str:
    if op in UNARY:
        return op
    if op in SPANS:
        return f"{op} {_span(value)}"
    if op in NESTED:
        return f"{op} ({_joined(value, _element_test)})"
    if op in RANGES:
        return f"{op} {_value(value[0])} and {_value(value[1])}"
    if op in LISTS:
        return f"{op} ({', '.join(_value(each) for each in value)})"
    return f"{op} {_value(value)}"


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _span(span: windows.Span) -> str:
    return f"{span.n} {_unit(span.n, span.unit)}"


def _unit(n: int, unit: str) -> str:
    return unit if n == 1 else f"{unit}s"


def _window(window: Any) -> str:
    text = ""
    match window:
        case windows.Last():
            text = f"in last {_span(window.last)}"
        case windows.MoreThanAgo():
            text = f"more than {_span(window.more_than_ago)} ago"
        case windows.BetweenAgo():
            spans = window.between_ago
            text = f"between {spans.n} and {spans.m} {_unit(spans.m, spans.unit)} ago"
        case windows.Between():
            text = f"between {window.from_} and {window.to}"
        case windows.Since():
            text = f"since {window.since}"
        case windows.Before():
            text = f"before {window.before}"
        case windows.Ever():
            text = "ever"
    return text
