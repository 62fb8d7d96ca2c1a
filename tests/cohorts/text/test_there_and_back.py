"""A definition and its text say the same: one becomes the other and back, without loss."""

# ruff: noqa: E501 (tables: a row a case)

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cohorts.definition import Definition
from hub.cohorts.reading import stored_definition
from hub.cohorts.text.printing import text_of
from hub.cohorts.text.reading import definition_of_text
from tests.cohorts.asking import definition_of
from tests.cohorts.test_against_brute_force import CLAUSES
from tests.cohorts.test_clauses import SENTENCES as CLAUSE_SENTENCES
from tests.cohorts.test_event_clauses import DAYS, DECLINE, SEQUENCES, VALUES
from tests.cohorts.test_operators import SENTENCES as OPERATOR_SENTENCES
from tests.cohorts.test_ten_questions import QUESTIONS

NAMES = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.sampled_from(["not", "did", "in", "any", "all", "user", "is", "where", "and", "true", "any event", "$a", "a.b"]),
)


def there_and_back(definition: Definition) -> str:
    """The definition's text, after it became the same definition and the same text again."""
    text = text_of(definition)
    again = definition_of_text(text)
    # as JSON, in which 3 is not 3.0, and true is not 1
    assert json.dumps(again.document()) == json.dumps(definition.document())
    assert text_of(again) == text
    return text


@settings(max_examples=150, deadline=None)
@given(
    clause=CLAUSES, description=st.just("") | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
)
def test_a_random_definition(clause, description):
    there_and_back(stored_definition({"version": 1, "description": description, **clause}, name="random"))


@settings(max_examples=100, deadline=None)
@given(event=NAMES, other=NAMES, text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
       number=st.integers(-(10**20), 10**20) | st.floats(-1e300, 1e300))  # fmt: skip
def test_any_name_and_any_value(event, other, text, number):
    tests = [{"property": event, "op": "=", "value": text}, {"property": other, "op": "in", "value": [number, text]}]
    element = {"all": [*tests, {"op": "!=", "value": number}, {"not": {"op": "in", "value": [text, True]}}]}
    nested = {"property": event, "op": "any of", "value": element}
    clause = {
        "all": [
            {"did": event, "where": tests, "aggregate": {"max": other, "op": ">", "value": number}},
            {"did": other, "where": {"any": [nested, *tests, {"not": tests[0]}]}},
            {"profile": other, "op": "!=", "value": number},
            {"not": {"cohort": event}},
        ]
    }
    there_and_back(stored_definition({"version": 1, **clause}, name="random"))


def test_every_definition_of_the_tests():
    tables = (CLAUSE_SENTENCES, VALUES, DAYS, SEQUENCES, DECLINE, OPERATOR_SENTENCES)
    texts = [text for table in tables for text, _ in table.values()] + [*QUESTIONS.values()]
    for text in texts:
        there_and_back(definition_of(text))
    assert len(texts) > 150


DESIGN = 'did "Purchase" at least 3 times in last 180 days and did not do "App Open" in last 30 days and user.plan in ("pro", "team")'  # fmt: skip


def test_the_designs_example():
    assert there_and_back(definition_of_text(DESIGN)) == DESIGN
    assert definition_of_text(DESIGN) == definition_of("""
all:
  - {did: Purchase, count: {at_least: 3}, window: 180 days}
  - {did_not: App Open, window: 30 days}
  - {profile: plan, op: in, value: [pro, team]}
""")


