"""Bad luck: what a plugin, a partner, a disk or a database does that nobody asked for.

Each ends in a named state and a sentence; nobody is lost, and nothing is knowingly sent twice. What is tried elsewhere:
a credential that is revoked, an audience that is deleted, a full disk (test_runs), two who decide at once
(test_held_runs), cohorts that are removed (test_removing), clocks (test_schedules), answers that are HTML, cut or an
error within a 200 (the plugins' own tests), processes that are killed (test_interruptions, test_storm).
"""

from __future__ import annotations

import sqlite3
import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

import hub.store.store
from hub import Ability, Audience, Outcome, Refusal
from hub.app import Hub
from hub.errors import HubError, PluginError, StoreError
from hub.schedule import run_due
from hub.store.tables import audiences
from hub.sync.states import RunState
from tests.customers import in_cohort
from tests.sync.test_answers import adds_up, held
from tests.sync.tiny import Tiny

_RAISED = (SystemExit(3), KeyboardInterrupt(), RecursionError("deep"), MemoryError())


def _raising(error: BaseException):
    async def answer(*_):
        raise error

    return answer


async def _mended(hub_, name: str) -> None:
    """The plugin works again: the next run brings everybody, and nobody is held who is not there."""
    Tiny.answer = Tiny.opening = None
    await hub_.connections.check("t")
    run = await hub_.syncs.run(name)
    assert run.state is RunState.DONE, run
    assert Tiny.held[run.audience] == in_cohort(hub_) == {*held(hub_, _audience(hub_, run.audience))}


def _audience(hub_, name: str) -> int:
    with hub_.workspace.store.reading() as connection:
        return connection.execute(select(audiences.c.id).where(audiences.c.name == name)).scalar_one()


@pytest.mark.parametrize("verb", ["answer", "opening"])
async def test_whatever_a_connector_raises_is_the_plugins_fault_and_ends_no_process(tiny, verb):
    for number, error in enumerate(_RAISED):
        name = f"{number} {type(error).__name__}"
        tiny.syncs.start("loyal", "t", every=timedelta(hours=2), audience=name, name=name)
        setattr(Tiny, verb, _raising(error))

        run = await tiny.syncs.run(name)

        assert run.state is RunState.FAILED and adds_up(run) and run.owed == 40, name
        assert f"The connector tiny failed with {type(error).__name__}" in run.message, name
    await _mended(tiny, name)


async def test_an_audience_whose_ref_is_no_mapping_is_the_plugins_fault(tiny, monkeypatch):
    async def opened(connector, name):
        return Audience("A", name)

    monkeypatch.setattr(Tiny, "open_audience", opened)

    run = await tiny.syncs.run("s")

    assert run.state is RunState.FAILED and run.owed == 40
    assert "ref is 'A', where a mapping belongs" in run.message


async def test_run_due_goes_on_with_the_others_when_a_plugin_wants_to_end_the_process(tiny):
    tiny.syncs.start("loyal", "t", every=timedelta(hours=2), audience="B", name="b")
    calls = []

    async def answer(verb, members):
        calls.append(verb)
        if len(calls) == 1:
            raise SystemExit(0)
        return Outcome()

    Tiny.answer = answer
    due = await run_due(tiny, say=lambda _: None, stop=threading.Event())

    assert [run.sync for run in due.runs] == ["s", "b"] and due.runs[1].state is RunState.DONE
    assert due.exit_code == 1


_NONSENSE = [
    Outcome(refused=None),
    Outcome(refused=[None]),
    Outcome(refused=[Refusal(None, "why")]),
    Outcome(refused=["p001@shop.example"]),
    Outcome(refused=7),
    Outcome(request_id=7),
    Outcome(refused=[Refusal("p001@shop.example", None)]),
    Outcome(refused=[Refusal("p001@shop.example", "no", code=7)]),
]


async def test_an_answer_whose_parts_are_of_the_wrong_kind_is_the_plugins_fault(tiny):
    for number, nonsense in enumerate(_NONSENSE):
        name = f"nonsense {number}"
        tiny.syncs.start("loyal", "t", every=timedelta(hours=2), audience=name, name=name)

        async def answer(verb, members, nonsense=nonsense):
            return nonsense

        Tiny.answer = answer
        run = await tiny.syncs.run(name)
        assert run.state is RunState.FAILED and adds_up(run) and run.owed == 40, name
        assert "The connector tiny" in run.message and run.lost_answers, name
    await _mended(tiny, name)


@pytest.mark.parametrize("part", ["__init__", "base_url"])
async def test_a_connector_that_cannot_be_made_ends_the_run_with_a_sentence(tiny, monkeypatch, part):
    def broken(*_, **__):
        raise AttributeError("no such setting")

    monkeypatch.setattr(Tiny, part, broken)
    run = await tiny.syncs.run("s")
    assert run.state is RunState.FAILED and run.owed == 40
    assert "The connector tiny failed with AttributeError" in run.message
    with pytest.raises(PluginError):
        await tiny.connections.add("tiny", "another", {})

    monkeypatch.undo()
    await _mended(tiny, "s")


@pytest.mark.embedded
async def test_a_database_that_is_locked_for_too_long_is_a_sentence_and_the_run_goes_on_later(tiny, monkeypatch):
    monkeypatch.setitem(hub.store.store._PRAGMAS, "busy_timeout", "100")
    impatient = Hub.open(tiny.settings.home)
    impatient.plugins = tiny.plugins
    locks = []

    async def answer(verb, members):
        if not locks:
            locks.append(sqlite3.connect(tiny.settings.home / "hub.db", isolation_level=None, check_same_thread=False))
            locks[0].execute("BEGIN IMMEDIATE")
        return Outcome()

    Tiny.answer = answer
    with pytest.raises(StoreError, match="locked"):
        await impatient.syncs.run("s")
    sent = [keys for _, keys in Tiny.calls]
    locks[0].execute("ROLLBACK")
    locks[0].close()

    run = await tiny.syncs.run("s")
    assert run.state is RunState.DONE and run.resumed == 1 and run.added == 40
    twice = [keys for _, keys in Tiny.calls[len(sent) :] if keys in sent]
    assert len(twice) == len(sent) == run.lost_answers, "what nobody could write down goes out again, and that is said"
    assert {*held(tiny)} == Tiny.held["A"]


async def test_a_cohort_that_vanishes_while_its_sync_runs_costs_nobody(tiny):
    """Nobody can remove one that an active sync uses; a table that somebody else edited can lose it all the same."""

    async def answer(verb, members):
        with tiny.workspace.store.writing() as connection:
            connection.exec_driver_sql("update cohorts set removed_at = '2026-01-01'")
        return Outcome()

    Tiny.answer = answer
    assert (await tiny.syncs.run("s")).added == 40
    Tiny.answer = None
    with pytest.raises(HubError, match="no cohort"):
        await tiny.syncs.run("s")
    assert len(held(tiny)) == 40


async def test_message_events_of_a_plugin_that_wants_to_end_the_process_are_its_fault(tiny, monkeypatch):
    async def pull(self, cursor):
        raise SystemExit(1)
        yield

    monkeypatch.setattr(Tiny, "pull", pull, raising=False)
    monkeypatch.setattr(Tiny, "abilities", frozenset({Ability.REMOVE, Ability.PULL}))
    with pytest.raises(PluginError, match="SystemExit"):
        await tiny.inbound.pull("t")
