"""Whatever a connector answers or raises: the run ends, its figures add up, and what is held is what is there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from hub import (
    AudienceGone,
    BatchRefused,
    CredentialRefused,
    MappingWrong,
    MemberRefused,
    Outcome,
    PartnerError,
    PartnerUnavailable,
    Refusal,
    SettingsWrong,
    Wait,
)
from hub.errors import PluginError, UsageError
from hub.store.tables import exceptions
from hub.sync.held import held_by
from hub.sync.refused import RefusedMembers
from hub.sync.states import RunState
from tests.customers import NAMES, buy, email, in_cohort
from tests.sync.tiny import Tiny

LEAVERS = NAMES[:12]


def held(hub, audience: int = 1) -> dict[str, bool]:
    """The keys that the hub believes to be in the audience, and whether it is certain."""
    with hub.workspace.reading() as reader:
        rows = [row for batch in reader.batches(held_by(reader, audience)) for row in batch.to_pylist()]
    return {row["key"]: row["certain"] for row in rows}


def adds_up(run, *, kept: int = 0) -> bool:
    """Whether everybody in the cohort, and everybody who left it, is counted exactly once."""
    ends = run.added + run.updated + run.removed + run.rejected + run.owed + run.parked
    return run.qualified + run.to_remove + kept == sum(run.skipped.values()) + run.unchanged + ends


def raises(error: Exception, *, calls: tuple[int, ...] = ()):
    """An answer that raises `error`, in these calls (counted from 1) or in all."""
    count = 0

    async def answer(verb, members):
        nonlocal count
        count += 1
        if not calls or count in calls:
            raise error
        return Outcome()

    return answer


def returns(value):
    async def answer(verb, members):
        return value

    return answer


def to_the_batch_of(name: str, value):
    async def answer(verb, members):
        return value if email(name) in {member.key for member in members} else Outcome()

    return answer


ERRORS = [
    AudienceGone("gone"),
    BatchRefused("bad batch"),
    CredentialRefused("who are you"),
    MappingWrong("no such field"),
    MemberRefused("not him", code="7"),
    PartnerError("a kind of its own"),
    PartnerUnavailable("away"),
    PartnerUnavailable("away", answer_lost=True),
    PluginError("broken"),
    SettingsWrong("wrong"),
    UsageError("no"),
    Wait("slow down", seconds=0),
    Wait("slow down", seconds=3600),
    KeyError("a bug"),
    TimeoutError(),
    asyncio.CancelledError(),
]
SOME = [ERRORS[number] for number in (0, 1, 7, 10, 13, 15)]
"""One of each kind that takes a way of its own."""


async def a_sync_for(hub, error: BaseException) -> str:
    """The name of a sync, and audience, of its own for an error; the connection works again."""
    name = f"{ERRORS.index(error)} {type(error).__name__}"
    hub.syncs.start("loyal", "t", every=timedelta(hours=2), audience=name, name=name)
    await hub.connections.check("t")
    Tiny.answer = Tiny.opening = None
    return name


async def test_after_any_error_of_add_the_run_has_ended_its_figures_add_up_and_the_next_one_mends_it(tiny):
    for error in ERRORS:
        name = await a_sync_for(tiny, error)
        Tiny.answer = raises(error)

        run = await tiny.syncs.run(name)

        assert run.finished, name
        assert run.rejected + run.owed == 40, name
        assert adds_up(run), name
        if error not in SOME:
            continue
        Tiny.answer = None
        await tiny.connections.check("t")
        mended = await tiny.syncs.run(name)
        assert adds_up(mended), name
        assert Tiny.held[name] == (set() if run.rejected else in_cohort(tiny)), name


async def test_after_any_error_of_remove_the_run_has_ended_and_its_figures_add_up(tiny, tmp_path):
    names = [await a_sync_for(tiny, error) for error in SOME]
    for name in names:
        await tiny.syncs.run(name)
    buy(tiny, tmp_path, LEAVERS, event="Returned", times=1)
    for error, name in zip(SOME, names, strict=True):
        await tiny.connections.check("t")
        Tiny.answer = raises(error)

        run = await tiny.syncs.run(name)

        assert run.finished, name
        assert adds_up(run), name
        assert (run.unchanged, run.removed, run.rejected + run.owed) == (28, 0, 12), name


async def test_after_any_error_of_open_audience_the_run_has_ended_and_the_next_one_delivers(tiny):
    for error in SOME:
        name = await a_sync_for(tiny, error)

        async def fails(error=error):
            raise error

        Tiny.opening = fails
        run = await tiny.syncs.run(name)
        Tiny.opening = None
        await tiny.connections.check("t")
        mended = await tiny.syncs.run(name)

        assert (run.state, run.owed, run.added) == (RunState.FAILED, 40, 0), name
        assert run.message, name
        assert adds_up(run), name
        assert (mended.state, mended.added) == (RunState.DONE, 40), name


@pytest.mark.parametrize("answer", [None, [], "ok", {"refused": []}], ids=str)
async def test_an_answer_that_is_no_outcome_is_the_plugins_fault_and_ends_the_run(tiny, answer):
    Tiny.answer = returns(answer)

    run = await tiny.syncs.run("s")

    assert (run.state, run.owed) == (RunState.FAILED, 40)
    assert "tiny" in run.message


async def test_a_member_who_is_refused_twice_in_one_answer_counts_once(tiny):
    once = Refusal(email(NAMES[0]), "no")
    Tiny.answer = to_the_batch_of(NAMES[0], Outcome([once, replace(once, reason="no, again")]))

    run = await tiny.syncs.run("s")

    assert (run.added, run.rejected) == (39, 1)
    assert adds_up(run)


async def test_a_refusal_that_spells_the_key_in_another_case_is_a_refusal(tiny):
    Tiny.answer = to_the_batch_of(NAMES[0], Outcome([Refusal(email(NAMES[0]).upper(), "no")]))

    run = await tiny.syncs.run("s")

    assert (run.added, run.rejected) == (39, 1)
    assert email(NAMES[0]) not in held(tiny)


async def test_a_refusal_of_somebody_who_was_not_sent_is_the_plugins_fault_and_nobody_counts_as_taken(tiny):
    Tiny.answer = returns(Outcome([Refusal("contact-123", "no")]))

    run = await tiny.syncs.run("s")

    assert run.state is RunState.FAILED
    assert "contact-123" in run.message
    assert run.added == 0


async def test_of_a_refused_batch_only_the_bad_rows_are_rejected(tiny):
    bad = {email(NAMES[3]), email(NAMES[17]), email(NAMES[18])}

    async def answer(verb, members):
        if bad & {member.key for member in members}:
            raise BatchRefused("something is wrong in here")
        return Outcome()

    Tiny.answer = answer
    run = await tiny.syncs.run("s")

    assert run.state is RunState.DONE
    assert (run.added, run.rejected) == (37, 3)
    assert adds_up(run)
    assert {rejected.key for rejected in tiny.syncs.rejected(run.id)} == bad
    assert set(held(tiny)) == Tiny.held["A"] == in_cohort(tiny) - bad


@pytest.mark.parametrize(
    "error", [CredentialRefused("no more"), Wait("slow", seconds=3600), PartnerUnavailable("away")], ids=str
)
async def test_the_half_of_a_batch_that_was_taken_before_the_other_failed_is_taken_out_when_it_leaves(
    tiny, tmp_path, error
):
    async def answer(verb, members):
        if len(members) > 5:
            raise BatchRefused("halve it")
        if email(NAMES[9]) in {member.key for member in members}:
            raise error
        return Outcome()

    Tiny.answer = answer
    await tiny.syncs.run("s")
    assert email(NAMES[0]) in Tiny.held["A"]
    Tiny.answer = None
    buy(tiny, tmp_path, NAMES[:1], event="Returned", times=1)
    await tiny.connections.check("t")

    await tiny.syncs.run("s")

    assert Tiny.held["A"] == in_cohort(tiny)


async def test_somebody_who_may_have_arrived_when_a_sibling_batch_broke_is_taken_out_when_he_leaves(tiny, tmp_path):
    arrived = asyncio.Event()

    async def answer(verb, members):
        if email(NAMES[0]) in {member.key for member in members}:
            Tiny.held["A"] |= {member.key for member in members}
            arrived.set()
            await asyncio.sleep(1)
            raise PartnerUnavailable("cut", answer_lost=True)
        await arrived.wait()
        raise PartnerError("a kind of its own")

    Tiny.answer = answer
    await tiny.syncs.run("s")
    Tiny.answer = None
    buy(tiny, tmp_path, NAMES[:1], event="Returned", times=1)

    await tiny.syncs.run("s")

    assert Tiny.held["A"] == in_cohort(tiny)


async def test_a_partner_that_asks_for_an_hour_is_left_alone_at_once(tiny, monkeypatch):
    monkeypatch.setattr(Tiny, "limits", replace(Tiny.limits, concurrency=1))
    Tiny.answer = raises(Wait("come back later", seconds=3600), calls=(2,))

    run = await tiny.syncs.run("s")

    assert len(Tiny.calls) == 2
    assert (run.state, run.added, run.owed) == (RunState.FAILED, 10, 30)
    assert "come back later" in run.message


async def test_a_connector_that_hangs_is_given_up_and_the_run_ends(tiny, monkeypatch):
    async def hangs(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr("hub.connectors.containing.GRACE_SECONDS", 0.0)
    monkeypatch.setattr(Tiny, "limits", replace(Tiny.limits, timeout=timedelta(seconds=0.05)))
    Tiny.answer = hangs
    delivering = await asyncio.wait_for(tiny.syncs.run("s"), 30)
    Tiny.opening = hangs
    tiny.syncs.start("loyal", "t", every=None, audience="B", name="b")
    opening = await asyncio.wait_for(tiny.syncs.run("b"), 30)

    assert (delivering.state, delivering.owed) == (RunState.FAILED, 40)
    assert (opening.state, opening.owed) == (RunState.FAILED, 40)


async def test_a_refusal_is_forgotten_when_its_person_is_in_neither_the_cohort_nor_the_audience(tiny, tmp_path):
    Tiny.answer = to_the_batch_of(NAMES[0], Outcome([Refusal(email(NAMES[0]), "no")]))
    tiny.syncs.start("loyal", "t", every=timedelta(hours=2), audience="A", name="again")
    refused = await tiny.syncs.run("again")
    Tiny.answer = None
    assert (refused.rejected, _refused(tiny)) == (1, {email(NAMES[0])})

    assert (await tiny.syncs.run("again")).parked == 1
    assert _refused(tiny) == {email(NAMES[0])}

    buy(tiny, tmp_path, NAMES[:1], event="Returned", times=1)
    assert (await tiny.syncs.run("again")).parked == 0
    assert _refused(tiny) == set()


async def test_settling_asks_for_refusals_a_piece_of_the_plan_at_a_time(tiny, monkeypatch):
    monkeypatch.setattr("hub.sync.settle.ROWS_AT_ONCE", 10)
    asked: list[tuple[int, int]] = []
    whole = RefusedMembers.of_batches

    def some(refused, run_id, first, last):
        asked.append((first, last))
        return whole(refused, run_id, first, last)

    monkeypatch.setattr(RefusedMembers, "of_batches", some)
    Tiny.answer = every_second

    run = await tiny.syncs.run("s")

    assert asked == [(number, number) for number in (1, 2, 3, 4)] * 2
    assert (run.added, run.rejected) == (20, 20)
    assert {*held(tiny)} == Tiny.held["A"]


async def every_second(verb, members):
    return Outcome([Refusal(each.key, "no") for each in members[::2]])


def _refused(hub) -> set[str]:
    with hub.workspace.store.reading() as connection:
        return {*connection.execute(select(exceptions.c.key)).scalars()}
