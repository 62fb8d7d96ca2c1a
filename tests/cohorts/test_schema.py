"""The JSON Schema takes what the hub takes: every definition of these tests, and no other kind."""

from __future__ import annotations

import jsonschema
import pytest
import yaml
from hypothesis import given, settings

from hub.cohorts.schema import definition_schema
from tests.cohorts.asking import definition_of
from tests.cohorts.test_against_brute_force import CLAUSES
from tests.cohorts.test_clauses import SENTENCES as CLAUSE_SENTENCES
from tests.cohorts.test_event_clauses import DAYS, DECLINE, SEQUENCES, VALUES
from tests.cohorts.test_operators import SENTENCES as OPERATOR_SENTENCES

SCHEMA = jsonschema.Draft202012Validator(definition_schema())


def test_it_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)


@settings(max_examples=100, deadline=None)
@given(CLAUSES)
def test_random_definitions_pass(clause):
    SCHEMA.validate({"version": 1, **clause})


def test_every_definition_of_these_tests_passes_as_written_and_as_kept():
    tables = (CLAUSE_SENTENCES, VALUES, DAYS, SEQUENCES, DECLINE, OPERATOR_SENTENCES)
    texts = [text for table in tables for text, _ in table.values()]
    for text in texts:
        SCHEMA.validate(definition_of(text).document())
    for window in ("90 days", "ever", "between 210 and 30 days ago"):
        SCHEMA.validate({"version": 1, "did": "A", "window": window})
    assert len(texts) > 150


@pytest.mark.parametrize(
    "text",
    [
        "{did: A}",
        "{version: 2, did: A}",
        "{version: 1}",
        "{version: 1, did: A, cuont: {at_least: 1}}",
        "{version: 1, did: A, count: {at_least: 1, at_most: 2}}",
        "{version: 1, did: A, count: {at_least: -1}}",
        "{version: 1, did: A, then: {did: B}}",
        "{version: 1, did: A, then: {did: B}, within: 7 days, count: {at_least: 1}}",
        "{version: 1, did: A, change: {less_than: 0, before: 7 days}, window: 7 days}",
        "{version: 1, did: A, aggregate: {sum: a, max: b, op: '>', value: 1}}",
        "{version: 1, did: A, aggregate: {sum: a, op: contains, value: a}}",
        "{version: 1, did: A, window: {last: {n: 0, unit: day}}}",
        "{version: 1, profile: a, op: is set, value: 1}",
        "{version: 1, profile: a, op: '>', value: much}",
        "{version: 1, profile: a, op: any of, value: {op: in the last, value: 3 days}}",
        "{version: 1, all: []}",
    ],
)
def test_what_is_no_definition_does_not_pass(text):
    assert not SCHEMA.is_valid(yaml.safe_load(text))
