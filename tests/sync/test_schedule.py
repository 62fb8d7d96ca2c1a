"""When a dynamic sync is due, and which ticks were missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.sync.schedule import Every, next_tick

DUE = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TWO_HOURS = timedelta(hours=2)


@pytest.mark.parametrize(
    ("late", "following", "missed"),
    [
        (timedelta(0), timedelta(hours=2), 0),
        (timedelta(minutes=119), timedelta(hours=2), 0),
        (timedelta(hours=2), timedelta(hours=4), 1),
        (timedelta(hours=9), timedelta(hours=10), 4),
    ],
)
def test_missed_ticks_are_counted_and_not_queued_up(late, following, missed):
    assert next_tick(Every(TWO_HOURS), DUE, DUE + late, "UTC") == (DUE + following, missed)


def test_a_tick_served_early_does_not_move_the_clock_back():
    assert next_tick(Every(TWO_HOURS), DUE, DUE - timedelta(minutes=5), "UTC") == (DUE + TWO_HOURS, 0)
