"""Runs, from the cohort to the partner and back: a real hub, a real connector, a real server."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from hub.clock import now
from hub.errors import Busy, CredentialRefused, Interrupted
from hub.store.store import Store
from hub.store.tables import syncs
from hub.sync.states import RunState
from tests.customers import NAMES, buy, describe, email, in_cohort, know, tagged

TWO_HOURS = timedelta(hours=2)


@pytest.fixture
def small_batches(monkeypatch):
    """Batches of five, so that forty people are eight of them."""
    from dataclasses import replace

    from hub.connectors.plugins import load_plugins

    mailchimp = load_plugins().connector("mailchimp")
    monkeypatch.setattr(mailchimp, "limits", replace(mailchimp.limits, batch_size=5, concurrency=2))


@pytest.fixture
def no_waiting(monkeypatch):
    """Back-off without the wait; everything else of the event loop goes on."""
    from tenacity.wait import wait_none

    monkeypatch.setattr("hub.connectors.retry._backoff", wait_none())


async def test_the_first_run_puts_exactly_the_cohort_into_the_tag(connected, partner):
    connected.syncs.start("loyal", "news", every=None)

    run = await connected.syncs.run("loyal-news")

    assert run.state is RunState.DONE
    assert (run.qualified, run.added, run.removed, run.rejected) == (40, 40, 0, 0)
    assert tagged(partner) == in_cohort(connected)
    assert connected.syncs.get("loyal-news").state == "done"


async def test_an_unchanged_cohort_makes_no_writing_call(connected, partner):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")
    partner.admin.forget_requests()

    run = await connected.syncs.run("loyal-news")

    assert (run.unchanged, run.planned) == (40, 0)
    assert partner.admin.requests() == []


async def test_only_the_difference_is_sent(connected, partner, tmp_path):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")
    buy(connected, tmp_path, NAMES[:2], event="Returned", times=1)
    joined = ["q001", "q002", "q003"]
    buy(connected, tmp_path, joined)
    describe(connected, tmp_path, joined)
    know(partner, joined)
    partner.admin.forget_requests()

    run = await connected.syncs.run("loyal-news")

    assert (run.added, run.removed, run.unchanged) == (3, 2, 38)
    sent = {key for request in partner.admin.requests(writing=True, keys=True) for key in request["keys"]}
    assert sent == {email(name) for name in joined} | {f"-{email(name)}" for name in NAMES[:2]}
    assert tagged(partner) == in_cohort(connected)


async def test_what_other_people_tagged_stays(connected, partner):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")
    know(partner, ["stranger"])
    async with connected.connections.opened("news") as mailchimp:
        audience = await mailchimp.open_audience("hub: loyal")
        await mailchimp.http.post(
            f"/lists/{audience.ref['list']}/segments/{audience.ref['segment']}",
            {"members_to_add": [email("stranger")], "members_to_remove": []},
        )

    await connected.syncs.run("loyal-news")

    assert email("stranger") in tagged(partner)


async def test_people_without_a_key_or_a_profile_are_counted_by_reason(connected, partner, tmp_path):
    buy(connected, tmp_path, ["ghost", "mute"])
    (tmp_path / "mute.json").write_text('{"$distinct_id": "mute", "$set": {"plan": "free"}}\n')
    connected.profiles.import_file(str(tmp_path / "mute.json"))
    connected.syncs.start("loyal", "news", every=None)

    run = await connected.syncs.run("loyal-news")

    assert run.qualified == 42
    assert run.skipped == {"no profile": 1, "no key": 1}
    assert run.added == 40


async def test_a_new_export_overwrites_the_audience_whichever_sync_wrote_it(connected, partner):
    connected.cohorts.add("few", "version: 1\nall:\n  - profile: $email\n    op: in\n    value: [p000@shop.example]\n")
    connected.syncs.start("loyal", "news", every=TWO_HOURS, audience="VIP")
    await connected.syncs.run("loyal-news")

    connected.syncs.start("few", "news", every=None, audience="VIP")
    held = await connected.syncs.run("few-news")  # 39 of 40 would leave: a person has a look
    run = await connected.syncs.approve(held.id)

    assert (held.state, run.removed, run.unchanged) == (RunState.HELD, 39, 1)
    assert tagged(partner, "VIP") == {email("p000")}
    assert connected.syncs.get("loyal-news").state == "stopped"
    assert "few-news" in connected.syncs.get("loyal-news").message


async def test_mapped_properties_are_written_and_only_changes_are_sent(connected, partner, tmp_path):
    async with connected.connections.opened("news") as mailchimp:
        await mailchimp.http.post("/lists/a6b5da1054/merge-fields", {"tag": "PLAN", "name": "Plan", "type": "text"})
    connected.syncs.start("loyal", "news", every=TWO_HOURS, mapping={"PLAN": "plan"})
    await connected.syncs.run("loyal-news")
    describe(connected, tmp_path, NAMES[:1], plan="free")

    run = await connected.syncs.run("loyal-news")

    assert (run.updated, run.unchanged) == (1, 39)
    contact = partner.admin.get("/contacts", email=email(NAMES[0]))
    assert "free" in str(contact)


async def test_people_who_are_not_in_the_partners_list_are_rejected_by_name_and_parked(connected, partner, tmp_path):
    buy(connected, tmp_path, ["newcomer"])
    describe(connected, tmp_path, ["newcomer"])
    connected.syncs.start("loyal", "news", every=TWO_HOURS)

    first = await connected.syncs.run("loyal-news")
    [rejected] = connected.syncs.rejected(first.id)
    partner.admin.forget_requests()
    second = await connected.syncs.run("loyal-news")

    assert (first.added, first.rejected) == (40, 1)
    assert (rejected.person, rejected.key) == ("newcomer", email("newcomer"))
    assert rejected.reason
    assert (second.parked, second.rejected, partner.admin.requests()) == (1, 0, [])


async def test_an_answer_lost_after_the_commit_is_said_and_does_no_harm(connected, partner, small_batches, no_waiting):
    connected.syncs.start("loyal", "news", every=None)
    partner.admin.fault(kind="answer_lost", method="POST", path="/3.0/lists/a6b5da1054/segments/", after=2)

    run = await connected.syncs.run("loyal-news")

    assert run.state is RunState.DONE
    assert run.lost_answers == 1
    assert "may have been sent twice" in run.message
    assert len(partner.admin.repeats()) == 1
    assert tagged(partner) == in_cohort(connected)


async def test_a_partner_that_goes_away_leaves_the_rest_owed_and_the_next_run_delivers_it(
    connected, partner, small_batches, no_waiting
):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    partner.admin.fault(kind="status", status=500, method="POST", path="/3.0/lists/", after=4, count=None)

    failed = await connected.syncs.run("loyal-news")
    partner.admin.clear_faults()
    mended = await connected.syncs.run("loyal-news")

    assert failed.state is RunState.FAILED
    assert failed.added + failed.owed == 40
    assert 0 < failed.added < 40
    assert "owed" in failed.message
    assert (mended.state, mended.added) == (RunState.DONE, failed.owed)
    assert tagged(partner) == in_cohort(connected)


async def test_answers_lost_for_good_are_mended_by_the_next_run(connected, partner, small_batches, no_waiting):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    partner.admin.fault(kind="answer_lost", method="POST", path="/3.0/lists/a6b5da1054/segments/", after=3, count=None)

    failed = await connected.syncs.run("loyal-news")
    partner.admin.clear_faults()
    await connected.syncs.run("loyal-news")

    assert failed.state is RunState.FAILED
    assert failed.lost_answers > 0
    assert tagged(partner) == in_cohort(connected)


async def test_a_credential_that_is_refused_in_the_middle_stops_the_connection(connected, partner, small_batches):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    partner.admin.fault(kind="status", status=401, method="POST", path="/3.0/lists/", after=4, count=None)

    failed = await connected.syncs.run("loyal-news")

    assert failed.state is RunState.FAILED
    assert connected.connections.get("news").state == "refused"
    with pytest.raises(CredentialRefused, match="is stopped"):
        await connected.syncs.run("loyal-news")

    partner.admin.clear_faults()
    await connected.connections.check("news")
    mended = await connected.syncs.run("loyal-news")
    assert mended.added == failed.owed
    assert tagged(partner) == in_cohort(connected)


async def test_a_tag_that_was_deleted_is_made_anew_with_everybody(connected, partner, tmp_path):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")
    async with connected.connections.opened("news") as mailchimp:
        await mailchimp.close_audience(await mailchimp.open_audience("hub: loyal"))
    buy(connected, tmp_path, NAMES[:1], event="Returned", times=1)

    failed = await connected.syncs.run("loyal-news")
    mended = await connected.syncs.run("loyal-news")

    assert failed.state is RunState.FAILED
    assert "made anew" in failed.hint or "makes the audience anew" in failed.hint
    assert (mended.state, mended.added) == (RunState.DONE, 39)
    assert tagged(partner) == in_cohort(connected)


async def test_an_interrupted_run_is_gone_on_with_and_not_begun_again(connected, partner, small_batches):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    partner.admin.fault(kind="latency", seconds=0.05, count=None)
    stop = threading.Event()

    def after_the_first_answer(progress):
        if progress.done:
            stop.set()

    with pytest.raises(Interrupted) as caught:
        await connected.syncs.run("loyal-news", report=after_the_first_answer, stop=stop)
    delivered = len(tagged(partner))
    resumed = await connected.syncs.run("loyal-news")

    assert "goes on with it" in caught.value.hint
    assert 0 < delivered < 40
    assert (resumed.resumed, resumed.state, resumed.added) == (1, RunState.DONE, 40)
    assert partner.admin.repeats() == []
    assert len(connected.syncs.runs("loyal-news")) == 1


async def test_two_runs_of_one_audience_never_overlap(connected, partner):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    partner.admin.fault(kind="latency", seconds=0.3, count=None)
    import asyncio

    results = await asyncio.gather(
        connected.syncs.run("loyal-news"), connected.syncs.run("loyal-news"), return_exceptions=True
    )

    assert sorted(type(result).__name__ for result in results) == ["Busy", "Run"]
    assert any(isinstance(result, Busy) for result in results)


async def test_never_more_calls_at_once_than_the_account_allows(connected, partner, small_batches):
    connected.syncs.start("loyal", "news", every=None)
    partner.admin.fault(kind="latency", seconds=0.05, count=None)

    await connected.syncs.run("loyal-news")

    answers = {request["status"] for request in partner.admin.requests()}
    assert 429 not in answers


async def test_a_full_disk_is_a_sentence_and_the_run_goes_on_later(connected, partner, monkeypatch):
    from hub.errors import StoreError

    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    whole = Store.writing
    full = StoreError("The database cannot be used: database or disk is full.")

    def no_room(self, **how):
        if partner.admin.requests(writing=True):
            raise full
        return whole(self, **how)

    monkeypatch.setattr(Store, "writing", no_room)
    with pytest.raises(StoreError, match="disk is full"):
        await connected.syncs.run("loyal-news")

    monkeypatch.setattr(Store, "writing", whole)
    resumed = await connected.syncs.run("loyal-news")
    assert resumed.state is RunState.DONE
    assert tagged(partner) == in_cohort(connected)


async def test_ticks_that_nobody_was_there_for_are_counted(connected, partner):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    with connected.workspace.store.writing() as connection:
        connection.execute(syncs.update().values(next_run_at=now() - timedelta(hours=7)))

    await connected.syncs.run("loyal-news", trigger="schedule")

    found = connected.syncs.get("loyal-news")
    assert found.missed == 3
    assert timedelta(0) < found.next_run_at - now() <= TWO_HOURS


async def test_every_attempt_is_in_the_deliveries_of_the_lake(connected, partner, tmp_path):
    from hub.lake.tables import DELIVERIES

    buy(connected, tmp_path, ["newcomer"])
    describe(connected, tmp_path, ["newcomer"])
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")

    with connected.workspace.reading() as reader:
        rows = [row for batch in reader.batches(reader.table(DELIVERIES)) for row in batch.to_pylist()]

    assert len(rows) == 41
    assert [row["person"] for row in rows if row["outcome"] == "rejected"] == ["newcomer"]
    assert all(row["reason"] for row in rows if row["outcome"] == "rejected")


@pytest.mark.parametrize("status", [400, 401, 500])
async def test_who_was_tagged_before_his_values_failed_is_untagged_when_he_leaves(
    connected, partner, tmp_path, no_waiting, status
):
    async with connected.connections.opened("news") as mailchimp:
        await mailchimp.http.post("/lists/a6b5da1054/merge-fields", {"tag": "PLAN", "name": "Plan", "type": "text"})
    connected.syncs.start("loyal", "news", every=TWO_HOURS, mapping={"PLAN": "plan"})
    partner.admin.fault(kind="status", status=status, method="POST", regex="/lists/a6b5da1054$", count=None)
    await connected.syncs.run("loyal-news")
    assert email(NAMES[0]) in tagged(partner)
    partner.admin.clear_faults()
    await connected.connections.check("news")
    buy(connected, tmp_path, NAMES[:1], event="Returned", times=1)

    await connected.syncs.run("loyal-news")

    assert tagged(partner) == in_cohort(connected)


async def test_a_connection_that_moves_to_another_list_sends_everybody_there(connected, partner):
    second = partner.admin.post("/lists", {"name": "Second"})["id"]
    partner.admin.post(
        "/contacts",
        {"list_id": second, "contacts": [{"email": email(name), "status": "subscribed"} for name in NAMES]},
    )
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")

    await connected.connections.edit("news", {"audience": second})
    run = await connected.syncs.run("loyal-news")

    assert (run.state, run.added) == (RunState.DONE, 40)
    tags = [tag for tag in partner.admin.get("/tags")["tags"] if tag["list_id"] == second]
    assert [tag["count"] for tag in tags] == [40]


async def test_a_renewed_credential_leaves_the_audience_as_it_is(connected, partner):
    connected.syncs.start("loyal", "news", every=TWO_HOURS)
    await connected.syncs.run("loyal-news")

    await connected.connections.edit("news", {"api_key": partner.settings["api_key"]})

    assert (await connected.syncs.run("loyal-news")).unchanged == 40
