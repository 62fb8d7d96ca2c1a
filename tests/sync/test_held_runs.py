"""Held runs: a guard asks, a person decides, and exactly that runs. A real hub, connector and server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from hub.errors import Held, UsageError
from hub.lake.tables import HELD
from hub.store.tables import audiences, metadata
from hub.sync.states import Leavers, RunState
from tests.conftest import HUB
from tests.customers import LOYAL, NAMES, buy, describe, email, in_cohort, know, tagged

TWO_HOURS = timedelta(hours=2)
GONE = NAMES[:24]  # 60 % of forty
JOINED = ["q001", "q002"]


@pytest.fixture
async def synced(connected):
    """The forty loyal customers, in the tag."""
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")
    return connected


@pytest.fixture
def sixty_percent(synced, partner, tmp_path):
    """Since then 24 of the forty have left the cohort, and two have joined."""
    buy(synced, tmp_path, GONE, event="Returned", times=1)
    buy(synced, tmp_path, JOINED)
    describe(synced, tmp_path, JOINED)
    know(partner, JOINED)
    partner.admin.forget_requests()
    return synced


def sent(partner) -> set[str]:
    return {key for request in partner.admin.requests(writing=True, keys=True) for key in request["keys"]}


async def test_a_run_that_would_remove_sixty_percent_is_held_and_approve_runs_exactly_that(
    sixty_percent, partner, tmp_path
):
    hub = sixty_percent
    held = await hub.syncs.run("loyal-news")
    assert (held.state, held.held, held.added, held.removed) == (RunState.HELD, 24, 2, 0)
    assert "24 of 40 members would leave the audience, which is 60 %; 30 % may pass." in held.message
    assert tagged(partner) == {email(name) for name in [*NAMES, *JOINED]}

    buy(hub, tmp_path, NAMES[24:26], event="Returned", times=1)  # two more leave: they are the next run's
    waiting = await hub.syncs.run("loyal-news")
    assert (waiting.id, waiting.state, waiting.resumed) == (held.id, RunState.HELD, 0)
    partner.admin.forget_requests()
    approved = await hub.syncs.approve(held.id, reason="they did leave")

    assert (approved.state, approved.added, approved.removed) == (RunState.DONE, 2, 24)
    assert sent(partner) == {f"-{email(name)}" for name in GONE}
    assert (approved.decision, approved.decided_by, approved.decision_reason) == (
        "approved", hub.settings.who, "they did leave",
    )  # fmt: skip
    following = await hub.syncs.run("loyal-news")
    assert (following.state, following.removed) == (RunState.DONE, 2)
    assert tagged(partner) == in_cohort(hub)


async def test_a_changed_world_refuses_and_the_next_tick_asks_anew(sixty_percent, partner):
    hub = sixty_percent
    held = await hub.syncs.run("loyal-news")
    hub.cohorts.edit("loyal", LOYAL.replace("at_least: 3", "at_least: 2"))
    partner.admin.forget_requests()

    with pytest.raises(Held, match=r"another definition: version 2, where it was 1"):
        await hub.syncs.approve(held.id)

    assert partner.admin.requests() == []
    anew = await hub.syncs.run("loyal-news")
    before = next(run for run in hub.syncs.runs("loyal-news") if run.id == held.id)
    assert (before.state, before.decision, before.added, before.removed) == (RunState.REFUSED, "replaced", 2, 0)
    assert (anew.state, anew.held, anew.added) == (RunState.HELD, 24, 0)
    assert {concern.guard for concern in anew.guards} == {"changed", "removals", "shrunken"}


async def test_a_changed_plan_mapping_or_way_with_leavers_refuses_too(sixty_percent, partner, home):
    hub = sixty_percent
    held = await hub.syncs.run("loyal-news")
    partner.admin.forget_requests()

    hub.syncs.leavers("loyal-news", Leavers.KEEP)
    with pytest.raises(Held, match="treated otherwise"):
        await hub.syncs.approve(held.id)
    hub.syncs.leavers("loyal-news", Leavers.REMOVE)
    hub.syncs.change("loyal-news", mapping={"PLAN": "plan"})
    with pytest.raises(Held, match="mapping has changed: PLAN"):
        await hub.syncs.approve(held.id)
    hub.syncs.change("loyal-news", mapping={})
    [plan] = (home / "runs" / str(held.id)).glob("plan.parquet")
    plan.write_bytes(plan.read_bytes() + b" ")
    with pytest.raises(Held, match="is not what it was"):
        await hub.syncs.approve(held.id)
    with hub.workspace.store.reading() as connection:
        audience = f"audience:{connection.execute(select(audiences.c.id)).scalar_one()}"
    lake = hub.workspace.lake
    lake.mark(HELD, {audience: (lake.committed(HELD, audience) or 0) + 1})
    with pytest.raises(Held, match="What the partner holds has changed"):
        await hub.syncs.approve(held.id)

    assert partner.admin.requests() == []


async def test_a_refused_run_sends_nothing_and_the_next_one_asks_again(sixty_percent, partner):
    hub = sixty_percent
    hub.syncs.guard("loyal-news", additions=False)
    held = await hub.syncs.run("loyal-news")
    assert (held.held, held.added) == (26, 0)

    refused = await hub.syncs.refuse(held.id, reason="the import is broken")

    assert (refused.state, refused.added, refused.removed, refused.held) == (RunState.REFUSED, 0, 0, 0)
    assert "the import is broken" in refused.message
    assert partner.admin.requests(writing=True) == []
    assert (await hub.syncs.run("loyal-news")).state is RunState.HELD


async def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(sixty_percent, partner, home):
    held = await sixty_percent.syncs.run("loyal-news")
    partner.admin.forget_requests()

    both = [
        subprocess.Popen([HUB, "sync", verb, str(held.id)], env={**os.environ, "HUB_HOME": str(home), "HUB_ACTOR": who},
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for verb, who in (("approve", "ada"), ("approve", "bob"))
    ]  # fmt: skip
    said = [process.communicate(timeout=60)[1] for process in both]

    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 2], said
    winner = ("ada", "bob")[codes.index(0)]
    assert f"Run {held.id} was approved by {winner}" in said[codes.index(2)]
    assert len(sent(partner)) == 24
    assert partner.admin.repeats() == []


async def test_a_killed_approve_is_gone_on_with(sixty_percent, partner, home, monkeypatch):
    hub = sixty_percent
    mailchimp = hub.plugins.connector("mailchimp")
    monkeypatch.setattr(mailchimp, "limits", replace(mailchimp.limits, batch_size=5))  # so that there is a middle
    held = await hub.syncs.run("loyal-news")
    partner.admin.forget_requests()
    partner.admin.fault(kind="latency", seconds=0.2, count=None)
    process = subprocess.Popen(
        [HUB, "sync", "approve", str(held.id)], env={**os.environ, "HUB_HOME": str(home)}, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while not partner.admin.requests(writing=True) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()

    ended = await hub.syncs.run("loyal-news")

    assert (ended.id, ended.state, ended.removed, ended.resumed) == (held.id, RunState.DONE, 24, 1)
    assert tagged(partner) == in_cohort(hub)


async def test_a_plan_shows_everything_and_changes_nothing(sixty_percent, partner, tmp_path, home, cli):
    hub = sixty_percent
    buy(hub, tmp_path, ["ghost", "twin"])
    (tmp_path / "twin.json").write_text(
        json.dumps({"$distinct_id": "twin", "$set": {"$email": email(NAMES[30])}}) + "\n"
    )
    hub.profiles.import_file(str(tmp_path / "twin.json"))
    partner.admin.forget_requests()
    before = everything(hub, home)

    finished = cli("sync", "plan", "loyal-news", "--json")

    assert finished.returncode == 0, finished.stderr
    plan = json.loads(finished.stdout)
    assert everything(hub, home) == before
    assert partner.admin.requests() == []
    assert (plan["adds"], plan["removes"], plan["updates"], plan["unchanged"]) == (2, 24, 0, 16)
    nobody = {"no key": 0, "invalid e-mail": 0, "invalid phone": 0}
    assert (plan["without_key"], plan["sharing_key"]) == ({"no profile": 1, **nobody}, 1)
    assert plan["holds"] == "removals"
    assert plan["samples"]["adds"] == [{"person": name, "key": email(name)} for name in JOINED]
    assert len(plan["samples"]["removes"]) == 10
    assert {each["person"] for each in plan["samples"]["sharing_key"]} == {NAMES[30], "twin"}
    assert plan["digest"] == (await hub.syncs.run("loyal-news")).plan_digest


def everything(hub, home):
    """What the control plane holds, and which files of the lake and of runs there are."""
    with hub.workspace.store.reading() as connection:
        rows = {table.name: connection.execute(select(table)).all() for table in metadata.sorted_tables}
    files = sorted(str(path) for folder in ("lake", "runs") for path in (home / folder).rglob("*") if path.is_file())
    return rows, files


async def test_who_leaves_is_kept_or_cleared_as_chosen(connected, partner, tmp_path):
    async with connected.connections.opened("news") as mailchimp:
        await mailchimp.http.post("/lists/a6b5da1054/merge-fields", {"tag": "PLAN", "name": "Plan", "type": "text"})
    connected.syncs.start("loyal", "news", every=TWO_HOURS, mapping={"PLAN": "plan"}, leavers=Leavers.KEEP)
    await connected.syncs.run("loyal-news")
    buy(connected, tmp_path, NAMES[:3], event="Returned", times=1)

    kept = await connected.syncs.run("loyal-news")
    connected.syncs.leavers("loyal-news", Leavers.CLEAR)
    cleared = await connected.syncs.run("loyal-news")
    again = await connected.syncs.run("loyal-news")

    assert (kept.to_remove, kept.unchanged) == (0, 37)
    assert (cleared.state, cleared.removed, again.planned) == (RunState.DONE, 3, 0)
    assert tagged(partner) == {email(name) for name in NAMES}
    assert "pro" not in str(partner.admin.get("/contacts", email=email(NAMES[0])))
    assert "pro" in str(partner.admin.get("/contacts", email=email(NAMES[5])))


async def test_a_connector_that_cannot_clear_is_refused_by_name(tiny):
    with pytest.raises(UsageError, match="Tiny cannot clear the fields of those who leave"):
        tiny.syncs.leavers("s", Leavers.CLEAR)


async def test_the_command_line_holds_with_3_and_a_decision_ends_the_wait(sixty_percent, partner, cli):
    sixty_percent.syncs.guard("loyal-news", removals=0.5, additions=False)
    held = cli("sync", "run", "loyal-news", "--json")
    run = json.loads(held.stdout)

    approved = cli("sync", "approve", str(run["run"]), "--reason", "seen", "--json", HUB_ACTOR="ada")
    late = cli("sync", "refuse", str(run["run"]))

    assert (held.returncode, run["state"], run["held"]) == (3, "held", 26)
    assert approved.returncode == 0, approved.stderr
    decision = json.loads(approved.stdout)["decision"]
    assert (decision["decision"], decision["actor"], decision["message"]) == ("approved", "ada", "seen")
    assert (late.returncode, "was approved by ada" in late.stderr) == (2, True)
    assert tagged(partner) == in_cohort(sixty_percent)
