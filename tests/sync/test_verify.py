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
from hub.store.tables import runs, verifications
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


async def test_a_report_finds_every_kind_names_them_and_changes_nothing(verified, tmp_path):
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
    assert verified.syncs.last_verification("s").found == report.found
    [listing] = attempts_of(verified.workspace, f"verify-{report.id}")
    assert (listing.action, listing.end) == ("list audience", "acknowledged")


async def test_repair_sends_again_what_is_missing_or_changed_and_adopted_extras_leave_with_the_next_run(
    verified, tmp_path
):
    disturb(verified, tmp_path)

    report = await verified.syncs.verify("s", repair=(Kind.MISSING, Kind.CHANGED), adopt=EXTRAS)

    assert report.decided == dict.fromkeys(["missing", "changed"], "repair") | dict.fromkeys(EXTRAS, "adopt")
    written = verified.syncs.runs("s")[0]
    assert (written.id, written.trigger, written.state, written.planned) == (report.run, "verify", RunState.DONE, 0)
    assert "2 missing members are sent again by the next run" in written.message
    Tiny.calls.clear()
    run = await verified.syncs.run("s")
    # the adopted member of the cohort gets its value, the other one leaves
    assert (run.added, run.updated, run.removed) == (2, 2, 1)
    assert Tiny.held["A"] == in_cohort(verified)
    assert Tiny.values["A"][email(NAMES[2])] == {"PLAN": "pro"} == Tiny.values["A"][MEMBER]
    assert not (await verified.syncs.verify("s")).differs


async def test_who_is_missing_is_never_forgotten_so_that_a_partner_that_shows_him_late_does_no_harm(
    verified, tmp_path, monkeypatch
):
    late = {email(name) for name in NAMES[:2]}
    Tiny.held["A"] -= late
    await verified.syncs.verify("s", repair=[Kind.MISSING])
    buy(verified, tmp_path, NAMES[:1], event="Returned", times=1)  # and one of them leaves the cohort
    Tiny.held["A"] |= late  # they were there all the time

    await verified.syncs.run("s")

    assert Tiny.held["A"] == in_cohort(verified) == set(held(verified))
    # where the partner says how late it may be, nobody is judged before
    monkeypatch.setattr(Tiny, "limits", replace(Tiny.limits, visible_after=timedelta(minutes=5)))
    Tiny.held["A"] -= {email(NAMES[1])}  # sent again just now
    Tiny.held["A"] |= {email(NAMES[0])}  # taken out just now
    Tiny.values["A"][email(NAMES[5])] = {}
    assert found(await verified.syncs.verify("s", repair=[Kind.MISSING], adopt=EXTRAS)) == {"recent": 3}
    assert set(held(verified)) == in_cohort(verified)


async def test_ignored_extras_are_known_from_then_on_until_somebody_asks_for_everything(verified, tmp_path):
    disturb(verified, tmp_path)

    await verified.syncs.verify("s", ignore=[Kind.EXTRA])

    again = await verified.syncs.verify("s")
    assert found(again) == {"missing": 2, "changed": 1, "extra-in-cohort": 1, "known": 1}
    everything = await verified.syncs.verify("s", everything=True)
    assert everything.found["extra"] == 1
    await verified.syncs.run("s")
    assert STRANGER in Tiny.held["A"]


async def test_lost_answers_are_resolved_those_there_are_certain_and_who_is_not_goes_out_again(verified, tmp_path):
    buy(verified, tmp_path, ["q001", "q002"])
    describe(verified, tmp_path, ["q001", "q002"], plan="pro")
    Tiny.answer = raises(PartnerUnavailable("cut", answer_lost=True))
    run = await verified.syncs.run("s")
    assert (run.state, run.uncertain, run.repeated) == (RunState.FAILED, 2, 0)
    Tiny.answer = None
    Tiny.held["A"].add(MEMBER)
    Tiny.values["A"][MEMBER] = {"PLAN": "pro"}

    report = await verified.syncs.verify("s", repair=[Kind.UNCERTAIN])

    assert [(each.key, each.there) for each in report.samples["uncertain"]] == [(MEMBER, True), (email("q002"), False)]
    assert held(verified)[MEMBER] is True
    assert held(verified)[email("q002")] is False
    following = await verified.syncs.run("s")
    assert (following.state, following.added, following.updated) == (RunState.DONE, 1, 0)
    assert not (await verified.syncs.verify("s")).differs


