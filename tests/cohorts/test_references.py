"""Cohorts within cohorts, and questions as of another time."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from hub.cohorts.edges import instant
from hub.cohorts.references import closure
from hub.cohorts.service import Cohorts
from hub.errors import DefinitionError, NotFound, UsageError
from tests.cohorts.asking import ask, definition_of
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
US = timedelta(microseconds=1)

BUYERS = "did: Purchase\nwindow: 30 days\n"


def _closure(definitions: dict[str, str], name: str) -> list[str]:
    read = {each: definition_of(text) for each, text in definitions.items()}
    return [*closure(read[name], read.__getitem__, name=name)]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    made = make_workspace(tmp_path_factory.mktemp("people") / "home", timezone="Europe/Oslo")
    add_events(made, [EventRow("ann", "Purchase", NOW - DAY), EventRow("bob", "Purchase", NOW - 40 * DAY)])
    add_events(made, [EventRow("cid", "Open", NOW - DAY)])
    add_profiles(made, [ProfileRow("cid", {"plan": "pro"}), ProfileRow("dee", {"plan": "pro"})])
    cohorts = {
        "buyers": BUYERS,
        "pro": "{profile: plan, op: '=', value: pro}",
        "both": "any: [{cohort: buyers}, {cohort: pro}]",
    }
    with made.reading() as reader:
        yield lambda text, now=NOW: ask(reader, made.project, text, now, cohorts=cohorts)


SENTENCES = {
    "in a cohort": ("cohort: buyers", {"ann"}),
    "not in a cohort is everybody else": ("not: {cohort: buyers}", {"bob", "cid", "dee"}),
    "in a cohort of cohorts": ("cohort: both", {"ann", "cid", "dee"}),
    "in one and not in another": ("all: [{cohort: both}, {not: {cohort: buyers}}]", {"cid", "dee"}),
    "in one, and something else": ("all: [{cohort: pro}, {did: Open}]", {"cid"}),
    "in one of both twice": ("all: [{cohort: both}, {any: [{cohort: buyers}, {cohort: both}]}]", {"ann", "cid", "dee"}),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_cohort(people, sentence):
    definition, expected = SENTENCES[sentence]
    assert people(definition) == expected


def test_a_cohort_within_a_cohort_gets_the_same_time(people):
    assert people("cohort: buyers", NOW - 20 * DAY) == {"bob"}


def test_what_a_cohort_rests_on_comes_before_it():
    named = {"a": "all: [{cohort: b}, {cohort: c}]", "b": "cohort: d", "c": "not: {cohort: d}", "d": "did: A"}
    assert _closure(named, "a") == ["d", "b", "c"]


@pytest.mark.parametrize(
    ("definitions", "circle"),
    [
        ({"a": "cohort: a"}, "'a' -> 'a'"),
        ({"a": "cohort: b", "b": "not: {cohort: a}"}, "'a' -> 'b' -> 'a'"),
        ({"a": "all: [{did: A}, {cohort: b}]", "b": "cohort: c", "c": "cohort: b"}, "'b' -> 'c' -> 'b'"),
    ],
)
def test_a_circle_of_cohorts_is_refused_with_the_names_on_it(definitions, circle):
    with pytest.raises(DefinitionError, match=rf"the cohort 'a': goes round in a circle: {circle}\."):
        _closure(definitions, "a")


def test_cohorts_that_are_too_deep_or_too_many_are_refused():
    chain = {f"c{number}": f"cohort: c{number + 1}" for number in range(100)}
    with pytest.raises(DefinitionError, match="more than 50 deep"):
        _closure(chain, "c0")
    many = {"top": "any: [{cohort: c0}, {cohort: c1}, {cohort: c2}, {cohort: c3}]"}
    many |= {f"c{each}": "any: [" + "{did: A}, " * 150 + "]" for each in range(4)}
    with pytest.raises(DefinitionError, match="604 clauses, with those of the cohorts that it names"):
        _closure(many, "top")


@pytest.fixture
def service(workspace):
    add_events(workspace, [EventRow("ann", "Purchase", NOW - 400 * DAY)])
    made = Cohorts(workspace)
    made.add("buyers", "version: 1\ndid: Purchase\n")
    return made


def test_a_cohort_that_names_one_that_is_not_there_is_not_kept(service):
    with pytest.raises(NotFound, match=r"The cohort 'new' names the cohort 'buyerz', which is not there\.") as caught:
        service.add("new", "version: 1\ncohort: buyerz")
    assert "'buyers'" in caught.value.hint
    with pytest.raises(DefinitionError, match="circle: 'self' -> 'self'"):
        service.add("self", "version: 1\nnot: {cohort: self}")
    assert [each.name for each in service.list()] == ["buyers"]


def test_a_cohort_that_others_name_stays_and_says_who_they_are(service):
    service.add("others", "version: 1\nnot: {cohort: buyers}")
    service.add("again", "version: 1\nany: [{cohort: buyers}, {cohort: others}]")
    with pytest.raises(UsageError, match="named by the cohorts 'again', 'others'"):
        service.remove("buyers")
    service.remove("again")
    service.remove("others")
    service.remove("buyers")
    assert service.list() == []


def test_counting_as_of_another_time_does_not_change_the_size_that_is_kept(service):
    service.add("nested", "version: 1\ncohort: buyers")
    assert service.count("nested", as_of=NOW - 401 * DAY).count == 0
    assert service.get("nested").size is None
    assert service.count("nested").count == 1
    assert [row["person"] for row in service.members("nested", as_of=NOW - 399 * DAY)] == ["ann"]
    assert service.count("nested", known_at=NOW - 401 * DAY).count == 0
    assert service.get("nested").size == 1


def test_what_came_in_later_was_not_known(workspace):
    late = EventRow("ann", "Purchase", NOW - 10 * DAY)
    add_events(workspace, [late])  # received when it happened
    add_profiles(workspace, [ProfileRow("bob", {"plan": "pro"})])  # known since the first of January
    with workspace.reading() as reader:

        def known(text: str, at: datetime) -> set[str]:
            return ask(reader, workspace.project, text, NOW, known_at=at)

        assert known("did: Purchase", NOW - 10 * DAY) == {"ann"}
        assert known("did: Purchase", NOW - 10 * DAY - US) == set()
        assert known("did_not: Never", NOW - 11 * DAY) == {"bob"}
        assert known("{profile: plan, op: is set}", datetime(2026, 1, 1, tzinfo=UTC) - US) == set()


def test_a_day_stands_for_its_end_in_the_projects_zone():
    from zoneinfo import ZoneInfo

    oslo = ZoneInfo("Europe/Oslo")
    assert instant("2026-10-25", oslo) == datetime(2026, 10, 25, 23, tzinfo=UTC) - US
    assert instant("2026-11-23T13:00:00+01:00", oslo) == NOW
    assert instant("2026-11-23T12:00:00Z", oslo) == NOW
    for text in ("", "yesterday", "2026-02-30", "2026-11-23T12:00:00", "9999-12-31", "0001-01-01T00:00:00+14:00"):
        with pytest.raises(UsageError, match="neither a day nor an instant with its zone"):
            instant(text, oslo)


def test_the_command_counts_as_of_a_day_and_prints_the_schema(service, cli):
    counted = cli("cohort", "count", "buyers", "--as-of", "2025-10-18", "--json")
    assert json.loads(counted.stdout)["count"] == 0
    assert json.loads(cli("cohort", "schema").stdout)["title"] == "A cohort definition"
