"""The questions of the page on cohorts, and the templates: read, printed back, and asked of a small shop."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.cohorts.definition import Definition
from hub.cohorts.members import evaluate
from hub.cohorts.question import Question
from hub.cohorts.references import closure
from hub.cohorts.templates import template, templates
from hub.cohorts.text.printing import clause_text, text_of
from hub.cohorts.text.reading import definition_of_text
from hub.errors import DefinitionError, NotFound, UsageError
from tests.cohorts.brute_force import Data, brute_force
from tests.cohorts.test_schema import SCHEMA
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

PAGE = (Path(__file__).parents[3] / "docs" / "cohorts.md").read_text("utf-8")
QUESTIONS = re.search(r"<!-- texts -->\n```text\n(.*?)\n```", PAGE, re.DOTALL)[1].split("\n\n")
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
COHORTS = {
    name: definition_of_text(text)
    for name, text in {
        "VIP": 'did "Purchase" sum of amount > 500',
        "payers": 'did "Purchase"',
        "complained 2026": 'did "Complained" since 2026-01-01',
    }.items()
}


class Shop:
    """Sixty people with all the events and properties that the questions ask about, on random days."""

    def __init__(self, home: Path) -> None:
        self._pick = random.Random(4)
        self.workspace = make_workspace(home, timezone="Europe/Oslo")
        people = [f"person{number}" for number in range(60)]
        events = [event for person in people for event in self._events(person)]
        events += [EventRow("person1", "App Open", NOW - timedelta(days=days)) for days in (3, *range(31, 60, 4))]
        events += [
            EventRow("person2", "Purchase", datetime(2026, 8, day, tzinfo=UTC), {"amount": 150}) for day in (1, 2)
        ]
        profiles = [ProfileRow(person, self._profile(person)) for person in people if self._pick.random() < 0.8]
        add_events(self.workspace, events)
        add_profiles(self.workspace, profiles)
        self.data = Data(events, profiles)

    def _events(self, person: str) -> list[EventRow]:
        pick = self._pick
        first = NOW - timedelta(days=pick.choice([3, 12, 45, 200, 600]), hours=pick.randrange(20))
        names = ["App Open", "Page View", "Search", "Add to Cart", "Purchase", "Purchase", "App Open", "Complained",
                 "Mailchimp - Sent To", "Email Sent", "Mailchimp - Clicked Campaign Url", "Email Link Clicked",
                 "Mailchimp - Unsubscribed", "$unsubscribe"]  # fmt: skip
        found = [EventRow(person, "Sign Up", first + timedelta(hours=20), self._properties())]
        for name in pick.choices(names, k=pick.choice([0, 2, 6, 25])):
            when = first + (NOW - first) * pick.random() ** pick.choice([1, 3])
            found.append(EventRow(person, name, when, self._properties()))
        return found + [
            EventRow(person, "Email Sent", NOW - timedelta(hours=n)) for n in range(pick.choice([0, 0, 12]))
        ]

    def _properties(self) -> dict[str, object]:
        pick = self._pick
        return {
            "amount": pick.choice([5, 30, 80, 120, 250]),
            "category": pick.choice(["shoes", "bags", "books"]),
            "$os": pick.choice(["iOS", "Android", "Windows"]),
            "page": pick.choice(["/", "/pricing", "/shoes"]),
            "tags": pick.choice([[], ["sale"], ["new", "sale"]]),
            "items": [{"sku": pick.choice(["A1", "a2", "B1"]), "price": pick.choice([9, 60])}],
            **({"coupon": "X"} if pick.random() < 0.3 else {}),
        }

    def _profile(self, person: str) -> dict[str, object]:
        pick = self._pick
        return {
            "$created": "2026-01-01",
            "$email": f"{person}@{pick.choice(['example.com', 'mail.no'])}",
            "country": pick.choice(["NO", "SE"]),
            "address": {"city": pick.choice(["Oslo", "Bergen"])},
            "born": pick.choice(["1991-05-17", "1985-01-01"]),
            "trial ends": pick.choice(["2026-11-22T00:00:00Z", "2026-12-24"]),
            "newsletter": pick.random() < 0.5,
            **({"plan": pick.choice(["pro", "team", "free"])} if pick.random() < 0.6 else {}),
        }


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    made = Shop(tmp_path_factory.mktemp("shop") / "home")
    with made.workspace.reading() as reader:
        made.reader = reader
        yield made


def asked(shop: Shop, definition: Definition) -> set[str]:
    """The people of a definition, after plain Python named the same."""
    project = shop.workspace.project
    question = Question(definition, NOW, closure(definition, COHORTS.__getitem__))
    batches = shop.reader.batches(evaluate(shop.reader, project, question))
    found = {person for batch in batches for person in batch.column("person").to_pylist()}
    documents = {name: _clause(each) for name, each in COHORTS.items()}
    assert found == brute_force(_clause(definition), shop.data, NOW, project.zone, documents)
    return found


def _clause(definition: Definition) -> dict[str, object]:
    return {key: value for key, value in definition.document().items() if key not in ("version", "description")}


def test_there_are_twenty_and_more():
    assert len(QUESTIONS) == len({text.split("\n")[1] for text in QUESTIONS}) >= 20


@pytest.mark.parametrize("text", QUESTIONS, ids=lambda text: text.split("\n")[0].removeprefix("# "))
def test_question(shop, text):
    definition = definition_of_text(text)
    assert text_of(definition) == text
    SCHEMA.validate(definition.document())
    assert 0 < len(asked(shop, definition)) < 60


@pytest.mark.parametrize("known", templates(), ids=lambda known: known.name)
def test_template(shop, known):
    definition = known.definition()
    text = text_of(definition)
    assert definition.description == known.description
    assert definition_of_text(text) == definition
    SCHEMA.validate(definition.document())
    assert known.figures()["text"] == clause_text(definition)
    assert 0 < len(asked(shop, definition)) < 60
    assert f"| `{known.name}` |" in PAGE
    assert f"`{' '.join(parameter.name for parameter in known.parameters)}`" in PAGE


def test_the_templates_are_those_of_the_issue():
    expected = "at-risk churned high-value-churned lapsed never-activated over-messaged recent-clickers unsubscribed"
    assert [known.name for known in templates()] == expected.split()


def test_parameters_take_several_events_numbers_and_names():
    found = template("high-value-churned").definition({"event": ["Order", 'Paid "now"'], "amount": ["total sum"]})
    assert clause_text(found) == (
        'did any event where $event_name in ("Order", "Paid \\"now\\"") sum of "total sum" >= 500 and '
        'did not do any event where $event_name in ("Order", "Paid \\"now\\"") in last 90 days'
    )
    assert clause_text(template("lapsed").definition({"event": ["{days}"], "days": ["7"]})) == (
        'did "{days}" and did not do "{days}" in last 7 days'
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dayz": ["3"]}, "The template lapsed has no parameter 'dayz': did you mean days?"),
        ({"days": ["three"]}, "--set days=three: must be a number."),
        ({"days": ["3", "4"]}, "--set days: is given 2 times, and takes one value."),
        ({"event": [""]}, "--set event: is empty."),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(settings, message):
    with pytest.raises(UsageError) as caught:
        template("lapsed").definition(settings)
    assert caught.value.message == message


def test_a_value_that_no_definition_takes_is_refused_at_its_place():
    with pytest.raises(
        DefinitionError, match=r"the template lapsed, line 2, column \d+: must be a whole number, not 1.5"
    ):
        template("lapsed").definition({"days": ["1.5"]})
    with pytest.raises(NotFound, match="did you mean lapsed"):
        template("lapse")