async def test_a_decision_is_made_once_on_what_was_shown_and_not_on_what_has_changed_since(verified, tmp_path):
    disturb(verified, tmp_path)
    report = await verified.syncs.verify("s")
    with pytest.raises(UsageError, match="--repair is not for extra"):
        await verified.syncs.decide(report.id, repair=[Kind.EXTRA])
    await verified.syncs.decide(report.id, repair=[Kind.MISSING])
    with pytest.raises(UsageError, match="has written down what was decided"):
        await verified.syncs.decide(report.id, adopt=[Kind.EXTRA])

    old = await verified.syncs.verify("s")
    await verified.syncs.run("s")
    with pytest.raises(Held, match="has changed since verification"):
        await verified.syncs.decide(old.id, adopt=[Kind.EXTRA])


async def test_a_run_that_is_held_or_was_interrupted_is_decided_first(verified, tmp_path, monkeypatch):
    buy(verified, tmp_path, NAMES[:24], event="Returned", times=1)
    run = await verified.syncs.run("s")
    with pytest.raises(Busy, match=f"Run {run.id} .* is held by a guard"):
        await verified.syncs.verify("s")
    await verified.syncs.refuse(run.id)
    assert not (await verified.syncs.verify("s")).differs

    verified.syncs.guard("s", on=False)
    revive = killed_in(monkeypatch, Notes, "write", Acknowledged)
    with pytest.raises(BaseExceptionGroup):
        await verified.syncs.run("s")
    revive()
    with pytest.raises(Busy, match="was interrupted"):
        await verified.syncs.verify("s")


async def test_a_verification_that_ends_early_changes_nothing_and_says_so(verified, tmp_path, monkeypatch):
    disturb(verified, tmp_path)
    books = held(verified)
    stop = threading.Event()

    async def stops() -> None:
        stop.set()

    Tiny.listing = stops
    with pytest.raises(Interrupted):
        await verified.syncs.verify("s", repair=[Kind.MISSING], stop=stop)
    for error, raised in (
        (AudienceGone("it was deleted"), AudienceGone),
        (PartnerUnavailable("away"), PartnerUnavailable),
        (KeyError("a bug"), PluginError),
        (_Killed(), _Killed),
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


def raises_at_once(error: BaseException):
    async def answer() -> None:
        raise error

    return answer


async def test_killed_while_a_decision_is_written_down_the_next_worker_writes_it_down(verified, tmp_path, monkeypatch):
    disturb(verified, tmp_path)
    report = await verified.syncs.verify("s")
    revive = killed_in(monkeypatch, Lake, "append", after=True)  # the books are written; the run's end is not
    with pytest.raises(_Killed):
        await verified.syncs.decide(report.id, adopt=[Kind.EXTRA], repair=[Kind.MISSING])
    revive()
    assert verified.syncs.runs("s")[0].state is RunState.SETTLING

    own = await verified.syncs.run("s")  # ends the one, and does its own

    assert own.trigger == "manual"
    assert [run.state for run in verified.syncs.runs("s")[:2]] == [RunState.DONE, RunState.DONE]
    assert Tiny.held["A"] == in_cohort(verified) | {STRANGER} - {STRANGER}
    rows = verified.workspace.lake.committed(HELD, "audience:1")
    assert rows == own.id


async def test_i_cannot_tell_is_not_nothing_differs(tiny, monkeypatch):
    with pytest.raises(UsageError, match="nothing to verify"):
        await tiny.syncs.verify("s")
    monkeypatch.setattr(Tiny, "abilities", frozenset({Ability.REMOVE}))
    await tiny.syncs.run("s")
    with pytest.raises(UsageError, match="I cannot tell who is in 'A': Tiny has no call that lists an audience"):
        await tiny.syncs.verify("s")


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
    unknown = cli("sync", "verify", "loyal-news", "--repair", "extra")

    assert told.returncode == 5, told.stderr
    assert "missing 1: " in told.stdout
    assert f"{email(NAMES[0])} ({NAMES[0]})" in told.stdout
    assert f"{email(NAMES[1])} ({NAMES[1]}): PLAN" in told.stdout
    assert mended.returncode == 0, mended.stderr
    assert (
        "1 missing member is sent again by the next run; 1 changed member is set right by the next run" in mended.stdout
    )
    assert unknown.returncode == 2
    run = await connected.syncs.run("loyal-news")
    assert (run.added, run.updated, run.removed) == (1, 1, 1)
    assert tagged(partner) == in_cohort(connected)
    with connected.workspace.store.reading() as connection:
        assert connection.execute(select(runs.c.undoes).where(runs.c.id == run.id)).scalar() is None
