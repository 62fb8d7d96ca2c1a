"""The ten questions of the benchmark, as definitions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.cohorts.asking import ask
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

NOW = datetime(2026, 11, 1, tzinfo=UTC)

QUESTIONS = {
    "1": "{did: Add to Cart, count: {at_least: 3}, window: 30 days}",
    "2": "all: [{profile: country, op: is set}, {did_not: Purchase, window: 90 days}]",
    "3": "{did: Purchase, window: 14 days, first: true}",
    "4": "{did: Purchase, aggregate: {sum: amount, op: '>', value: 200}, window: 90 days}",
    "5": "{did: Add to Cart, then: {did: Purchase}, within: 7 days, window: 60 days}",
    "6": """
all:
  - {profile: country, op: in, value: [NO, SE, DK]}
  - {profile: plan, op: "!=", value: free}
  - {profile: ltv, op: ">", value: 100}
  - {profile: $last_seen, op: in the last, value: 365 days}
""",
    "7": """
did: Page View
where:
  - {property: $os, op: "=", value: iOS}
  - {property: $city, op: in, value: [Oslo, Bergen]}
  - {property: duration, op: ">=", value: 300}
count: {at_least: 2}
window: 90 days
""",
    "8": """
all:
  - {profile: country, op: is set}
  - any:
      - all: [{did: Purchase, window: 90 days}, {profile: plan, op: "=", value: pro}]
      - all:
          - {did: Search, count: {at_least: 5}, window: 30 days}
          - {did_not: Unsubscribed}
          - any:
              - {profile: newsletter, op: "=", value: true}
              - {profile: country, op: "=", value: US}
""",
    "9": "{did: App Open, count: {at_least: 5, unit: days}, window: 30 days}",
    "10": """
any:
  - all: [{cohort: "1"}, {not: {cohort: "4"}}, {did: Message Opened, window: 30 days}]
  - {cohort: "6"}
""",
}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Somebody for each question, called by its number, and one who did a little of everything."""
    made = make_workspace(tmp_path_factory.mktemp("people") / "home")
    ago = lambda days: NOW - timedelta(days=days)  # noqa: E731
    page = {"$os": "iOS", "$city": "Bergen", "duration": 300}
    add_events(
        made,
        [
            *(EventRow("1", "Add to Cart", ago(30)) for _ in range(3)),
            EventRow("1", "Message Opened", ago(1)),
            EventRow("3", "Purchase", ago(14), {"amount": 200}),
            *(EventRow("4", "Purchase", ago(days), {"amount": 100.5}) for days in (20, 90)),
            EventRow("5", "Add to Cart", ago(60)),
            EventRow("5", "Purchase", ago(53), {"amount": 10}),
            *(EventRow("7", "Page View", ago(days), page) for days in (1, 2)),
            *(EventRow("8", "Search", ago(3)) for _ in range(5)),
            *(EventRow("9", "App Open", ago(days)) for days in (1, 2, 3, 4, 30)),
            EventRow("little", "App Open", ago(1)),
        ],
    )
    add_profiles(
        made,
        [
            ProfileRow("2", {"country": "DE"}),
            ProfileRow("6", {"country": "SE", "plan": "pro", "ltv": 101, "$last_seen": "2026-10-31T00:00:00Z"}),
            ProfileRow("8", {"country": "US", "plan": "free"}),
        ],
    )
    with made.reading() as reader:
        yield made, reader


EXPECTED = {"1": "1", "2": "268", "3": "3", "4": "4", "5": "5", "6": "6", "7": "7", "8": "8", "9": "9", "10": "16"}


@pytest.mark.parametrize("number", QUESTIONS)
def test_question(people, number):
    made, reader = people
    assert ask(reader, made.project, QUESTIONS[number], NOW, cohorts=QUESTIONS) == {*EXPECTED[number]}
