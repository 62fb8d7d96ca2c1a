"""Cohorts that are counted together are as large as each one alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cohorts.members import evaluate
from hub.cohorts.plan import Plan
from hub.cohorts.question import Question
from hub.cohorts.references import closure
from hub.cohorts.service import Cohorts
from hub.cohorts.together import changed, portions, sizes
from tests.cohorts.asking import definition_of
from tests.cohorts.test_ten_questions import QUESTIONS
from tests.lake_rows import EventRow, ProfileRow, add_events, add_identity, add_profiles, make_workspace

NOW = datetime(2026, 11, 1, tzinfo=UTC)
EVENTS = ("Add to Cart", "Purchase", "Page View", "Search", "App Open", "Unsubscribed", "Message Opened")

MORE = {
    "nobody yet": "did_not: Purchase",
    "lately": "{did: Search, where: [{property: due, op: in the last, value: 40 days}]}",
    "dated": "{did: Search, where: [{property: due, op: in the last, value: 40 days}], window: before 2026-09-01}",
    "opposite": "{profile: $last_seen, op: not in the last, value: 30 days}",
    "then not": "{did: Add to Cart, then: {did_not: Purchase}, within: 7 days}",
    "favourite": "{did: Purchase, aggregate: {most_frequent: amount, op: '=', value: 100}}",
    "rarely": "{did: App Open, count: {at_most: 1}, window: 30 days}",
    "less": "{did: App Open, change: {less_than: 50, before: 30 days}, window: 30 days}",
}
ALL = {**QUESTIONS, **MORE}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Two hundred people who did a little of everything within a year; some of them by the id of a device."""
    made = make_workspace(tmp_path_factory.mktemp("shop") / "home")
    rows = []
    for number in range(3_000):
        event = EVENTS[number * number % 7]
        due = (NOW - timedelta(days=number % 90)).isoformat()
        more = {"amount": number % 5 * 50, "due": due, "$os": "iOS", "$city": "Oslo", "duration": number % 400}
        who = f"p{number % 193}" if number % 10 else f"$device:{number % 17}"
        rows.append(EventRow(who, event, NOW - timedelta(hours=number * 7 % 8_760), more))
    add_events(made, rows)
    add_identity(made, {f"$device:{number}": f"p{number}" for number in range(9)})
    seen = (NOW - timedelta(days=10)).isoformat()
    plans, countries = ("pro", "free"), ("NO", "US", "SE")
    add_profiles(
        made,
        [
            ProfileRow(
                f"p{number}",
                {"plan": plans[number % 2], "country": countries[number % 3], "ltv": number, "$last_seen": seen},
                seq=number,
            )
            for number in range(0, 220, 2)
        ],
    )
    with made.reading() as reader:
        yield made, reader


def _question(name: str, at: datetime) -> Question:
    definition = definition_of(ALL[name])
    return Question(definition, at, closure(definition, lambda other: definition_of(ALL[other])))


def _alone(shop, question: Question) -> set[str]:
    made, reader = shop
    found = evaluate(reader, made.project, question)
    return {person for batch in reader.batches(found) for person in batch.column("person").to_pylist()}


def test_all_questions_together_have_the_sizes_that_each_has_alone(shop):
    made, reader = shop
    questions = [_question(name, NOW) for name in ALL]
    alone = [len(_alone(shop, question)) for question in questions]
    assert sizes(reader, made.project, questions) == alone
    assert sum(size > 0 for size in alone) >= 12


@settings(max_examples=8, deadline=None)
@given(
    asked=st.lists(st.tuples(st.sampled_from([*ALL]), st.integers(0, 300)), min_size=2, max_size=5),
)
def test_any_questions_as_of_any_times_have_the_sizes_that_each_has_alone(shop, asked):
    made, reader = shop
    questions = [_question(name, NOW - timedelta(days=days)) for name, days in asked]
    assert sizes(reader, made.project, questions) == [len(_alone(shop, question)) for question in questions]


def test_who_had_no_event_and_no_profile_yet_was_nobody(tmp_path):
    made = make_workspace(tmp_path / "home")
    add_events(made, [EventRow("early", "A", NOW - timedelta(days=2)), EventRow("late", "A", NOW)])
    add_profiles(made, [ProfileRow("profile")])
    question = Question(definition_of("did_not: B"), NOW)
    earlier = replace(question, now=NOW - timedelta(days=1))
    with made.reading() as reader:
        assert sizes(reader, made.project, [earlier, question]) == [2, 3]
        found = changed(reader, made.project, earlier, question)
        rows = [row for batch in reader.batches(found) for row in batch.to_pylist()]
    assert rows == [{"person": "late", "entered": True}]


def test_clauses_that_ask_the_same_share_one_answer_whatever_cohort_they_are_of():
    plan = Plan([_question(name, NOW) for name in ("1", "4", "10")], UTC)
    assert len(plan.answers) == 3  # carts, the sum of purchases, and messages that were opened


def test_questions_of_a_hundred_days_are_answered_in_portions(shop):
    made, _ = shop
    questions = [_question("9", NOW - timedelta(days=days)) for days in range(20)]
    cut = [*portions(questions, made.project.zone)]
    assert sorted(place for portion in cut for place in portion) == [*range(20)]
    assert 1 < len(cut) < 20


def test_several_cohorts_are_counted_by_one_command(workspace, cli):
    add_events(workspace, [EventRow("a", "A", NOW), EventRow("b", "B", NOW), EventRow("c", "B", NOW)])
    service = Cohorts(workspace)
    for name in "AB":
        service.add(name.lower(), f"version: 1\ndid: {name}")
    found = json.loads(cli("cohort", "count", "--all", "--json").stdout)
    assert {each["cohort"]: each["count"] for each in found} == {"a": 1, "b": 2}
    assert [each["cohort"] for each in json.loads(cli("cohort", "count", "b", "a", "--json").stdout)] == ["b", "a"]
    assert cli("cohort", "count").returncode == 2
    assert (service.get("a").size, service.get("b").size) == (1, 2)
