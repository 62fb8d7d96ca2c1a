"""Windows to the microsecond, in zones whose clocks change (design: "Windows")."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cohorts.edges import bounds, day_start
from hub.cohorts.reading import read_definition

NOW = datetime(2026, 11, 23, 14, 5, 6, 789, tzinfo=UTC)
US = timedelta(microseconds=1)
OSLO, NEW_YORK = ZoneInfo("Europe/Oslo"), ZoneInfo("America/New_York")


def _window(text: str):
    return read_definition(f"version: 1\ndid: A\nwindow: {text}").clause.window


def _bounds(text: str, *, now: datetime = NOW, zone: ZoneInfo = OSLO):
    return bounds(_window(text), now, zone)


@pytest.mark.parametrize(
    ("short", "written_out"),
    [
        ("90 days", "{last: {n: 90, unit: day}}"),
        ("in last 90 days", "{last: {n: 90, unit: days}}"),
        ("last 1 month", "{last: {n: 1, unit: month}}"),
        ("more than 2 weeks ago", "{more_than_ago: {n: 2, unit: week}}"),
        ("between 60 and 30 days ago", "{between_ago: {n: 60, m: 30, unit: day}}"),
        ("between 2026-01-01 and 2026-01-31", "{from: 2026-01-01, to: 2026-01-31}"),
        ("since 2026-01-01", "{since: 2026-01-01}"),
        ("before 2026-01-01", "{before: 2026-01-01}"),
        ("ever", "{ever: true}"),
    ],
)
def test_the_short_text_means_the_same_as_the_keys(short, written_out):
    assert _window(f'"{short}"') == _window(written_out)


def test_in_last_includes_both_of_its_ends():
    found = _bounds("90 days")
    start = NOW - timedelta(days=90)
    assert [found.contain(instant) for instant in (start - US, start, NOW, NOW + US)] == [False, True, True, False]


def test_between_ago_includes_the_far_end_and_not_the_near_one():
    found = _bounds("between 60 and 30 days ago")
    start, end = NOW - timedelta(days=60), NOW - timedelta(days=30)
    assert [found.contain(instant) for instant in (start - US, start, end - US, end)] == [False, True, True, False]


def test_more_than_ago_excludes_its_end():
    found = _bounds("more than 2 weeks ago")
    end = NOW - timedelta(weeks=2)
    assert found.start is None
    assert [found.contain(instant) for instant in (end - US, end)] == [True, False]


def test_no_window_is_ever_and_ends_at_now():
    for found in (bounds(None, NOW, OSLO), _bounds("ever")):
        assert found.contain(NOW)
        assert not found.contain(NOW + US)
        assert found.contain(datetime(1971, 1, 1, tzinfo=UTC))


def test_dates_are_days_of_the_zone_with_both_ends_included():
    found = _bounds("between 2026-03-01 and 2026-03-31")
    # Oslo is an hour ahead on the 1st; on the 29th its clocks go forward, so the 31st ends two hours before UTC's
    assert found.start == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert found.end == datetime(2026, 3, 31, 22, tzinfo=UTC)


def test_since_includes_its_day_and_before_excludes_it():
    midnight = datetime(2026, 11, 1, 4, tzinfo=UTC)  # New York, the day its clocks go back
    since, before = _bounds("since 2026-11-01", zone=NEW_YORK), _bounds("before 2026-11-01", zone=NEW_YORK)
    assert (since.contain(midnight), since.contain(midnight - US)) == (True, False)
    assert (before.contain(midnight), before.contain(midnight - US)) == (False, True)


def test_a_window_of_days_to_come_ends_at_now():
    for text in ("before 2027-01-01", "between 2026-01-01 and 2027-01-01", "since 2026-01-01"):
        assert _bounds(text).end == NOW + US


def test_a_day_is_24_hours_although_the_clocks_changed():
    now = datetime(2026, 10, 26, 12, tzinfo=UTC)  # Oslo's clocks went back the day before
    assert _bounds("2 days", now=now).start == datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert _bounds("48 hours", now=now).start == datetime(2026, 10, 24, 12, tzinfo=UTC)


def test_a_month_is_a_calendar_month_of_the_zone():
    now = datetime(2026, 11, 23, 14, tzinfo=UTC)  # 15:00 in Oslo
    assert _bounds("1 month", now=now).start == datetime(2026, 10, 23, 13, tzinfo=UTC)  # 15:00 summer time
    assert _bounds("12 months", now=now).start == datetime(2025, 11, 23, 14, tzinfo=UTC)


def test_a_month_before_the_31st_of_march_is_the_last_of_february():
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert _bounds("1 month", now=now, zone=ZoneInfo("UTC")).start == datetime(2026, 2, 28, 12, tzinfo=UTC)
    assert _bounds("13 months", now=now, zone=ZoneInfo("UTC")).start == datetime(2025, 2, 28, 12, tzinfo=UTC)


def test_a_day_begins_at_the_leap_where_clocks_leap_over_midnight():
    havana = ZoneInfo("America/Havana")  # on 8 March 2026 its clocks go from 00:00 to 01:00
    start = day_start(date(2026, 3, 8), havana)
    assert start.astimezone(havana).hour == 1
    assert (start - US).astimezone(havana).date() == date(2026, 3, 7)


def test_months_are_the_partitions_that_the_bounds_touch():
    assert _bounds("90 days").months() == ["2026-08", "2026-09", "2026-10", "2026-11"]
    assert _bounds("between 2025-12-31 and 2026-01-01", zone=ZoneInfo("UTC")).months() == ["2025-12", "2026-01"]
    assert _bounds("between 2026-01-01 and 2026-01-31", zone=ZoneInfo("UTC")).months() == ["2026-01"]
    assert _bounds("ever").months() is None


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    st.integers(1, 400),
    st.sampled_from(["hour", "day", "week", "month"]),
    st.sampled_from([OSLO, NEW_YORK, ZoneInfo("UTC"), ZoneInfo("Asia/Kathmandu"), ZoneInfo("Pacific/Apia")]),
)
def test_three_windows_that_meet_hold_every_instant_once(now, n, unit, zone):
    far = _bounds(f"more than {2 * n} {unit} ago", now=now, zone=zone)
    middle = _bounds(f"between {2 * n} and {n} {unit} ago", now=now, zone=zone)
    near = _bounds(f"{n} {unit}", now=now, zone=zone)
    for instant in (now, near.start, near.start - US, middle.start, middle.start - US):
        assert sum(window.contain(instant) for window in (far, middle, near)) == 1


@given(st.dates(date(1971, 1, 1), date(2100, 1, 1)), st.sampled_from([OSLO, NEW_YORK, ZoneInfo("America/Havana")]))
def test_the_first_instant_of_a_day_is_of_that_day_and_the_one_before_is_not(day, zone):
    start = day_start(day, zone)
    assert start.astimezone(zone).date() == day
    assert (start - US).astimezone(zone).date() < day
