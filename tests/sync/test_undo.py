"""Taking a run back: through plan and guards, as far as nobody has changed its members since, and again."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hub import Ability, Outcome, PartnerUnavailable, Refusal
from hub.clock import now
from hub.errors import Busy, Held, NotFound, UsageError
from hub.sync.attempts_reading import attempts_of
from hub.sync.ledger import Ledger
from hub.sync.noting import Acknowledged, Notes
from hub.sync.plan import plan_file
from hub.sync.states import Leavers, RunState
from hub.sync.verify_findings import Kind
from tests.customers import LOYAL, NAMES, buy, describe, email, in_cohort, know, tagged
from tests.sync.test_answers import held, raises
from tests.sync.test_interruptions import _Killed, killed_in
from tests.sync.tiny import Tiny

JOINED, LEFT, CHANGED = ["q001", "q002"], NAMES[:3], NAMES[3:5]


def addresses(names) -> set[str]:
    return {email(name) for name in names}


@pytest.fixture
async def moved(tiny, tmp_path):
    """The tiny hub after two runs: the second one added two, removed three, and updated two."""
    tiny.syncs.change("s", mapping={"PLAN": "plan", "CITY": "city"})
    await tiny.syncs.run("s")
    buy(tiny, tmp_path, JOINED)
    describe(tiny, tmp_path, JOINED, plan="new")
    buy(tiny, tmp_path, LEFT, event="Returned", times=1)
    describe(tiny, tmp_path, CHANGED, plan="free")
    run = await tiny.syncs.run("s")
    assert (run.added, run.removed, run.updated) == (2, 3, 2)
    return tiny


async def test_a_run_is_taken_back_by_a_run_of_its_own_that_pauses_the_sync_and_can_be_taken_back_itself(moved):
    before = {name: dict(values) for name, values in Tiny.values["A"].items()}
    [run, _] = moved.syncs.runs("s")
    found = moved.syncs.undoing(run.id)
    assert (found.plan.to_add, found.plan.to_update, found.plan.to_remove, found.pauses) == (3, 2, 2, True)
    assert [each.key for each in found.samples["removes"]] == [email(name) for name in JOINED]
    assert moved.syncs.runs("s")[0].id == run.id
    Tiny.calls.clear()

    undone = await moved.syncs.undo(run.id, digest=found.plan.digest)

    assert (undone.state, undone.trigger, undone.undoes) == (RunState.DONE, "undo", run.id)
    assert (undone.added, undone.updated, undone.removed) == (3, 2, 2)
    assert undone.plan_digest == found.plan.digest
    assert Tiny.held["A"] == addresses(NAMES) == set(held(moved))
    assert {Tiny.values["A"][email(name)]["PLAN"] for name in NAMES} == {"pro"}
    assert {each.action for each in attempts_of(moved.workspace, undone.id)} == {"add", "update", "remove"}
    sync = moved.syncs.get("s")
    assert (sync.state, f"run {undone.id} takes back run {run.id}" in sync.message) == ("paused", True)
    assert moved.syncs.due(now() + timedelta(days=1)) == []
    assert not (await moved.syncs.verify("s")).differs

    again = await moved.syncs.undo(undone.id)  # the undo of an undo

    assert (again.added, again.updated, again.removed) == (2, 2, 3)
    assert Tiny.held["A"] == in_cohort(moved)
    assert {name: values for name, values in Tiny.values["A"].items() if name in Tiny.held["A"]} == {
        name: values for name, values in before.items() if name in Tiny.held["A"]
    }
    moved.syncs.resume("s")
    assert (await moved.syncs.run("s")).planned == 0
    with pytest.raises(UsageError, match=r"Nothing of run 2 can be taken back: 7 changed since"):
        await moved.syncs.undo(run.id)


async def test_only_members_whose_state_is_as_the_run_left_it_are_taken_back_the_others_are_named(moved, tmp_path):
    run = moved.syncs.runs("s")[0]
    describe(moved, tmp_path, [JOINED[0], CHANGED[0]], plan="gold")  # a later run writes both again
    await moved.syncs.run("s")
    Tiny.held["A"].add(email(LEFT[0]))  # somebody else put one back, and it was adopted
    await moved.syncs.verify("s", adopt=[Kind.EXTRA])
    (tmp_path / "gone.json").write_text(json.dumps({"$distinct_id": LEFT[1], "$delete": ""}) + "\n")
    moved.profiles.import_file(str(tmp_path / "gone.json"))

    undone = await moved.syncs.undo(run.id)

    assert (undone.added, undone.updated, undone.removed) == (1, 1, 1)
    assert undone.skipped == {"changed since": 2, "held again": 1, "profile deleted since": 1}
    assert undone.qualified == 7
    assert Tiny.held["A"] == (in_cohort(moved) | {email(LEFT[0]), email(LEFT[2])}) - {email(JOINED[1])}
    assert [Tiny.values["A"][email(name)]["PLAN"] for name in CHANGED] == ["gold", "pro"]


async def test_a_failed_run_is_taken_back_as_far_as_it_came_lost_answers_and_refusals_in_the_books_too(tiny, tmp_path):
    first = {email(name) for name in NAMES[:10]}
    calls = 0

    async def answer(verb, members):
        nonlocal calls
        calls += 1
        if members[0].key in first:
            return Outcome([Refusal(members[0].key, "no", in_audience=True), Refusal(members[1].key, "no")])
        if calls > 2:
            raise PartnerUnavailable("cut", answer_lost=calls == 3)
        return Outcome()

    Tiny.answer = answer
    run = await tiny.syncs.run("s")
    assert run.state is RunState.FAILED
    Tiny.answer = None
    theirs = set(held(tiny))
    assert 9 < len(theirs) < 40

    tiny.syncs.guard("s", on=False)
    undone = await tiny.syncs.undo(run.id)

    assert undone.removed == len(theirs)
    assert undone.skipped == {"was not delivered": 40 - len(theirs)}
    assert held(tiny) == {}


async def test_taking_back_the_first_run_empties_the_audience_of_what_we_put_there_once_a_person_has_approved(tiny):
    run = await tiny.syncs.run("s")
    Tiny.held["A"].add("theirs@else.example")

    waiting = await tiny.syncs.undo(run.id)

    assert (waiting.state, waiting.held) == (RunState.HELD, 40)
    assert "40 of 40 members would leave the audience, which is 100 %" in waiting.message
    with pytest.raises(Busy, match=f"Run {waiting.id} takes back run {run.id}, and is held"):
        await tiny.syncs.undo(run.id)
    tiny.cohorts.edit("loyal", "version: 1\ndid: Purchase\n")  # an undo is not about the cohort
    done = await tiny.syncs.approve(waiting.id, reason="wrong cohort")
    assert (done.state, done.removed, done.undoes) == (RunState.DONE, 40, run.id)
    assert Tiny.held["A"] == {"theirs@else.example"}
    assert (held(tiny), tiny.syncs.get("s").state) == ({}, "paused")
    # guards have learned nothing from it
    tiny.cohorts.edit("loyal", LOYAL)
    tiny.syncs.resume("s")
    assert (await tiny.syncs.run("s")).state is RunState.DONE


async def test_what_is_refused_is_said_with_its_reason(moved, tmp_path, monkeypatch):
    run = moved.syncs.runs("s")[0]
    with pytest.raises(NotFound):
        moved.syncs.undoing(99)
    quiet = await moved.syncs.run("s")
    with pytest.raises(UsageError, match="it sent nothing"):
        moved.syncs.undoing(quiet.id)
    with pytest.raises(Held, match="its members have changed"):
        await moved.syncs.undo(run.id, digest="0" * 64)
    monkeypatch.setattr(Tiny, "abilities", frozenset({Ability.LIST}))
    stuck = moved.syncs.undoing(run.id).plan
    assert (stuck.to_remove, stuck.skipped) == (0, {"cannot be taken back at the partner": 2})
    plan = plan_file(moved.workspace, run.id)
    kept = plan.read_bytes()
    plan.write_bytes(kept + b" ")
    with pytest.raises(UsageError, match="its plan, which says whom it was about, is not kept any more"):
        await moved.syncs.undo(run.id)
    plan.write_bytes(kept)
    assert moved.syncs.get("s").state == "active"
    Tiny.answer = raises(PartnerUnavailable("away"))
    buy(moved, tmp_path, ["q003"])
    describe(moved, tmp_path, ["q003"])
    failed = await moved.syncs.run("s")
    with pytest.raises(UsageError, match=f"Nothing of run {failed.id} can be taken back: 1 was not delivered"):
        await moved.syncs.undo(failed.id)


async def test_killed_the_undo_is_gone_on_with_by_anybody_though_its_sync_is_paused(moved, monkeypatch):
    run = moved.syncs.runs("s")[0]
    for place in ((Ledger, "plan"), (Notes, "write", Acknowledged)):
        revive = killed_in(monkeypatch, *place)
        with pytest.raises((_Killed, BaseExceptionGroup)):
            await moved.syncs.undo(run.id)
        revive()
        assert moved.syncs.get("s").state == "paused"
        assert moved.syncs.due(now()) == ["s"]

    undone = await moved.syncs.run("s", trigger="schedule")  # as the daemon does

    assert (undone.undoes, undone.state, undone.resumed) == (run.id, RunState.DONE, 2)
    assert Tiny.held["A"] == addresses(NAMES)
    assert moved.syncs.due(now()) == []


async def test_values_that_mailchimp_did_not_have_before_are_emptied_and_cleared_ones_are_written_again(
    connected, partner, tmp_path, cli
):
    async with connected.connections.opened("news") as mailchimp:
        for tag in ("PLAN", "CITY"):
            await mailchimp.http.post("/lists/a6b5da1054/merge-fields", {"tag": tag, "name": tag, "type": "text"})
    connected.syncs.start("loyal", "news", every=timedelta(hours=2), mapping={"PLAN": "plan", "CITY": "city"})
    await connected.syncs.run("loyal-news")
    connected.syncs.leavers("loyal-news", Leavers.CLEAR)
    describe(connected, tmp_path, [NAMES[1]], plan="free", city="Oslo")
    buy(connected, tmp_path, ["q001"])
    describe(connected, tmp_path, ["q001"])
    know(partner, ["q001"])
    buy(connected, tmp_path, NAMES[:1], event="Returned", times=1)
    run = await connected.syncs.run("loyal-news")
    assert (run.added, run.updated, run.removed) == (1, 1, 1)
    assert fields(partner, NAMES[0]) == {"PLAN": "", "CITY": ""}

    undone = cli("sync", "undo", str(run.id), "--yes", "--json")

    assert undone.returncode == 0, undone.stderr
    assert "is paused" in undone.stderr
    told = json.loads(undone.stdout)
    assert (told["added"], told["updated"], told["removed"], told["undoes"]) == (0, 2, 1, run.id)
    assert fields(partner, NAMES[0]) == {"PLAN": "pro", "CITY": ""}
    assert fields(partner, NAMES[1]) == {"PLAN": "pro", "CITY": ""}
    assert tagged(partner) == addresses(NAMES)


def fields(partner, name: str) -> dict[str, str]:
    [contact] = partner.admin.get("/contacts", email=email(name))["contacts"]
    return {tag: contact["merge_fields"].get(tag, "") for tag in ("PLAN", "CITY")}


@pytest.mark.parametrize("lost", [False, True])
async def test_an_undo_that_the_partner_was_not_there_for_says_how_to_try_again_and_then_does_it(moved, lost):
    run = moved.syncs.runs("s")[0]
    before = addresses(NAMES)
    Tiny.answer = raises(PartnerUnavailable("away", answer_lost=lost))

    failed = await moved.syncs.undo(run.id)

    assert (failed.state, failed.owed) == (RunState.FAILED, 7)
    assert f"7 members could not be taken back: `hub sync undo {run.id}` tries again." in failed.message
    assert "go out with the next run" not in failed.message
    Tiny.answer = None
    again = await moved.syncs.undo(run.id)
    assert (again.state, again.added, again.updated, again.removed) == (RunState.DONE, 3, 2, 2)
    assert Tiny.held["A"] == before == set(held(moved))
