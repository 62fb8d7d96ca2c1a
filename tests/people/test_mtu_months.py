"""Monthly tracked users over several months and by source: a count by hand gives the same."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.connectors.messages import MessageEventKind, MessageEvents
from hub.errors import UsageError
from hub.people.mtu import mtu, mtu_by_month
from tests.lake_rows import EventRow, ProfileRow, add_events, add_identity, add_profiles, make_workspace

ACME = MessageEvents("acme", "https://acme.example/events", (MessageEventKind("sent", "Acme Sent", exempt=True),))
EXEMPT = {("acme", "Acme Sent"), ("braze", "Email Send")}
EXEMPT_EVERYWHERE = {"$identify", "$campaign_delivery"}

# each with a month whose first midnight its clock changes at: skipped, passed twice, or dropped with a whole day
CHANGES = [
    ("UTC", 2026, 11),
    ("America/New_York", 2026, 11),
    ("Asia/Kathmandu", 2026, 3),
    ("America/Havana", 2026, 11),  # 01:00 becomes 00:00 on 1 November: midnight comes twice
    ("Asia/Amman", 2016, 4),  # 00:00 becomes 01:00 on 1 April: there is no midnight
    ("America/Asuncion", 2017, 10),  # 00:00 becomes 01:00 on 1 October
    ("Pacific/Kiritimati", 1995, 1),  # 31 December 1994 does not exist
    ("Pacific/Apia", 2012, 1),  # nor does 30 December 2011
]

_projects = count(1000)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """One hub for many examples, each a project of its own in it."""
    return make_workspace(tmp_path_factory.mktemp("mtu") / "home")


def _project(lake, timezone):
    return replace(lake, project=replace(lake.project, id=next(_projects), timezone=timezone))


def _by_hand(rows, zone, month):
    """People of a month by the calendar on the wall: everybody, and those tracked by source."""
    everybody, by_source = set(), defaultdict(set)
    for row in rows:
        if row.time.astimezone(zone).strftime("%Y-%m") != month:
            continue
        everybody.add(row.person)
        if row.event not in EXEMPT_EVERYWHERE and (row.source, row.event) not in EXEMPT:
            by_source[row.source or ""].add(row.person)
    tracked = set().union(*by_source.values())
    return {
        "month": month,
        "mtu": len(tracked),
        "exempt_only": len(everybody - tracked),
        "by_source": {source: len(people) for source, people in by_source.items()},
    }


def _names(year, month, how_many):
    names = []
    while len(names) < how_many:
        names.insert(0, f"{year:04}-{month:02}")
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    return names


EVENT = st.tuples(
    st.sampled_from(["ann", "bob", "cid", "dot", "eve"]),
    st.sampled_from(["Open", "Acme Sent", "Email Send", "$identify", "$campaign_delivery", "$campaign_open"]),
    st.sampled_from([None, "acme", "braze", "Acme", ""]),
    st.integers(-3, 1),  # months from the edge
    st.one_of(st.integers(-3, 3), st.integers(-3 * 3600 * 10**6, 3 * 3600 * 10**6), st.integers(0, 27 * 86400 * 10**6)),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(CHANGES),
    events=st.lists(EVENT, max_size=40),
    months=st.integers(1, 5),
    by_source=st.booleans(),
)
def test_months_and_sources_are_those_of_a_count_by_hand(lake, place, events, months, by_source):
    timezone, year, month = place
    zone = ZoneInfo(timezone)
    rows = []
    for person, event, source, shift, offset in events:
        number = year * 12 + month - 1 + shift
        edge = datetime(number // 12, number % 12 + 1, 1, tzinfo=zone).astimezone(UTC)
        rows.append(EventRow(person, event, edge + timedelta(microseconds=offset), source=source))
    project = _project(lake, timezone)
    add_events(project, rows)
    names = _names(year, month, months)

    found = mtu_by_month(project, months, names[-1], [ACME], by_source=by_source)

    expected = [_by_hand(rows, zone, name) for name in names]
    if not by_source:
        for each in expected:
            del each["by_source"]
    assert [each.figures() for each in found] == expected
    assert mtu(project, names[-1], [ACME]).figures() == {
        key: value for key, value in expected[-1].items() if key != "by_source"
    }


@pytest.mark.parametrize(("timezone", "year", "month"), CHANGES)
def test_a_month_begins_with_the_first_instant_that_the_wall_calls_so(lake, timezone, year, month):
    # the calendar asked minute by minute, not the code that computes edges
    zone, instant = ZoneInfo(timezone), datetime(year, month, 1, tzinfo=UTC) - timedelta(days=2)
    while (instant.astimezone(zone).year, instant.astimezone(zone).month) != (year, month):
        instant += timedelta(minutes=1)
    project = _project(lake, timezone)
    add_events(project, [EventRow("last", "A", instant - timedelta(microseconds=1)), EventRow("first", "A", instant)])
    add_events(project, [EventRow("first", "A", instant + timedelta(hours=2))])

    before, after = mtu_by_month(project, 2, f"{year}-{month:02}")

    assert (before.mtu, after.mtu) == (1, 1)


def test_a_clock_turned_back_over_the_months_first_midnight_has_begun_the_month(lake):
    # Newfoundland, 1 November 2009: 00:01 became 23:01 of 31 October; an event counts in one month all the same
    project = _project(lake, "America/St_Johns")
    midnight = datetime(2009, 11, 1, 2, 30, tzinfo=UTC)
    add_events(
        project, [EventRow(str(minute), "A", midnight + timedelta(minutes=minute)) for minute in (-1, 0, 30, 61)]
    )

    before, after = mtu_by_month(project, 2, "2009-11")

    assert (before.mtu, after.mtu) == (1, 3)


def test_months_without_events_are_there_and_have_nobody(lake):
    project = _project(lake, "Europe/Oslo")
    add_events(project, [EventRow("ann", "A", datetime(2026, 1, 15, tzinfo=UTC))])

    found = mtu_by_month(project, 14, "2026-12", by_source=True)

    assert [each.month for each in found] == ["2025-11", "2025-12", *(f"2026-{number:02}" for number in range(1, 13))]
    assert [each.mtu for each in found] == [0, 0, 1, *[0] * 11]
    assert found[0].figures() == {"month": "2025-11", "mtu": 0, "exempt_only": 0, "by_source": {}}


def test_a_person_counts_under_each_source_and_once_in_the_month_whatever_the_id(lake):
    project, time = _project(lake, "UTC"), datetime(2026, 11, 15, tzinfo=UTC)
    add_profiles(project, [ProfileRow("ann", {"$email": "ann@x.no"})])
    add_identity(project, {"device": "ann"})
    add_events(
        project,
        [
            EventRow("device", "Open", time),
            EventRow("$match:$email:ann@x.no", "Acme Opened", time, source="acme"),
            EventRow("ann", "Acme Opened", time, source="acme"),
            EventRow("ann", "Email Open", time, source="braze"),
            EventRow("bob", "Acme Sent", time, source="acme"),
        ],
    )

    assert mtu(project, "2026-11", [ACME], by_source=True).figures() == {
        "month": "2026-11",
        "mtu": 1,
        "exempt_only": 1,
        "by_source": {"": 1, "acme": 1, "braze": 1},
    }


def test_events_of_other_projects_are_nobodys_here(lake):
    mine, other = _project(lake, "UTC"), _project(lake, "UTC")
    add_events(other, [EventRow("ann", "A", datetime(2026, 11, 15, tzinfo=UTC))])

    assert [each.mtu for each in mtu_by_month(mine, 3, "2026-12")] == [0, 0, 0]


@pytest.mark.parametrize(("months", "until"), [(13, "0001-12"), (2, "2026-13"), (2, "soon")])
def test_months_that_there_are_not_are_refused(lake, months, until):
    with pytest.raises(UsageError, match="is not a month"):
        mtu_by_month(lake, months, until)
