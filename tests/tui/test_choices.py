"""What is typed into the form that starts a sync."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import InputError
from tui.choices import UNITS, counted, interval, mapping


@pytest.mark.parametrize("count", ["", "0", "-2", "1.5", "two", "²"])
def test_an_interval_that_is_no_whole_number_above_0_is_refused(count):
    with pytest.raises(InputError, match="whole number above 0"):
        interval(count, "hours")


def test_an_interval_longer_than_time_itself_is_refused():
    with pytest.raises(InputError, match="too long"):
        interval("9" * 12, "days")


@given(count=st.integers(1, 10_000), unit=st.sampled_from(sorted(UNITS)))
def test_an_interval_survives_being_shown_in_the_form(count, unit):
    chosen = interval(str(count), unit)

    assert interval(*counted(chosen)) == chosen


def test_an_interval_is_shown_in_its_largest_whole_unit():
    assert counted(timedelta(hours=2)) == ("2", "hours")
    assert counted(timedelta(minutes=90)) == ("90", "minutes")
    assert counted(timedelta(days=7)) == ("7", "days")


def test_a_mapping_is_read_line_by_line():
    assert mapping("FNAME=$first_name\n\n  PLAN = plan \n") == {"FNAME": "$first_name", "PLAN": "plan"}
    assert mapping("") == {}
    assert mapping("PLAN=plan|lower", "PLAN = clear") == {"PLAN": {"value": "plan|lower", "missing": "clear"}}
    with pytest.raises(InputError, match="Nothing is sent as AGE"):
        mapping("PLAN=plan", "AGE=clear")


@pytest.mark.parametrize("line", ["FNAME", "=plan", "PLAN=", "PLAN $plan", "PLAN=plan|lowr"])
def test_a_line_that_is_no_mapping_is_named(line):
    with pytest.raises(InputError, match="Line 2"):
        mapping(f"FNAME=$first_name\n{line}")


def test_a_target_that_is_there_twice_is_named():
    with pytest.raises(InputError, match=r"Line 3.*PLAN is there twice"):
        mapping("PLAN=plan\n\nPLAN=tier")
