"""When a clause turns by itself, to the microsecond, and by what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cohorts.edges import MICROSECOND, after, before, bounds
from hub.cohorts.explain.crossing import earlier_moments, passed, window_moments
from hub.cohorts.explain.explaining import explain
from hub.cohorts.question import Question
from hub.cohorts.windows import Span
from tests.cohorts.asking import definition_of
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

OSLO = ZoneInfo("Europe/Oslo")
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def asked(tmp_path):
    """Explain `ann`, in Oslo, by a definition's text, as of NOW unless said."""
    workspace = make_workspace(tmp_path / "home", timezone="Europe/Oslo")

    def ask(definition, *, events=(), profile=None, now=NOW):
        if events:
            add_events(workspace, events)
        if profile is not None:
            add_profiles(workspace, [ProfileRow("ann", profile)])
        with workspace.reading() as reader:
            return explain(reader, workspace.project, Question(definition_of(definition), now), "ann")

    return ask


def bought(time, **properties):
    return EventRow("ann", "Purchase", time, properties)


def test_somebody_leaves_a_microsecond_after_the_event_is_as_old_as_the_window(asked):
    found = asked("{did: Purchase, window: 30 days}", events=[bought(NOW - 10 * DAY)])

    assert found.member
    assert found.since.at == NOW - 10 * DAY
    assert found.since.cause.kind == "takes place"
    assert found.until.at == NOW + 20 * DAY + MICROSECOND
    assert (found.until.cause.kind, found.until.cause.of) == ("leaves the window", NOW - 10 * DAY)


def test_somebody_who_bought_lately_enters_when_the_last_purchase_is_old_enough(asked):
    events = [bought(NOW - 50 * DAY), bought(NOW - 3 * DAY)]

    found = asked("{did_not: Purchase, window: 30 days}", events=events)

    assert not found.member
    assert found.until.at == NOW + 27 * DAY + MICROSECOND
    assert found.until.cause.of == NOW - 3 * DAY


def test_a_count_falls_with_the_oldest_event_that_it_needs(asked):
    events = [bought(NOW - days * DAY) for days in (80, 40, 20, 10)]

    found = asked("{did: Purchase, count: {at_least: 3}, window: 90 days}", events=events)

    assert found.clause.evidence.value == 4
    assert found.until.at == NOW + 50 * DAY + MICROSECOND
    assert found.until.cause.of == NOW - 40 * DAY


def test_a_window_of_months_goes_by_the_calendar_and_by_the_clocks_of_the_zone(asked):
    in_summer = datetime(2026, 10, 24, 14, 5, tzinfo=OSLO)

    found = asked("{did: Purchase, window: 3 months}", events=[bought(in_summer)])

    assert found.until.at == datetime(2027, 1, 24, 14, 5, tzinfo=OSLO) + MICROSECOND


def test_more_than_so_long_ago_begins_to_hold_and_stays(asked):
    found = asked("{did: Purchase, window: more than 7 days ago}", events=[bought(NOW - DAY)])

    assert not found.member
    assert found.until.at == NOW + 6 * DAY + MICROSECOND
    assert found.until.cause.kind == "enters the window"


def test_a_window_of_dates_does_not_move(asked):
    found = asked("{did: Purchase, window: since 2026-11-01}", events=[bought(NOW - DAY)])

    assert found.member
    assert found.until.at is None


def test_a_trial_that_ends_comes_near_and_passes(asked):
    test = "{profile: trial ends, op: in the next, value: 3 days}"

    found = asked(test, profile={"trial ends": "2026-11-30T12:00:00Z"})
    later = asked(test, now=NOW + 3 * DAY)

    assert (found.member, found.until.at) == (False, NOW + 2 * DAY)
    assert found.until.cause.kind == "comes near a date"
    assert (later.member, later.until.at) == (True, NOW + 5 * DAY)
    assert later.until.cause.kind == "passes a date"


def test_a_decline_turns_when_events_move_into_the_time_before(asked):
    events = [bought(NOW - days * DAY) for days in (5, 8, 40)]

    found = asked("{did: Purchase, change: {less_than: 50, before: 30 days}, window: 30 days}", events=events)

    # on the 22nd day from now the one of 8 days ago is in the time before: 1 is less than half of 2 no sooner than
    # when the one of 5 days ago has gone there, too
    assert (found.clause.evidence.value, found.clause.evidence.before) == (2, 1)
    assert found.until.at == NOW + 25 * DAY + MICROSECOND