@pytest.mark.parametrize(
    ("text", "definition"),
    [
        ('did "A" and did "B" or did "C"', "any: [{all: [{did: A}, {did: B}]}, {did: C}]"),
        ('not did "A" and did "B"', "all: [{not: {did: A}}, {did: B}]"),
        ('not (did "A" or did "B")', "not: {any: [{did: A}, {did: B}]}"),
        ('((did "A"))', "did: A"),
        ('(did "A" and did "B") and did "C"', "all: [{all: [{did: A}, {did: B}]}, {did: C}]"),
        ('all (did "A")', "all: [{did: A}]"),
        ('any (did "A", did "B")', "any: [{did: A}, {did: B}]"),
        ("not in cohort x", "not: {cohort: x}"),
        ("in cohort did", "cohort: did"),
        ("did any event", "did: any event"),
        # an `and` after `where` goes on with the tests, unless a clause follows
        ('did "A" where a = 1 and b = 2', "{did: A, where: [{property: a, op: =, value: 1}, {property: b, op: =, value: 2}]}"),
        ('did "A" where a = 1 and user.b = 2', "all: [{did: A, where: {property: a, op: =, value: 1}}, {profile: b, op: =, value: 2}]"),
        ('did "A" where a = 1 and in cohort b', "all: [{did: A, where: {property: a, op: =, value: 1}}, {cohort: b}]"),
        ('did "A" where a = 1 and (did "B")', "all: [{did: A, where: {property: a, op: =, value: 1}}, {did: B}]"),
        ('did "A" where a = 1 and not did "B"', "all: [{did: A, where: {property: a, op: =, value: 1}}, {not: {did: B}}]"),
        ('did "A" where user = 1 and in = 2', "{did: A, where: [{property: user, op: =, value: 1}, {property: in, op: =, value: 2}]}"),
        ('did "A" where (a = 1 and b = 2)', "{did: A, where: [{property: a, op: =, value: 1}, {property: b, op: =, value: 2}]}"),
        ('did "A" where (a = 1 or b = 2) and c = 3', "{did: A, where: [{any: [{property: a, op: =, value: 1}, {property: b, op: =, value: 2}]}, {property: c, op: =, value: 3}]}"),
        ('did "A" where (not a = 1)', "{did: A, where: {not: {property: a, op: =, value: 1}}}"),
        ('did "A" more than 3 days', "{did: A, count: {more_than: 3, unit: days}}"),
        ('did "A" more than 3 days ago', "{did: A, window: more than 3 days ago}"),
        ('did "A" more than 1 time more than 1 week ago', "{did: A, count: {more_than: 1}, window: more than 1 week ago}"),
        ('did "A" exactly 1 day in the last 1 days', "{did: A, count: {exactly: 1, unit: days}, window: 1 day}"),
        ('did "A" in last 3 weeks for the first time', "{did: A, window: 3 weeks, first: true}"),
        ('did "A" most frequent of os in ("a", "b") ever', "{did: A, aggregate: {most_frequent: os, op: in, value: [a, b]}, window: ever}"),
        ('did "A" then "B" within 7 days', "{did: A, then: {did: B}, within: 7 days}"),
        ('did "A" then did "B" within 1 day', "{did: A, then: {did: B}, within: 1 day}"),
        ('did "A" then did not do "B" where b is set within 7 days since 2026-01-01', "{did: A, then: {did_not: B, where: {property: b, op: is set}}, within: 7 days, window: since 2026-01-01}"),
        ('did "A" less than 50 % of the 30 days before in last 30 days', "{did: A, change: {less_than: 50, before: 30 days}, window: 30 days}"),
        ("user.born since 1990-01-01", '{profile: born, op: since, value: "1990-01-01"}'),
        ("user.born on \"1990-01-01\"", '{profile: born, op: on, value: "1990-01-01"}'),
        ("user.seen in the last 3 days", "{profile: seen, op: in the last, value: 3 days}"),
        ('user.tags any of ("a", 3)', "{profile: tags, op: any of, value: {op: in, value: [a, 3]}}"),
        ('user."a b" has (c = true or d is not set)', "{profile: a b, op: has, value: {any: [{property: c, op: =, value: true}, {property: d, op: is not set}]}}"),
        ("# Who\n# and why\n\ndid\t\n\"A\"", "{description: \"Who\\nand why\", did: A}"),
        ('did "\\u00c5 \\"quoted\\""', "did: 'Å \"quoted\"'"),
    ],
)  # fmt: skip
def test_what_a_text_says(text, definition):
    assert definition_of_text(text) == definition_of(definition)
    there_and_back(definition_of_text(text))


def test_the_one_form():
    scruffy = '((did  "A" where (a=1 and b != "x") at least 1 time))  or not(user."plan"="pro" and in   cohort "VIP")'
    assert text_of(definition_of_text(scruffy)) == (
        'did "A" where a = 1 and b != "x" or not (user.plan = "pro" and in cohort VIP)'
    )
