"""Operators of dates, lists and objects, as sentences. Those of texts and numbers are in `test_clauses`."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.cohorts.asking import ask
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Who is due when, who has which tags and orders, and who lives where."""
    made = make_workspace(tmp_path_factory.mktemp("people") / "home", timezone="Europe/Oslo")
    item = {"sku": "A1", "price": 10}
    add_profiles(
        made,
        [
            ProfileRow("now", {"due": "2026-03-31T12:00:00Z", "tags": ["sale", 3], "home": {"city": "Oslo"}}),
            ProfileRow("soon", {"due": "2026-03-31T12:00:00.000001Z", "tags": ["Sale"], "home": {"city": 3}}),
            ProfileRow("month", {"due": "2026-02-28T13:00:00Z", "tags": [], "home": {"city": {"name": "Oslo"}}}),
            ProfileRow("month 1", {"due": "2026-02-28T12:59:59.999999Z", "tags": "sale", "home": "Oslo"}),
            ProfileRow("day", {"due": "2026-03-31", "orders": [item, {"sku": "B2", "price": 20}]}),
            ProfileRow("eve", {"due": "2026-03-30T23:59:59+00:00", "orders": [item, {"sku": "B2", "price": "20"}]}),
            ProfileRow("zone", {"due": "2026-04-01T01:00:00+02:00", "orders": [["A1"], {"sku": ["A1", 'q"\\']}]}),
            ProfileRow("text", {"due": "tomorrow", "orders": [None, True], "home": {"a.b": {"*": [1, 2]}, "n": None}}),
        ],
    )
    add_events(made, [EventRow("ghost", "Buy", NOW, {"tags": ["sale"], "due": "2026-03-31"})])
    with made.reading() as reader:
        yield lambda text: ask(reader, made.project, text, NOW)


ALL = {"now", "soon", "month", "month 1", "day", "eve", "zone", "text", "ghost"}
DATED = ALL - {"text", "ghost"}


def _due(op: str, value: str) -> str:
    return f"{{profile: due, op: {op}, value: {value}}}"


def _tags(op: str, test: str) -> str:
    return f"{{profile: tags, op: {op}, value: {{{test}}}}}"


def _orders(op: str, test: str) -> str:
    return f"{{profile: orders, op: {op}, value: {{{test}}}}}"


def _home(test: str) -> str:
    return f"{{profile: home, op: has, value: {{{test}}}}}"


A1 = "property: sku, op: '=', value: A1"
DEAR = "property: price, op: '>=', value: 20"

SENTENCES = {
    "on a day, by UTC": (_due("on", "2026-03-31"), {"now", "soon", "day", "zone"}),
    "not on a day holds without a date too": (_due("not on", "2026-03-31"), ALL - {"now", "soon", "day", "zone"}),
    "before a day": (_due("before", "2026-03-31"), {"month", "month 1", "eve"}),
    "since a day": (_due("since", "2026-03-31"), {"now", "soon", "day", "zone"}),
    "between two days": (_due("between", "[2026-03-30, 2026-03-30]"), {"eve"}),
    "not between two days": (_due("not between", "[2026-03-01, 2026-03-31]"), {"month", "month 1", "text", "ghost"}),
    "in the last hour includes now": (_due("in the last", "1 hour"), {"now"}),
    "in the last day": (_due("in the last", "1 day"), {"now", "day", "eve"}),
    "in the last month is one of the project's zone": (
        _due("in the last", "1 month"), DATED - {"soon", "zone", "month 1"}),
    "not in the last month": (
        _due("not in the last", "{n: 1, unit: months}"), {"soon", "zone", "month 1", "text", "ghost"}),
    "in the next hours excludes now": (_due("in the next", "10 hours"), {"soon"}),
    "in the next hours includes its end": (_due("in the next", "11 hours"), {"soon", "zone"}),
    "what is no date was never": (_due("in the last", "1200 months"), DATED - {"soon", "zone"}),
    "any of the elements is a text": (_tags("any of", "op: '=', value: sale"), {"now"}),
    "any of the elements contains it": (_tags("any of", "op: contains, value: SAL"), {"now", "soon"}),
    "any of the elements is a number": (_tags("any of", "op: '>', value: 2"), {"now"}),
    "any of the elements is one of several": (_tags("any of", "op: in, value: [Sale, 3]"), {"now", "soon"}),
    "any of the elements is another": (_tags("any of", "op: '!=', value: sale"), {"now", "soon"}),
    "not any of them": ("not: " + _tags("any of", "op: '=', value: sale"), ALL - {"now"}),
    "all of the elements": (_tags("all of", "op: contains, value: sale"), {"soon"}),
    "all of the elements are one or the other": (
        _tags("all of", "any: [{op: contains, value: sale}, {op: between, value: [1, 3]}]"), {"now", "soon"}),
    "all of no elements is nobody": (_tags("all of", "op: is set"), {"now", "soon"}),
    "a text is no list": (_tags("any of", "op: starts with, value: s"), {"now", "soon"}),
    "no element is null": (_orders("any of", "op: is not set"), {"text"}),
    "yes is an element": (_orders("any of", "op: '=', value: true"), {"text"}),
    "one object passes both tests": (_orders("any of", f"all: [{{{A1}}}, {{{DEAR}}}]"), set()),
    "two objects pass one test each": (f"all: [{_orders('any of', A1)}, {_orders('any of', DEAR)}]", {"day"}),
    "all objects pass": (_orders("all of", "property: price, op: between, value: [10, 20]"), {"day"}),
    "a number in a text is no number": (_orders("any of", "property: price, op: '=', value: '20'"), {"eve"}),
    "a list within an object of a list": (
        _orders("any of", "property: sku, op: any of, value: {op: '=', value: 'q\"\\'}"), {"zone"}),
    "a list within a list": (_orders("any of", "op: any of, value: {op: '=', value: A1}"), {"zone"}),
    "an object has": (_home("property: city, op: '=', value: Oslo"), {"now"}),
    "an object has another, or none": (_home("property: city, op: '!=', value: Oslo"), {"soon", "month", "text"}),
    "an object within an object": (
        _home("property: city, op: has, value: {property: name, op: ends with, value: LO}"), {"month"}),
    "any name of a property": (
        _home("property: a.b, op: has, value: {property: '*', op: all of, value: {op: '<', value: 3}}"), {"text"}),
    "null is not set": (_home("property: n, op: is not set"), {"now", "soon", "month", "text"}),
    "what is there is set": (_home("property: city, op: is set"), {"now", "soon", "month"}),
    "events have lists and dates as well": (
        "{did: Buy, where: [{property: tags, op: any of, value: {op: '=', value: sale}},"
        " {property: due, op: on, value: 2026-03-31}]}", {"ghost"}),
    "the time of an event in the last hour": (
        "{did: Buy, where: {property: time, op: in the last, value: 1 hour}}", {"ghost"}),
}  # fmt: skip


@pytest.mark.parametrize("sentence", SENTENCES)
def test_operator(people, sentence):
    definition, expected = SENTENCES[sentence]
    assert people(definition) == expected
