"""Verifying: what the partner really has beside the books, what is decided about it, and what may not come of it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from hub import Ability, AudienceGone, Member, PartnerUnavailable
from hub.errors import Busy, Held, Interrupted, PluginError, UsageError
from hub.lake.lake import Lake
from hub.lake.tables import HELD
from hub.store.tables import verifications
from hub.sync.attempts_reading import attempts_of
from hub.sync.noting import Acknowledged, Notes
from hub.sync.states import RunState
from hub.sync.verify_findings import Kind
from tests.customers import NAMES, buy, describe, email, in_cohort, know, tagged
from tests.sync.test_answers import held, raises
from tests.sync.test_interruptions import _Killed, killed_in
from tests.sync.tiny import Tiny

NOTHING = {kind.value: 0 for kind in Kind}
STRANGER, MEMBER = "stranger@else.example", email("q001")
EXTRAS = (Kind.EXTRA, Kind.EXTRA_IN_COHORT)


@pytest.fixture
async def verified(tiny):
    """The tiny hub, synced with a mapping: the partner is as the books say."""
    tiny.syncs.change("s", mapping={"PLAN": "plan"})
    await tiny.syncs.run("s")
    return tiny


def disturb(hub, tmp_path) -> None:
    """What other people do to an audience: two are taken out, one has another value, two are put in."""
    buy(hub, tmp_path, ["q001"])
    describe(hub, tmp_path, ["q001"], plan="pro")
    Tiny.held["A"] -= {email(name) for name in NAMES[:2]}
    Tiny.held["A"] |= {STRANGER, MEMBER}
    Tiny.values["A"][email(NAMES[2])] = {"PLAN": "free"}


def found(verification) -> dict[str, int]:
    return {kind: count for kind, count in verification.found.items() if count}


async def test_a_report_changes_nothing_and_what_is_decided_about_it_is_done_once_by_the_next_run(verified, tmp_path):
    clean = await verified.syncs.verify("s")
    assert (clean.listed, clean.held, clean.found, clean.differs) == (40, 40, NOTHING, False)
    disturb(verified, tmp_path)
    books, calls = held(verified), len(Tiny.calls)

    report = await verified.syncs.verify("s")

    assert (report.listed, report.held, report.differs, report.run) == (40, 40, True, None)
    assert found(report) == {"missing": 2, "changed": 1, "extra": 1, "extra-in-cohort": 1}
    names = {kind: [(each.person, each.key, *each.differs) for each in some] for kind, some in report.samples.items()}
    assert names["missing"] == [(name, email(name)) for name in NAMES[:2]]
    assert names["changed"] == [(NAMES[2], email(NAMES[2]), "PLAN")]
    assert names["extra"] == [(STRANGER, STRANGER)]
    assert names["extra-in-cohort"] == [("q001", MEMBER)]
    assert (held(verified), len(Tiny.calls)) == (books, calls)
    [listing] = attempts_of(verified.workspace, f"verify-{report.id}")
    assert (listing.action, listing.end) == ("list audience", "acknowledged")

    with pytest.raises(UsageError, match="--repair is not for extra"):
        await verified.syncs.decide(report.id, repair=["extra"])
    decided = await verified.syncs.decide(report.id, repair=(Kind.MISSING, Kind.CHANGED), adopt=EXTRAS)
    with pytest.raises(UsageError, match="has written down what was decided"):
        await verified.syncs.decide(report.id, ignore=[Kind.EXTRA])
    assert decided.decided == dict.fromkeys(["missing", "changed"], "repair") | dict.fromkeys(EXTRAS, "adopt")
    written = verified.syncs.runs("s")[0]
    assert (written.id, written.trigger, written.state, written.planned) == (decided.run, "verify", RunState.DONE, 0)
    told = verified.why(NAMES[0]).timeline[-1]
    assert (told.kind, told.run, "sent again with the next run" in told.said) == ("verified", decided.run, True)

    run = await verified.syncs.run("s")
    # the adopted member of the cohort gets its value, the other one leaves
    assert (run.added, run.updated, run.removed) == (2, 2, 1)
    assert Tiny.held["A"] == in_cohort(verified)
    assert Tiny.values["A"][email(NAMES[2])] == {"PLAN": "pro"} == Tiny.values["A"][MEMBER]
    assert not (await verified.syncs.verify("s")).differs
    Tiny.held["A"].add(STRANGER)
    old = await verified.syncs.verify("s")
    await verified.syncs.verify("s", adopt=[Kind.EXTRA])
    with pytest.raises(Held, match="has changed since verification"):
        await verified.syncs.decide(old.id, ignore=[Kind.EXTRA])


async def test_who_is_missing_is_never_forgotten_so_that_a_partner_that_shows_him_late_does_no_harm(
    verified, tmp_path, monkeypatch
):
    late = {email(name) for name in NAMES[:2]}
    Tiny.held["A"] -= late
    Tiny.held["A"].add(STRANGER)
    await verified.syncs.verify("s", repair=[Kind.MISSING], ignore=[Kind.EXTRA])
    buy(verified, tmp_path, NAMES[:1], event="Returned", times=1)  # and one of them leaves the cohort
    Tiny.held["A"] |= late  # they were there all the time

    await verified.syncs.run("s")

    assert Tiny.held["A"] - {STRANGER} == in_cohort(verified) == set(held(verified))
    # where the partner says how late it may be, nobody is judged before; who is known is not told of
    monkeypatch.setattr(Tiny, "limits", replace(Tiny.limits, visible_after=timedelta(minutes=5)))
    Tiny.held["A"] -= {email(NAMES[1])}  # sent again just now
    Tiny.held["A"] |= {email(NAMES[0])}  # taken out just now
    Tiny.values["A"][email(NAMES[5])] = {}
    report = await verified.syncs.verify("s", repair=[Kind.MISSING], adopt=EXTRAS)
    assert (found(report), report.differs) == ({"recent": 3, "known": 1}, False)
    assert (await verified.syncs.verify("s", everything=True)).found["extra"] == 1
    assert set(held(verified)) == in_cohort(verified)


async def test_lost_answers_are_resolved_even_when_the_decision_is_killed_while_it_is_written_down(
    verified, tmp_path, monkeypatch
):
    buy(verified, tmp_path, ["q001", "q002"])
    describe(verified, tmp_path, ["q001", "q002"], plan="pro")
    Tiny.answer = raises(PartnerUnavailable("cut", answer_lost=True))
    run = await verified.syncs.run("s")
    assert (run.state, run.uncertain, run.repeated) == (RunState.FAILED, 2, 0)
    assert "2 members were sent and not answered, and may be there already" in run.message
    Tiny.answer = None
    Tiny.held["A"].add(MEMBER)
    Tiny.values["A"][MEMBER] = {"PLAN": "pro"}
    report = await verified.syncs.verify("s")
    assert [(each.key, each.there) for each in report.samples["uncertain"]] == [(MEMBER, True), (email("q002"), False)]

    revive = killed_in(monkeypatch, Lake, "append", after=True)  # the books are written; the run's end is not
    with pytest.raises(_Killed):
        await verified.syncs.decide(report.id, repair=[Kind.UNCERTAIN])
    revive()
    assert verified.syncs.runs("s")[0].state is RunState.SETTLING
    following = await verified.syncs.run("s")  # ends the one, and does its own

    assert [run.trigger for run in verified.syncs.runs("s")[:2]] == ["manual", "verify"]
    assert verified.syncs.runs("s")[1].state is RunState.DONE
    assert (following.state, following.added, following.updated) == (RunState.DONE, 1, 0)
    assert held(verified) == dict.fromkeys(in_cohort(verified), True)
    assert verified.workspace.lake.committed(HELD, "audience:1") == following.id


async def test_a_verification_that_cannot_be_made_or_ends_early_says_so_and_changes_nothing(
    verified, tmp_path, monkeypatch
):
    books = held(verified)
    stop = threading.Event()

    async def stops() -> None:
        stop.set()

    Tiny.held["A"] -= {email(NAMES[0])}
    Tiny.listing = stops
    with pytest.raises(Interrupted):
        await verified.syncs.verify("s", repair=[Kind.MISSING], stop=stop)
    for error, raised in (
        (AudienceGone("it was deleted"), AudienceGone),
        (PartnerUnavailable("away"), PartnerUnavailable),
        (KeyError("a bug"), PluginError),
        (SystemExit(3), PluginError),
    ):
        Tiny.listing = raises_at_once(error)
        with pytest.raises(raised):
            await verified.syncs.verify("s", repair=[Kind.MISSING])
    Tiny.listing = None

    assert held(verified) == books
    with verified.workspace.store.reading() as connection:
        said = [*connection.execute(select(verifications.c.state, verifications.c.message))]
    assert {state for state, _ in said} == {"failed"}
    assert ("failed", "it was deleted") in said
    assert not [*verified.workspace.runs_folder.glob("verify-*/work")]
    assert verified.syncs.last_verification("s") is None

    buy(verified, tmp_path, NAMES[:24], event="Returned", times=1)
    run = await verified.syncs.run("s")
    with pytest.raises(Busy, match=f"Run {run.id} .* is held by a guard"):
        await verified.syncs.verify("s")
    revive = killed_in(monkeypatch, Notes, "write", Acknowledged)
    with pytest.raises(BaseExceptionGroup):
        await verified.syncs.approve(run.id)
    revive()
    with pytest.raises(Busy, match="was interrupted"):
        await verified.syncs.verify("s")

    verified.syncs.start("loyal", "t", every=None, audience="B", name="new")
    with pytest.raises(UsageError, match="nothing to verify"):
        await verified.syncs.verify("new")
    monkeypatch.setattr(Tiny, "abilities", frozenset({Ability.REMOVE}))
    with pytest.raises(UsageError, match="I cannot tell who is in 'A': Tiny has no call that lists an audience"):
        await verified.syncs.verify("s")


def raises_at_once(error: BaseException):
    async def answer() -> None:
        raise error

    return answer


async def test_a_verification_of_mailchimp_with_the_command_line(connected, partner, tmp_path, cli):
    async with connected.connections.opened("news") as mailchimp:
        await mailchimp.http.post("/lists/a6b5da1054/merge-fields", {"tag": "PLAN", "name": "Plan", "type": "text"})
    connected.syncs.start("loyal", "news", every=timedelta(hours=2), mapping={"PLAN": "plan"})
    await connected.syncs.run("loyal-news")
    know(partner, ["other"])
    async with connected.connections.opened("news") as mailchimp:
        tag = await mailchimp.open_audience("hub: loyal")
        await mailchimp.remove(tag, [])
        await mailchimp.remove(tag, [Member(email(NAMES[0]))])
        await mailchimp.add(tag, [Member(email("other")), Member(email(NAMES[1]), {"PLAN": "free"})])

    told = cli("sync", "verify", "loyal-news")
    mended = cli("sync", "verify", "loyal-news", "--repair", "missing", "--repair", "changed", "--adopt", "extra")

    assert told.returncode == 5, told.stderr
    assert "missing 1: " in told.stdout
    assert f"{email(NAMES[0])} ({NAMES[0]})" in told.stdout
    assert f"{email(NAMES[1])} ({NAMES[1]}): PLAN" in told.stdout
    assert mended.returncode == 0, mended.stderr
    assert (
        "1 missing member is sent again by the next run; 1 changed member is set right by the next run" in mended.stdout
    )
    run = await connected.syncs.run("loyal-news")
    assert (run.added, run.updated, run.removed) == (1, 1, 1)
    assert tagged(partner) == in_cohort(connected)
