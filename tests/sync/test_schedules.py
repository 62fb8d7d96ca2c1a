"""Schedules: cron and the clock changes of zones, followers, pauses, and clocks that jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.clock import now
from hub.errors import HubError, NotFound, UsageError
from hub.store.tables import syncs
from hub.sync.due import due_syncs, follow_clock
from hub.sync.schedule import MOST_MISSED, After, Cron, Every, Once, believed, next_tick

OSLO = "Europe/Oslo"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def ticks(expression: str, zone: str, start: str, count: int) -> list[str]:
    """The next `count` ticks after a local time, as a scheduler that asks again after each finds them."""
    cron, local = Cron(expression, zone), ZoneInfo(zone)
    at = datetime.fromisoformat(start).replace(tzinfo=local).astimezone(UTC)
    found = []
    for _ in range(count):
        at = cron.next_after(at, "UTC")
        found.append(f"{at.astimezone(local):%m-%d %H:%M%z}")
    return found


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        # in the night to 29 March 2026, Oslo's clocks went from 02:00 to 03:00
        ("30 2 * * *", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:30+0200"]),
        ("*/15 2 * * *", "2026-03-29T01:00", ["03-29 03:00+0200", "03-30 02:00+0200"]),
        ("0 */2 * * *", "2026-03-29T00:30", ["03-29 03:00+0200", "03-29 04:00+0200"]),
        ("30 2,3 * * *", "2026-03-29T00:30", ["03-29 03:00+0200", "03-29 03:30+0200", "03-30 02:30+0200"]),
        ("30 * * * *", "2026-03-29T01:00", ["03-29 01:30+0100", "03-29 03:30+0200"]),
        # in the night to 25 October 2026, they went from 03:00 to 02:00
        ("30 2 * * *", "2026-10-24T12:00", ["10-25 02:30+0200", "10-26 02:30+0100"]),
        ("0 */2 * * *", "2026-10-25T01:00", ["10-25 02:00+0200", "10-25 04:00+0100"]),
        ("*/30 2 * * *", "2026-10-25T01:00", ["10-25 02:00+0200", "10-25 02:30+0200", "10-26 02:00+0100"]),
        ("30 * * * *", "2026-10-25T01:45", ["10-25 02:30+0200", "10-25 02:30+0100", "10-25 03:30+0100"]),
        ("0 7 * * 1-5", "2026-10-23T08:00", ["10-26 07:00+0100", "10-27 07:00+0100"]),
    ],
    ids=[
        "a time that is skipped is served right after the change",
        "several that are skipped are served once",
        "every second hour is a time of day too: the one that is skipped is served right after",
        "one that is skipped and the one after it are two",
        "every hour goes on as time passes: no hour is missing",
        "a time that happens twice is served the first time only",
        "every second hour happens once, too",
        "several that happen twice are served once each",
        "every hour goes on as time passes: both hours count",
        "working days skip the weekend with the change in it",
    ],
)
def test_when_clocks_change(expression, start, expected):
    assert ticks(expression, OSLO, start, len(expected)) == expected


def test_asked_in_the_second_of_two_equal_hours_the_tick_of_the_first_is_past():
    second = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=ZoneInfo(OSLO))

    assert f"{Cron('30 2 * * *', OSLO).next_after(second, 'UTC'):%d %H:%M}" == "26 01:30"


def test_a_cron_schedule_without_a_zone_is_of_the_project():
    at = datetime(2026, 1, 5, tzinfo=UTC)

    assert Cron("0 7 * * *").next_after(at, OSLO) == at + timedelta(hours=6)
    assert Cron("0 7 * * *", "Asia/Kolkata").next_after(at, OSLO) == at + timedelta(hours=1, minutes=30)


@pytest.mark.parametrize(
    ("expression", "zone", "said"),
    [
        ("0 7 * *", "", "is not a cron schedule"),
        ("0 0 7 * * *", "", "is not a cron schedule"),
        ("0 25 * * *", "", "Bad hour"),
        ("", "", "is not a cron schedule"),
        ("0 0 30 2 *", "", "Bad day-of-month"),
        ("0 7 * * *", "Europe/Olso", "There is no time zone 'Europe/Olso'"),
        ("0 7 * * *", "../etc/passwd", "There is no time zone"),
    ],
)
def test_what_is_no_schedule_is_refused_with_a_sentence(expression, zone, said):
    with pytest.raises(UsageError, match=said):
        Cron(expression, zone)


@settings(max_examples=50, deadline=None)
@given(
    minute=st.sampled_from(["0", "30", "*/20", "5,35", "0-59/15"]),
    hour=st.sampled_from(["*", "2", "1-3", "*/2", "0", "23"]),
    zone=st.sampled_from([OSLO, "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    start=st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)),
)
def test_ticks_always_go_forward_and_no_time_of_day_is_served_twice(minute, hour, zone, start):
    cron, at = Cron(f"{minute} {hour} * * *", zone), start.replace(tzinfo=UTC)
    found = [at := cron.next_after(at, "UTC") for _ in range(30)]

    assert all(earlier < later for earlier, later in pairwise(found))
    if hour != "*":
        local = [f"{tick.astimezone(ZoneInfo(zone)):%m-%d %H:%M}" for tick in found]
        assert len({*local}) == len(local)


def test_ticks_that_nobody_was_there_for_are_counted_and_not_queued_up():
    due = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)  # a Monday, 07:00 in Oslo

    assert next_tick(Cron("0 7 * * 1-5", OSLO), due, due + MINUTE, "UTC") == (due + DAY, 0)
    assert next_tick(Cron("0 7 * * 1-5", OSLO), due, due + 7 * DAY, "UTC") == (due + 8 * DAY, 5)


def test_a_clock_that_leaps_by_years_is_counted_in_no_time():
    due = datetime(2026, 11, 2, tzinfo=UTC)

    following, missed = next_tick(Cron("* * * * *"), due, due + 3650 * DAY, "UTC")

    assert (following, missed) == (due + 3650 * DAY + MINUTE, MOST_MISSED)


def test_a_clock_that_is_set_back_serves_no_local_time_twice_and_puts_nothing_off_for_years():
    seven = datetime(2026, 11, 3, 7, 0, tzinfo=UTC)
    daily = Cron("0 7 * * *")

    assert believed(daily, seven + DAY, seven - MINUTE, "UTC", once_after=MINUTE) == seven + DAY
    assert believed(daily, seven + 400 * DAY, seven + MINUTE, "UTC", once_after=MINUTE) == seven + DAY
    assert believed(Every(2 * MINUTE), seven + DAY, seven, "UTC", once_after=MINUTE) == seven + 2 * MINUTE
    assert believed(Every(2 * MINUTE), seven + MINUTE, seven, "UTC", once_after=MINUTE) == seven + MINUTE
    assert believed(Once(), seven + DAY, seven, "UTC", once_after=MINUTE) == seven + MINUTE


def due(tiny, at=None) -> list[str]:
    return [each.name for each in due_syncs(tiny.workspace.store, at or now())]


async def test_a_follower_is_due_when_its_leader_has_run_and_what_it_did_not_follow_is_counted(tiny):
    tiny.syncs.start("loyal", "t", schedule=After("s"), audience="B", name="b")
    tiny.syncs.start("loyal", "t", schedule=After("b"), audience="C", name="c")
    assert due(tiny) == ["s"]

    await tiny.syncs.run("s")
    assert due(tiny) == ["b"]
    await tiny.syncs.run("s")
    await tiny.syncs.run("s")
    await tiny.syncs.run("b")

    assert due(tiny) == ["c"]
    assert (tiny.syncs.get("b").missed, tiny.syncs.get("b").next_run_at) == (2, None)
    assert tiny.syncs.get("c").figures()["after"] == "b"


def test_syncs_that_would_wait_for_each_other_are_refused_by_name(tiny):
    tiny.syncs.start("loyal", "t", schedule=After("s"), audience="B", name="b")
    tiny.syncs.start("loyal", "t", schedule=After("b"), audience="C", name="c")

    with pytest.raises(UsageError, match="These syncs would wait for each other: s after c after b after s"):
        tiny.syncs.change("s", schedule=After("c"))
    with pytest.raises(UsageError, match="b after b"):
        tiny.syncs.change("b", schedule=After("b"))
    with pytest.raises(NotFound, match="no sync 'nobody' to run after"):
        tiny.syncs.start("loyal", "t", schedule=After("nobody"), audience="D")


async def test_a_sync_that_another_follows_is_not_removed(tiny):
    tiny.syncs.start("loyal", "t", schedule=After("s"), audience="B", name="b")

    with pytest.raises(HubError, match="followed by b"):
        await tiny.syncs.remove("s")

    tiny.syncs.change("b", schedule=Once())
    await tiny.syncs.remove("s")


async def test_a_pause_loses_nothing_and_what_came_meanwhile_is_counted(tiny):
    await tiny.syncs.run("s")
    scheduled = tiny.syncs.pause("s").next_run_at
    late = scheduled + timedelta(hours=5)
    assert (due(tiny, late), tiny.syncs.get("s").state) == ([], "paused")

    resumed = tiny.syncs.resume("s")

    assert (resumed.state, resumed.next_run_at, due(tiny, late)) == ("active", scheduled, ["s"])
    with tiny.workspace.store.writing() as connection:
        connection.execute(syncs.update().values(next_run_at=now() - timedelta(hours=5)))
    await tiny.syncs.run("s")
    assert tiny.syncs.get("s").missed == 2


def test_another_schedule_keeps_what_is_due_and_takes_back_no_tick(tiny):
    at = tiny.syncs.get("s").next_run_at

    assert tiny.syncs.change("s", schedule=Cron("0 7 * * *", OSLO)).next_run_at == at
    with tiny.workspace.store.writing() as connection:
        connection.execute(syncs.update().values(next_run_at=now() + timedelta(hours=40)))
    changed = tiny.syncs.change("s", schedule=Cron("0 8 * * *", OSLO))
    assert changed.next_run_at == Cron("0 8 * * *", OSLO).next_after(now(), "UTC")
    assert tiny.syncs.change("s", schedule=Every(timedelta(hours=1))).next_run_at <= now() + timedelta(hours=1)
    assert tiny.syncs.change("s", schedule=Once()).next_run_at is not None


def test_what_a_clock_in_the_future_put_off_is_due_again_by_the_present_one(tiny):
    with tiny.workspace.store.writing() as connection:
        ahead = now() + 400 * DAY
        connection.execute(syncs.update().values(next_run_at=ahead + timedelta(hours=2), updated_at=ahead))

    assert follow_clock(tiny.workspace.store, now()) == 1
    assert follow_clock(tiny.workspace.store, now()) == 0
    assert tiny.syncs.get("s").next_run_at <= now() + timedelta(hours=2)


@pytest.mark.embedded
def test_ten_thousand_syncs_are_asked_for_in_one_question_by_an_index(tiny):
    store, at = tiny.workspace.store, now()
    with store.writing() as connection:
        known = dict(connection.execute(syncs.select()).one()._mapping)
        del known["id"]
        made = [{**known, "name": f"s{n}", "next_run_at": at + timedelta(seconds=n)} for n in range(1, 10_001)]
        connection.execute(syncs.insert(), made)
    asked: list[str] = []
    from sqlalchemy import event

    event.listen(store.engine, "before_cursor_execute", lambda c, cursor, said, *rest: asked.append(said))

    found = due_syncs(store, at + timedelta(seconds=100))

    assert len(found) == 101
    [question] = [said for said in asked if said.startswith("SELECT")]
    with store.reading() as connection:
        plan = " ".join(
            row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}", _parameters(question))
        )
    assert "ix_syncs_due" in plan
    assert "SCAN syncs" not in plan.replace("SCAN syncs USING INDEX", "")


def _parameters(question: str) -> tuple[str, ...]:
    return ("",) * question.count("?")
