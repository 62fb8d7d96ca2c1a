"""Figures, times and states as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sync.models import Progress
from hub.sync.states import RunState
from tests.tui.fakes import NOW, ZONE, run
from tui import words

pytestmark = pytest.mark.usefixtures("at_rest")


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (None, "once"),
        (timedelta(minutes=30), "30 min"),
        (timedelta(hours=2), "2 h"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(days=1), "1 d"),
    ],
)
def test_how_often_a_sync_runs_is_said_in_the_units_that_people_use(interval, text):
    assert words.every(interval) == text


@pytest.mark.parametrize(
    ("passed", "text"),
    [
        (timedelta(seconds=0.42), "0.4 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(seconds=185), "3 min 5 s"),
        (timedelta(hours=2, minutes=10, seconds=3), "2 h 10 min"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(passed, text):
    assert words.took(passed) == text


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (NOW, "10:05"),
        (datetime(2026, 11, 23, 23, 30, tzinfo=UTC), "tomorrow 00:30"),
        (datetime(2026, 11, 21, 22, 59, tzinfo=UTC), "21 Nov 23:59"),
        (datetime(2026, 11, 21, 23, 0, tzinfo=UTC), "yesterday 00:00"),
        (datetime(2025, 1, 31, 12, 0, tzinfo=UTC), "2025-01-31"),
        (None, "never"),
    ],
)
def test_an_instant_is_told_by_the_days_of_the_projects_zone(instant, text):
    assert words.when(instant, ZONE) == text


@given(count=st.integers(0, 10**11), width=st.integers(5, 8))
def test_a_compact_count_never_outgrows_its_column(count, width):
    assert len(words.compact(count, width)) <= width


@pytest.mark.parametrize(
    ("count", "text"), [(99_999, "99,999"), (100_000, "100k"), (4_567_890, "4.5M"), (45_678_901, "45M")]
)
def test_a_large_count_is_shortened_rather_than_cut_off(count, text):
    assert words.compact(count) == text


@given(done=st.integers(0, 10**7), total=st.integers(0, 10**7), width=st.integers(8, 60))
def test_a_bar_is_as_wide_as_asked_and_never_more_than_full(done, total, width):
    bar = words.bar(done, total, width)

    assert len(bar) == width
    assert 0 <= int(bar[-4:-1]) <= 100


def test_a_run_is_full_only_when_everything_is_answered():
    nearly = run(state=RunState.DELIVERING, batches=1000, batches_done=999)

    assert "100%" not in words.run_bar(nearly, None, 12)
    assert "100%" in words.run_bar(run(), None, 12)


def test_a_run_here_is_measured_by_members_and_one_elsewhere_by_batches():
    under_way = run(state=RunState.DELIVERING, batches=10, batches_done=2)

    assert "20%" in words.run_bar(under_way, None, 12)
    assert "75%" in words.run_bar(under_way, Progress(1, RunState.DELIVERING, 75, 100), 12)


def test_a_result_names_only_what_happened():
    assert words.result(run(added=12, updated=0, removed=1, rejected=0)) == "+12 −1"
    assert words.result(run(added=0, updated=0, removed=0, rejected=0)) == "no change"
    assert words.result(run(added=0, updated=0, removed=0, rejected=2, owed=5)) == "2 rejected, 5 owed"
