"""What engines support: the documented table, and refusals by name."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.cohorts.definition import clauses
from hub.cohorts.members import evaluate
from hub.cohorts.question import Question
from hub.cohorts.references import closure
from hub.cohorts.support import FEATURES, LACKS, features, refuse_lacking, table
from hub.cohorts.text.reading import definition_of_text
from hub.errors import UsageError
from tests.cohorts.asking import definition_of

PAGE = (Path(__file__).parents[2] / "docs" / "engines.md").read_text("utf-8")
NOW = datetime(2026, 11, 23, tzinfo=UTC)
LACKING = {"duckdb": {"median of a property": "Use average.", "operator any of": "Ask for one element."}}


def test_the_table_of_the_page_is_the_one_of_the_facts():
    found = re.search(r"<!-- support: .*? -->\n(.*?)\n<!-- /support -->", PAGE, re.DOTALL)
    assert found[1] == table()


def test_facts_are_about_features_that_there_are():
    assert all(feature in FEATURES for lacks in LACKS.values() for feature in lacks)
    assert len({*FEATURES}) == len(FEATURES)


def _question(text: str, **cohorts: str) -> Question:
    definition = definition_of_text(text)
    return Question(definition, NOW, closure(definition, lambda name: definition_of_text(cohorts[name])))


TEXTS = {
    'did "A" median of amount > 3': {"did", "median of a property", "operator >"},
    'did not do "A" at least 2 days': {"did not do", "days"},
    'did "A" in last 3 days for the first time': {"did", "for the first time"},
    'did "A" then did not do "B" within 1 month': {"then did not do", "within months"},
    'did "A" then "B" within 2 days': {"then"},
    'user.tags any of (= "a" or > 3)': {"user.property", "operator any of", "operator =", "operator >"},
    'in cohort "x"': {"in cohort"},
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_text_asks_of_an_engine(text):
    found = {*features(clauses(definition_of_text(text).clause))}
    assert found == TEXTS[text]
    assert found <= {*FEATURES}


@pytest.mark.parametrize(
    ("text", "cohorts", "message", "hint"),
    [
        ('did "A" median of amount > 3', {}, "The engine DuckDB cannot answer 'median of a property'.", "Use average."),
        ('did "A" where tags any of (= 3)', {}, "The engine DuckDB cannot answer 'operator any of'.", "Ask for one"),
        ('in cohort "x"', {"x": 'did "A" median of a > 3'}, "The engine DuckDB cannot answer 'median", "Use average."),
    ],
)
def test_what_an_engine_lacks_is_refused_by_name(text, cohorts, message, hint):
    with pytest.raises(UsageError) as caught:
        refuse_lacking("duckdb", [_question(text, **cohorts)], LACKING)
    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint)


def test_what_it_has_passes():
    refuse_lacking("spark", [_question('did "A" median of amount > 3')], LACKING)
    refuse_lacking("duckdb", [_question('did "A" average of amount > 3')], LACKING)


def test_a_question_is_refused_before_anything_is_read(workspace, monkeypatch):
    monkeypatch.setitem(LACKS, "duckdb", LACKING["duckdb"])
    with workspace.reading() as reader:
        monkeypatch.setattr(reader, "of_files", lambda *_, **__: pytest.fail("it was read"))
        question = Question(definition_of("{did: A, aggregate: {median: b, op: '>', value: 1}}"), NOW)
        with pytest.raises(UsageError, match="DuckDB cannot answer 'median of a property'"):
            evaluate(reader, workspace.project, question)
