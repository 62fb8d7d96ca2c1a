"""Each clause and operator of a definition, as a sentence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.cohorts.asking import people_of
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
US = timedelta(microseconds=1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Ann bought three times, Bob once and long ago, Cid only has a profile, a device only opened the app."""
    made = make_workspace(tmp_path_factory.mktemp("shop") / "home")
    bought = [NOW - timedelta(days=days) for days in (1, 10, 100)]
    add_events(
        made,
        [
            *(EventRow("ann", "Purchase", time, {"amount": 50, "$os": "iOS", "gift": True}) for time in bought),
            EventRow("bob", "Purchase", NOW - timedelta(days=90), {"amount": "50", "$os": "ios 17", "tags": ["a"]}),
            EventRow("bob", "App Open", NOW, {"at": "2026-11-01T12:00:00Z"}),
            EventRow("$device:7", "App Open", NOW + US, {}),
            EventRow("$device:8", "App Open", NOW - timedelta(days=5), {"plan": {"$name": "pro"}}),
            EventRow("", "Purchase", NOW, {}),
        ],
    )
    add_profiles(
        made,
        [
            ProfileRow("ann", {"plan": "free", "ltv": 10, "born": "1990-05-01"}, seq=1),
            ProfileRow("ann", {"plan": "Pro", "ltv": 150, "born": "1990-05-01", "vip": True}, seq=2),
            ProfileRow("bob", {"plan": "pro", "ltv": "150", "born": "2001-01-01T10:00:00+02:00"}, seq=3),
            ProfileRow("cid", {"ltv": 99.5, "list": [1], "deep": {"a.b": 1, "$x": 1}}, seq=4),
            ProfileRow("dee", {"plan": "pro"}, seq=5),
            ProfileRow("dee", {"plan": "pro"}, seq=6, deleted=True),
        ],
    )
    return made


EVERYBODY = {"ann", "bob", "cid", "$device:8"}

