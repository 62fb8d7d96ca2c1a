"""How fresh what a sync keeps is: up to when everything is at the partner, and how long a change took to get there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub import MemberRefused, Outcome, PartnerUnavailable
from hub.clock import now
from hub.sync.freshness import FRESH, LATE, STALE, edges
from hub.sync.latency import Latency, latency_of, together
from hub.sync.schedule import After, Cron, Every, Once
from hub.sync.states import RunState
from tests.customers import NAMES, buy, email
from tests.sync.tiny import Tiny


def judged(hub, name: str = "s", *, at: datetime | None = None):
    [found] = [each for each in hub.syncs.list(at=at) if each.name == name]
    return found.freshness


async def test_a_sync_is_delivered_to_when_its_last_run_was_evaluated_that_left_nothing_owed(tiny):
    before = judged(tiny)
    assert before.delivered_to is None and before.state == FRESH and before.latency.measured == 0

    first = await tiny.syncs.run("s")

    assert judged(tiny).delivered_to == first.as_of
    assert judged(tiny).latency.measured == 0, "the first run tells what was there before the hub looked"
    assert (await tiny.syncs.run("s")).planned == 0
    assert judged(tiny).delivered_to > first.as_of, "a run that changes nothing says that all is there"


async def test_what_a_run_leaves_holds_it_back_to_when_the_oldest_change_came_in(tiny, tmp_path):
    first = await tiny.syncs.run("s")
    begun = now()
    buy(tiny, tmp_path, NAMES[:3], event="Returned", times=1)
    came = now()
    Tiny.answer = _away

    failed = await tiny.syncs.run("s")

    assert failed.state is RunState.FAILED and failed.owed == 3
    assert begun <= judged(tiny).delivered_to <= came
    assert judged(tiny).owed == 3

    tiny.syncs.change("s", mapping={"PLAN": "plan"})  # nobody can tell since when those changes wait
    was = judged(tiny).delivered_to
    held = await tiny.syncs.run("s")
    assert held.state is RunState.HELD and judged(tiny).delivered_to == was
    assert (await tiny.syncs.approve(held.id)).owed > 3
    assert judged(tiny).delivered_to == was

    Tiny.answer = None
    mended = await tiny.syncs.approve((await tiny.syncs.run("s")).id)
    assert judged(tiny).delivered_to == mended.as_of > first.as_of


async def test_a_change_takes_from_its_arrival_to_its_acknowledgement(tiny, tmp_path):
    await tiny.syncs.run("s")
    begun = now()
    buy(tiny, tmp_path, [f"q{number}" for number in range(6)], event="Opened")  # of nobody's interest
    buy(tiny, tmp_path, NAMES[:12], event="Returned", times=1)
    Tiny.answer = _refuses(NAMES[0])

    run = await tiny.syncs.run("s")

    assert (run.removed, run.rejected) == (11, 1)
    latency = judged(tiny).latency
    assert (latency.measured, latency.unmeasured) == (11, 0), "who was refused was not acknowledged"
    assert 0 < latency.quantile(0.5) <= latency.quantile(0.95) <= (now() - begun).total_seconds() * 1.1 + 0.1
    figures = tiny.syncs.get("s").figures()["freshness"]
    assert figures["acknowledged_after"]["measured"] == 11 and figures["parked"] == 1


async def test_whom_nothing_came_in_about_is_counted_and_not_measured(tiny, tmp_path):
    members = tmp_path / "members.csv"
    members.write_text("".join(f"{name}\n" for name in NAMES[:9]))
    tiny.lists.add_static("listed", members)
    tiny.syncs.start("listed", "t", every=timedelta(hours=2), audience="R", name="r")
    assert (await tiny.syncs.run("r")).added == 9
    members.write_text("".join(f"{name}\n" for name in NAMES[5:9]))
    tiny.lists.add_static("listed", members, replace=True)

    assert (await tiny.syncs.run("r")).removed == 5

    latency = judged(tiny, "r").latency
    assert (latency.measured, latency.unmeasured) == (0, 5)


SINCE = datetime(2026, 11, 20, 7, 0, 10, tzinfo=UTC)  # a Friday


@pytest.mark.parametrize(
    ("schedule", "within", "late", "stale"),
    [
        (Every(timedelta(hours=2)), None, SINCE + timedelta(hours=4, minutes=1), SINCE + timedelta(hours=8, minutes=1)),
        (Every(timedelta(hours=2)), timedelta(hours=1), SINCE + timedelta(hours=1), SINCE + timedelta(hours=2)),
        (
            Cron("0 7 * * 1-5"),  # a week-end is no delay
            None,
            datetime(2026, 11, 24, 7, 1, tzinfo=UTC),
            datetime(2026, 11, 26, 7, 1, tzinfo=UTC),
        ),
        (Once(), None, SINCE + timedelta(hours=1, minutes=1), SINCE + timedelta(hours=2, minutes=1)),
    ],
)
def test_a_sync_is_late_after_two_of_its_ticks_and_a_run_and_stale_after_four(schedule, within, late, stale):
    found = edges(schedule, SINCE, within=within, slowest=timedelta(minutes=1), zone="UTC")

    assert found == (late, stale)


async def test_the_words_follow_the_schedule_the_leaders_or_what_a_person_has_said(tiny):
    await tiny.syncs.run("s")
    tiny.syncs.start("loyal", "t", audience="B", name="follower", schedule=After("s"))

    def words(name: str) -> list[str]:
        return [judged(tiny, name, at=now() + timedelta(hours=hours)).state for hours in (3, 5, 9)]

    assert words("s") == words("follower") == [FRESH, LATE, STALE]
    assert tiny.syncs.freshness("s", within=timedelta(hours=1)).freshness.within == timedelta(hours=1)
    assert words("s") == [STALE, STALE, STALE]
    tiny.syncs.freshness("s", usual=True)
    assert words("s") == [FRESH, LATE, STALE]
    tiny.syncs.pause("s")
    assert words("s") == ["", "", ""], "nobody promises anything of a paused sync"


def test_histograms_of_several_runs_add_up_and_are_never_better_than_the_truth():
    one, other = Latency({10: 50, 20: 50}, 1), latency_of(Latency({48: 5}).figures())

    both = together([one, other])

    assert (both.measured, both.unmeasured) == (105, 1)
    assert both.quantile(0.5) == round(0.1 * 1.1**20, 1)
    assert both.quantile(1.0) == round(0.1 * 1.1**48, 1)
    assert Latency().quantile(0.5) is None


async def _away(verb, members):
    raise PartnerUnavailable("away")


def _refuses(name: str):
    async def answer(verb, members):
        if email(name) in {member.key for member in members}:
            if len(members) == 1:
                raise MemberRefused("not her")
            raise MemberRefused("somebody of these")
        return Outcome()

    return answer
