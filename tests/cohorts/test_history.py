"""The size of a cohort over time, and who entered and left between two instants."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from hub.clock import now
from hub.cohorts.counting import refresh
from hub.cohorts.history import Every, changes, ends, history
from hub.cohorts.service import Cohorts
from hub.errors import UsageError
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
OSLO = ZoneInfo("Europe/Oslo")

COHORTS = {
    "bought": "{version: 1, did: Purchase, window: 7 days}",
    "days": "{version: 1, did: Purchase, count: {at_least: 2, unit: days}, window: 14 days}",
    "never": "{version: 1, did_not: Purchase}",
    "then": "{version: 1, did: Search, then: {did: Purchase}, within: 2 days, window: 30 days}",
    "both": "{version: 1, all: [{cohort: bought}, {profile: plan, op: '=', value: pro}]}",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Forty people who search and buy within forty days; a third of them pays."""
    made = make_workspace(tmp_path_factory.mktemp("shop") / "home", timezone="Europe/Oslo")
    pick = Random(1)

    def event() -> EventRow:
        at = NOON - timedelta(minutes=pick.randrange(40 * 24 * 60))
        return EventRow(f"p{pick.randrange(40)}", pick.choice(("Search", "Search", "Purchase")), at)

    add_events(made, [event() for _ in range(160)])
    add_profiles(made, [ProfileRow(f"p{number}", {"plan": "pro"}, seq=number) for number in range(0, 45, 3)])
    service = Cohorts(made)
    for name, text in COHORTS.items():
        service.add(name, text)
    return made


@pytest.mark.parametrize("name", COHORTS)
def test_each_point_is_what_count_as_of_says(shop, name):
    instants = [NOON - timedelta(days=days) for days in (36, 12, 3, 0)]
    found = history(shop, name, instants)
    assert [point.at for point in found.points] == instants
    assert [point.size for point in found.points] == [Cohorts(shop).count(name, as_of=at).count for at in instants]
    assert len({point.size for point in found.points}) > 1


@pytest.mark.parametrize("name", ["both", "then"])
def test_who_entered_and_left_is_the_difference_of_two_days(shop, name):
    since, until = NOON - timedelta(days=30), NOON - timedelta(days=9)

    def members(at: datetime) -> set[str]:
        return {row["person"] for row in Cohorts(shop).members(name, as_of=at)}

    found = {(row["person"], row["change"]) for row in changes(shop, name, since, until)}
    entered, left = members(until) - members(since), members(since) - members(until)
    assert found == {(person, "entered") for person in entered} | {(person, "left") for person in left}
    assert found


def test_days_end_by_the_zones_clocks_and_today_ends_now():
    found = ends(date(2026, 10, 24), date(2026, 10, 26), Every.DAY, OSLO, datetime(2026, 10, 26, 8, tzinfo=UTC))
    assert [each.isoformat() for each in found] == [
        "2026-10-24T21:59:59.999999+00:00", "2026-10-25T22:59:59.999999+00:00", "2026-10-26T08:00:00+00:00",
    ]  # fmt: skip
    weeks = ends(date(2026, 10, 1), date(2026, 10, 20), Every.WEEK, OSLO, NOON)
    assert [each.astimezone(OSLO).date() for each in weeks] == [date(2026, 10, day) for day in (6, 13, 20)]


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 10, 2), date(2026, 10, 1), "end on 2026-10-01"),
        (date(2020, 1, 1), date(2026, 10, 1), "points"),
        (date(2027, 1, 1), date(2027, 1, 2), "still to come"),
    ],
)
def test_days_that_cannot_be_are_refused(first, last, said):
    with pytest.raises(UsageError, match=said):
        ends(first, last, Every.DAY, OSLO, NOON)


def test_a_list_has_no_points_of_before_it_was_made(hub, tmp_path):
    file = tmp_path / "list.txt"
    file.write_text("ann\nbob\n")
    hub.lists.add_static("vips", file)
    hub.cohorts.add("buying vips", "{version: 1, any: [{cohort: vips}, {did: Purchase}]}")
    at = now()
    for name in ("vips", "buying vips"):
        found = hub.cohorts.history(name, [at - timedelta(days=1), at])
        assert [(point.at, point.size) for point in found.points] == [(at, 2)]
        assert "has no history before it was made" in found.left_out
    with pytest.raises(UsageError, match="no history"):
        hub.cohorts.history("vips", [at - timedelta(days=1)])


def test_the_commands_tell_the_history_and_mark_what_was_recorded(workspace, cli):
    at = now()
    add_events(workspace, [EventRow("ann", "Purchase", at - timedelta(days=3)), EventRow("bob", "Purchase", at)])
    Cohorts(workspace).add("buyers", "{version: 1, did: Purchase}")
    refresh(workspace, ["buyers"])
    found = json.loads(cli("cohort", "history", "buyers", "--days", "3", "--json").stdout)
    assert [point["count"] for point in found["points"]] == [1, 1, 2]
    assert [bool(point["recorded"]) for point in found["points"]] == [False, False, True]
    told = found["points"][-1]["recorded"]
    assert (told["count"], told["entered"], told["left"], told["version"]) == (2, 2, 0, 1)
    printed = cli("cohort", "history", "buyers", "--days", "3", "--plot").stdout
    assert "people in buyers" in printed
    assert printed.splitlines()[3].endswith("2\t+1\t*")
    since = (at - timedelta(days=1)).isoformat()
    rows = cli("cohort", "history", "buyers", "--between", since, now().isoformat(), "--entered", "--json")
    assert json.loads(rows.stdout) == {"person": "bob", "change": "entered", "email": None}
    assert "1 entered and 0 left" in rows.stderr
    assert cli("cohort", "history", "buyers", "--between", since, since).returncode == 2


def test_known_at_hides_what_the_hub_got_later_and_as_of_keeps_todays_profiles(workspace):
    made = Cohorts(workspace)
    add_profiles(workspace, [ProfileRow("ann", {"plan": "pro"})])  # known since 2026-01-01
    made.add("pros", "{version: 1, profile: plan, op: '=', value: pro}")
    before = datetime(2025, 6, 1, tzinfo=UTC)
    assert made.count("pros", as_of=before).count == 1
    assert made.count("pros", as_of=before, known_at=before).count == 0
    assert [row["person"] for row in made.members("pros", known_at=before)] == []