SENTENCES = {
    "did once is enough": ("did: Purchase", {"ann", "bob"}),
    "what somebody did a microsecond from now is not there yet": ("did: App Open", {"bob", "$device:8"}),
    "any event is whatever somebody did": ("did: any event", {"ann", "bob", "$device:8"}),
    "a name that nobody did is nobody": ("did: Purchase!", set()),
    "names are case-sensitive": ("did: purchase", set()),
    "did not includes people who have only a profile": ("did_not: Purchase", {"cid", "$device:8"}),
    "at least": ("{did: Purchase, count: {at_least: 3}}", {"ann"}),
    "exactly one": ("{did: Purchase, count: {exactly: 1}}", {"bob"}),
    "exactly none counts people with none": ("{did: Purchase, count: {exactly: 0}}", {"cid", "$device:8"}),
    "at most counts people with none": ("{did: Purchase, count: {at_most: 1}}", {"bob", "cid", "$device:8"}),
    "fewer than counts people with none": ("{did: Purchase, count: {fewer_than: 1}}", {"cid", "$device:8"}),
    "more than": ("{did: Purchase, count: {more_than: 1}}", {"ann"}),
    "at least none is everybody": ("{did: Purchase, count: {at_least: 0}}", EVERYBODY),
    "did not negates the count too": ("{did_not: Purchase, count: {at_least: 3}}", {"bob", "cid", "$device:8"}),
    "did not at most one is more than one": ("{did_not: Purchase, count: {at_most: 1}}", {"ann"}),
    "the far end of a window is in it": ("{did: Purchase, window: 90 days, count: {exactly: 1}}", {"bob"}),
    "counts are those of the window": ("{did: Purchase, window: 90 days, count: {at_least: 2}}", {"ann"}),
    "a window a little shorter has not its far end": ("{did: Purchase, window: 2159 hours}", {"ann"}),
    "more than ago": ("{did: Purchase, window: more than 90 days ago}", {"ann"}),
    "between ago": ("{did: Purchase, window: between 90 and 10 days ago}", {"bob"}),
    "between days": ("{did: Purchase, window: between 2026-11-13 and 2026-11-13}", {"ann"}),
    "where is a number": ("{did: Purchase, where: {property: amount, op: '=', value: 50}}", {"ann"}),
    "where is a text": ("{did: Purchase, where: {property: amount, op: '=', value: '50'}}", {"bob"}),
    "where with a list of tests wants all": (
        "{did: Purchase, where: [{property: amount, op: '>=', value: 50}, {property: gift, op: '=', value: true}]}",
        {"ann"},
    ),
    "where with any wants one": (
        "{did: Purchase, where: {any: [{property: tags, op: is set}, {property: gift, op: '=', value: true}]}}",
        {"ann", "bob"},
    ),
    "where with not": ("{did: Purchase, where: {not: {property: gift, op: is set}}}", {"bob"}),
    "starts with ignores case": (
        "{did: Purchase, where: {property: $os, op: starts with, value: IOS}}",
        {"ann", "bob"},
    ),
    "equals does not ignore case": ("{did: Purchase, where: {property: $os, op: '=', value: ios}}", set()),
    "a percent sign is a percent sign": ("{did: Purchase, where: {property: $os, op: contains, value: '%'}}", set()),
    "an object is set": ("{did: App Open, where: {property: plan, op: is set}}", {"$device:8"}),
    "the id of the event is a property": (
        "{did: App Open, where: {property: distinct_id, op: starts with, value: '$device:'}}",
        {"$device:8"},
    ),
    "the time of the event is a property": (
        "{did: Purchase, where: {property: time, op: '<', value: 2026-08-25}}",
        {"ann"},
    ),
    "the newest profile counts": ("{profile: plan, op: '=', value: free}", set()),
    "a profile that was deleted is not there": ("{profile: plan, op: is set}", {"ann", "bob"}),
    "equals is exact": ("{profile: plan, op: '=', value: pro}", {"bob"}),
    "in is exact": ("{profile: plan, op: in, value: [pro, team]}", {"bob"}),
    "in takes values of several types": ("{profile: ltv, op: in, value: ['150', 99.5]}", {"bob", "cid"}),
    "unequal holds without the property": ("{profile: plan, op: '!=', value: pro}", EVERYBODY - {"bob"}),
    "not in holds without the property": ("{profile: plan, op: not in, value: [pro, Pro]}", {"cid", "$device:8"}),
    "contains ignores case": ("{profile: plan, op: contains, value: RO}", {"ann", "bob"}),
    "does not contain holds without it": ("{profile: plan, op: does not contain, value: RO}", {"cid", "$device:8"}),
    "ends with": ("{profile: plan, op: ends with, value: O}", {"ann", "bob"}),
    "is not set holds without a profile": ("{profile: plan, op: is not set}", {"cid", "$device:8"}),
    "greater than is about numbers only": ("{profile: ltv, op: '>', value: 100}", {"ann"}),
    "at most": ("{profile: ltv, op: '<=', value: 99.5}", {"cid"}),
    "between includes its ends": ("{profile: ltv, op: between, value: [99.5, 150]}", {"ann", "cid"}),
    "true is not one": ("{profile: vip, op: '=', value: 1}", set()),
    "true is true": ("{profile: vip, op: '=', value: true}", {"ann"}),
    "a list is set": ("{profile: list, op: is set}", {"cid"}),
    "an object is set whatever its name": ("{profile: deep, op: is set}", {"cid"}),
    "what is within an object is not set": ("{profile: $x, op: is set}", set()),
    "a date is after another": ("{profile: born, op: '>', value: 2000-12-31}", {"bob"}),
    "on the day itself is not after it": ("{profile: born, op: '>', value: 1990-05-01}", {"bob"}),
    "later on the day itself is not after it": ("{profile: born, op: '>', value: 2001-01-01}", set()),
    "on the day itself is from it on": ("{profile: born, op: '>=', value: 1990-05-01}", {"ann", "bob"}),
    "on the day itself is up to it": ("{profile: born, op: '<=', value: 1990-05-01}", {"ann"}),
    "an instant is compared exactly": ("{profile: born, op: '>=', value: '2001-01-01T08:00:00Z'}", {"bob"}),
    "a date equals its text": ("{profile: born, op: '=', value: 1990-05-01}", {"ann"}),
    "all": ("all: [{did: Purchase}, {profile: plan, op: '=', value: Pro}]", {"ann"}),
    "any": ("any: [{did: App Open}, {profile: ltv, op: '<', value: 100}]", {"bob", "cid", "$device:8"}),
    "not": ("not: {any: [{did: Purchase}, {profile: ltv, op: is set}]}", {"$device:8"}),
    "not of not is itself": ("not: {not: {did: Purchase}}", {"ann", "bob"}),
    "one and the same clause twice": ("all: [{did: Purchase}, {not: {did_not: Purchase}}]", {"ann", "bob"}),
    "a profile and not an event": ("all: [{profile: ltv, op: is set}, {did_not: Purchase}]", {"cid"}),
    "a near window does not widen a far one": (
        "all: [{did: any event, window: 1 day}, {did: Purchase, window: more than 90 days ago}]",
        {"ann"},
    ),
    "the same event in two windows": (
        "all: [{did: Purchase, window: 2 days}, {did: Purchase, window: more than 90 days ago}]",
        {"ann"},
    ),
}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_clause(shop, sentence):
    definition, expected = SENTENCES[sentence]
    assert people_of(shop, definition, NOW) == expected


def test_an_empty_lake_has_nobody(tmp_path):
    empty = make_workspace(tmp_path / "home")
    for definition in ("did: A", "did_not: A", "{profile: a, op: is not set}", "all: [{did: A}, {did_not: B}]"):
        assert people_of(empty, definition, NOW) == set()


def test_another_project_has_other_people(shop):
    from dataclasses import replace

    other = replace(shop, project=replace(shop.project, id=99))
    assert people_of(other, "did: any event", NOW) == set()
