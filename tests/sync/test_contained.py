"""Connectors that will not be stopped, and processes that have lost their audience: neither goes on writing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from tenacity.wait import wait_none

from hub import Outcome
from hub.clock import now
from hub.connectors.recording import _recorder
from hub.errors import Busy, PluginError
from hub.store.lease import Lease, take
from hub.store.tables import audiences
from hub.sync.states import RunState
from hub_mailchimp.connector import Mailchimp
from tests.customers import in_cohort, tagged
from tests.sync.test_answers import adds_up
from tests.sync.tiny import Tiny


@pytest.fixture
def impatient(monkeypatch):
    """No call may last for longer than a moment, and none that is cancelled either."""
    monkeypatch.setattr("hub.connectors.containing.GRACE_SECONDS", 0.0)
    monkeypatch.setattr("hub.connectors.containing.LET_GO_SECONDS", 0.05)
    monkeypatch.setattr("hub.connectors.retry._backoff", wait_none())


async def _never_ends(released: asyncio.Event) -> None:
    while not released.is_set():
        try:
            await released.wait()
        except asyncio.CancelledError:
            continue


async def test_a_call_that_swallows_its_cancellation_ends_its_run_and_keeps_no_process(tiny, monkeypatch, impatient):
    async def answer(*_):
        await _never_ends(asyncio.Event())

    monkeypatch.setattr(Tiny, "limits", replace(Tiny.limits, timeout=timedelta(seconds=0.05)))
    Tiny.answer = answer

    run = await asyncio.to_thread(asyncio.run, tiny.syncs.run("s"))  # its event loop ends as well

    assert run.state is RunState.FAILED and adds_up(run) and run.owed == 40
    assert run.lost_answers and "gave no answer" in run.message


async def test_a_call_that_was_given_up_on_sends_nothing_any_more(connected, partner, monkeypatch, impatient):
    released, ended, told = asyncio.Event(), asyncio.Event(), []
    whole = Mailchimp.add_page

    async def add_page(self, *arguments):
        if not told:
            told.append("hangs")
            await _never_ends(released)
            with pytest.raises(PluginError, match="given up on"):
                await whole(self, *arguments)
            ended.set()
        elif not ended.is_set():
            released.set()
            await ended.wait()
        return await whole(self, *arguments)

    connected.syncs.start("loyal", "news", every=timedelta(hours=2))
    monkeypatch.setattr(Mailchimp, "add_page", add_page)
    monkeypatch.setattr(Mailchimp, "limits", replace(Mailchimp.limits, timeout=timedelta(seconds=1)))
    run = await asyncio.wait_for(connected.syncs.run("loyal-news"), 60)

    assert ended.is_set() and run.lost_answers
    assert (run.state, run.added) == (RunState.DONE, 40)
    assert tagged(partner) == in_cohort(connected)


async def test_an_event_loop_that_is_blocked_keeps_its_audience(tiny, monkeypatch):
    monkeypatch.setattr("hub.store.lease.HEARTBEAT", timedelta(seconds=0.05))
    store, renewed = tiny.workspace.store, set()

    async def answer(*_):
        deadline = time.monotonic() + 30
        while len(renewed) < 3 and time.monotonic() < deadline:  # without awaiting anything
            with store.reading() as connection:
                row = connection.execute(select(audiences)).one()
            renewed.add(row.lease_until)
            with pytest.raises(Busy):
                take(store, Lease(audiences, row.id, "elsewhere:1:1:abc", "The audience"))
        return Outcome()

    Tiny.answer = answer
    run = await tiny.syncs.run("s")

    assert len(renewed) >= 3
    assert run.state is RunState.DONE and run.added == 40


async def test_who_has_lost_an_audience_notices_before_the_next_request_leaves(connected, partner, monkeypatch):
    monkeypatch.setattr("hub.store.lease.HEARTBEAT", timedelta(seconds=0.02))
    store, whole, noticed = connected.workspace.store, Mailchimp.add_page, []

    async def add_page(self, *arguments):
        with store.writing() as connection:  # as another machine would, after a minute of silence
            connection.execute(audiences.update().values(lease_owner="elsewhere:1:1:abc", lease_until=now()))
        term = _recorder.get()._attempts._lease.term
        async with asyncio.timeout(20):
            while not term.over:
                await asyncio.sleep(0.01)
        noticed.append(True)
        return await whole(self, *arguments)

    connected.syncs.start("loyal", "news", every=timedelta(hours=2))
    with monkeypatch.context() as patched:
        patched.setattr(Mailchimp, "add_page", add_page)
        with pytest.raises(Busy, match="taken over by another process"):
            await connected.syncs.run("loyal-news")
    assert noticed and tagged(partner) == set()

    run = await connected.syncs.run("loyal-news")  # the other's time is up

    assert (run.state, run.added, run.resumed) == (RunState.DONE, 40, 1)
    assert tagged(partner) == in_cohort(connected)
