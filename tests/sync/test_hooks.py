"""Hooks around the loop: what plugins may change of a batch, and what they are told of runs and message events."""

from __future__ import annotations

import dataclasses
import logging
import sys
import threading
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

import hub as public
from hub.connectors.plugins import load_from
from hub.inbound.store import store_events
from hub.sync.states import RunState
from tests.customers import NAMES, buy, in_cohort
from tests.sync.tiny import Tiny

EVENTS = public.MessageEvents("tiny", "https://tiny.example", (public.MessageEventKind("open", "Opened", False),))


@pytest.fixture
def installed(monkeypatch):
    """Install plugins of these hooks beside the tiny partner, in the order of their names."""

    def install(**plugins):
        points = [EntryPoint("tiny", "tests.sync.tiny", "hub.plugins")]
        for name, hooks in plugins.items():
            module = ModuleType(f"hub_{name}")
            for hook in hooks:
                setattr(module, hook.__name__, public.hookimpl(hook))
            monkeypatch.setitem(sys.modules, module.__name__, module)
            points.append(EntryPoint(name, module.__name__, "hub.plugins"))
        found = load_from(points)
        assert [plugin.error for plugin in found.found if plugin.error] == []
        monkeypatch.setattr("hub.connectors.plugins.load_plugins", lambda: found)

    return install


async def test_a_payload_hook_changes_values_and_nobody_elses_business(tiny, installed, tmp_path):
    told = []

    def hub_member_payload(connection, members):
        told.append((connection, threading.current_thread()))
        return [dataclasses.replace(each, values={**each.values, "seen_by": "first"}) for each in members]

    def second(members):
        return [dataclasses.replace(each, values={"order": f"{each.values['seen_by']}, second"}) for each in members]

    second.__name__ = "hub_member_payload"
    installed(a=[hub_member_payload], b=[second])

    run = await tiny.syncs.run("s")

    assert run.state is RunState.DONE
    assert {tuple(values.items()) for values in Tiny.values["A"].values()} == {(("order", "first, second"),)}
    assert {connection.name for connection, _ in told} == {"t"}
    assert threading.main_thread() not in {thread for _, thread in told}
    # nothing is owed because of it, and nothing goes out again
    assert (await tiny.syncs.run("s")).unchanged == 40
    # who leaves does not come to the hook
    batches = len(told)
    buy(tiny, tmp_path, NAMES[:1], event="Returned")
    assert (await tiny.syncs.run("s")).removed == 1
    assert len(told) == batches


async def test_a_payload_hook_that_fails_ends_the_run_and_nothing_of_the_batch_leaves(tiny, installed):
    wrong = {
        "The plugin strict failed in hub_member_payload with ZeroDivisionError": lambda members: 1 / 0,
        "The plugin strict changed who is in a batch": lambda members: members[1:],
        "changed who is in a batch": lambda members: [public.Member(f"x{each.key}") for each in members],
        "changed who is in a batch in hub_member_payload.": lambda members: "abcdefghij",
    }
    for words, answer in wrong.items():

        def hub_member_payload(members, answer=answer):
            return answer(members)

        installed(strict=[hub_member_payload])
        failed = await tiny.syncs.run("s")

        assert failed.state is RunState.FAILED
        assert words in failed.message
    assert Tiny.calls == []

    installed()
    assert (await tiny.syncs.run("s")).state is RunState.DONE
    assert Tiny.held["A"] == in_cohort(tiny)


async def test_observers_are_told_of_a_run_and_one_that_raises_stops_nothing(tiny, installed, caplog):
    told = []

    def hub_before_run(run):
        told.append(("before", run))

    def hub_after_run(run):
        told.append(("after", run))
        assert threading.current_thread() is not threading.main_thread()

    def broken(run):
        raise SystemExit("no more")

    broken.__name__ = "hub_after_run"
    installed(a=[broken], b=[hub_before_run, hub_after_run])

    with caplog.at_level(logging.WARNING, "hub.plugins"):
        run = await tiny.syncs.run("s")

    [(_, begun), (_, ended)] = told
    assert run.state is RunState.DONE
    assert (begun.state, begun.finished_at, begun.sync, begun.cohort) == ("evaluating", None, "s", "loyal")
    assert (ended.state, ended.added, ended.qualified, ended.id) == ("done", 40, 40, run.id)
    assert (ended.connection.name, ended.connection.connector) == ("t", "tiny")
    assert ended.finished_at.tzinfo is not None
    assert "The plugin a failed in hub_after_run with SystemExit: no more" in caplog.text


async def test_observers_are_told_of_message_events_once_they_are_kept(tiny, installed, caplog):
    told = []

    def hub_message_events(connection, events):
        told.append((connection, [event.id for event in events]))

    def broken(events):
        raise KeyError("email")

    broken.__name__ = "hub_message_events"
    installed(a=[broken], b=[hub_message_events])
    at = datetime(2026, 11, 1, tzinfo=UTC)
    events = [
        public.MessageEvent("open", f"e{number}", ("$email", "a@b.no"), at + timedelta(seconds=number))
        for number in range(3)
    ]
    with tiny.workspace.store.reading() as connection:
        [(connection_id,)] = connection.exec_driver_sql("SELECT id FROM connections").all()

    for page in (events[:2], events):
        store_events(tiny.workspace, connection_id, "t", EVENTS, page)

    assert [ids for _, ids in told] == [["e0", "e1"], ["e2"]]
    assert {connection.connector for connection, _ in told} == {"tiny"}
    assert "The plugin a failed in hub_message_events with KeyError" in caplog.text