def test_what_is_always_so_has_neither_a_since_nor_an_until(asked):
    found = asked("{did_not: Purchase}", profile={"plan": "pro"})

    assert found.member
    assert (found.since.at, found.until.at) == (None, None)


def test_somebody_without_a_profile_is_one_of_the_people_from_their_first_event_on(asked):
    found = asked("{did_not: Purchase}", events=[EventRow("ann", "App Open", NOW - DAY)])

    assert found.member
    assert found.since.at == NOW - DAY
    assert found.since.cause.kind == "known"


def test_a_group_turns_by_the_first_of_its_clauses_that_does(asked):
    events = [bought(NOW - 10 * DAY), EventRow("ann", "App Open", NOW - 25 * DAY)]
    text = "{all: [{did: Purchase, window: 30 days}, {did: App Open, window: 30 days}]}"

    found = asked(text, events=events)

    assert found.since.at == NOW - 10 * DAY
    assert found.until.at == NOW + 5 * DAY + MICROSECOND
    assert found.until.cause.thing == "App Open"


def test_only_the_clause_that_keeps_somebody_out_decides(asked):
    text = "{all: [{did: Purchase}, {not: {did: App Open}}, {any: [{did: Purchase}, {did: Search}]}]}"

    found = asked(text, events=[bought(NOW - DAY), EventRow("ann", "App Open", NOW - DAY)])

    assert [each.text for each in found.deciding] == ['did "App Open"']


INSTANTS = st.datetimes(datetime(2026, 1, 25), datetime(2026, 4, 5)).map(lambda each: each.replace(tzinfo=UTC))
CLOCK_CHANGES = st.sampled_from([datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2025, 10, 26, 1, tzinfo=UTC)])
NEAR_CHANGES = st.tuples(CLOCK_CHANGES, st.integers(-8_000_000, 8_000_000)).map(
    lambda pair: pair[0] + pair[1] * timedelta(milliseconds=1)
)


@settings(max_examples=150, deadline=None)
@given(
    instant=INSTANTS | NEAR_CHANGES,
    n=st.sampled_from([1, 2, 5, 12, -1, -2, -5]),
    zone=st.sampled_from([OSLO, ZoneInfo("America/New_York"), ZoneInfo("America/Santiago")]),
    asked=st.lists(st.integers(-6 * 86_400, 6 * 86_400), min_size=5, max_size=30),
)
def test_an_edge_of_months_passes_an_instant_only_where_it_is_said_to(instant, n, zone, asked):
    span = Span(n=abs(n), unit="month")
    edge = (lambda now: before(now, span, zone)) if n > 0 else (lambda now: after(now, span, zone))
    told = sorted(set(passed(instant, n, "month", zone)))
    around = told[len(told) // 2]
    # between two instants that are told, the answer is the same everywhere
    looked = sorted({*told, *(each - MICROSECOND for each in told), *(around + timedelta(seconds=s) for s in asked)})
    answer = edge(looked[0]) > instant
    for now in looked[1:]:
        if now in told:
            answer = edge(now) > instant
        assert (edge(now) > instant) == answer, now


@settings(max_examples=60, deadline=None)
@given(
    time=INSTANTS | NEAR_CHANGES,
    n=st.sampled_from([1, 2]),
    length=st.sampled_from([Span(n=1, unit="month"), Span(n=30, unit="day"), Span(n=5, unit="hour")]),
    days=st.lists(st.integers(0, 150 * 24), min_size=5, max_size=30),
)
def test_the_time_before_a_window_holds_an_event_only_from_and_until_what_is_said(time, n, length, days):
    definition = definition_of(
        f"{{did: A, window: {n} months, change: {{less_than: 50, before: {length.n} {length.unit}s}}}}"
    )
    window = definition.clause.window
    told = sorted({*window_moments(window, time, OSLO), *earlier_moments(window, length, time, OSLO)})

    def within(now):
        start = bounds(window, now, OSLO).start
        return before(start, length, OSLO) <= time < start

    looked = sorted({*told, *(each - MICROSECOND for each in told), *(time + timedelta(hours=h) for h in days)})
    answer = within(looked[0])
    for now in looked[1:]:
        if now in told:
            answer = within(now)
        assert within(now) == answer, now
