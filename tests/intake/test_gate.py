"""Requests that wait at the same time share one commit; none is told that it is in when it is not."""

from __future__ import annotations

import asyncio

import pytest

from hub.errors import StoreError
from hub.intake.gate import Gate
from hub.intake.log import IntakeLog
from tests.intake.conftest import some_events


class Counting(IntakeLog):
    """A log that counts its commits, and can be full."""

    def __init__(self, url):
        super().__init__(url)
        self.commits, self.full = 0, False

    def append(self, arrivals):
        self.commits += 1
        if self.full:
            raise StoreError("The disk is full.")
        return super().append(arrivals)


@pytest.fixture
def counting(log, workspace):
    return Counting(workspace.settings.intake_url)


@pytest.fixture
def gate(counting):
    made = Gate(counting)
    made.open()
    yield made
    made.close()


async def test_when_it_returns_it_is_in_and_many_share_a_commit(gate, counting):
    await asyncio.gather(*(gate.put([some_events(n, 1)]) for n in range(200)))

    assert counting.backlog().entries == 200
    assert counting.commits < 50


async def test_what_one_request_brings_stays_together(gate, log):
    await asyncio.gather(*(gate.put([some_events(n, 1), some_events(n, 2)]) for n in range(20)))

    assert [entry.records for entry in log.pending(0, events=1000, bytes=10**7)] == [1, 2] * 20


async def test_a_failure_goes_to_everybody_who_waited_and_to_nobody_else(gate, counting, log):
    counting.full = True
    failed = await asyncio.gather(*(gate.put([some_events(n, 1)]) for n in range(5)), return_exceptions=True)
    counting.full = False
    await gate.put([some_events(9, 1)])

    assert all(isinstance(each, StoreError) for each in failed)
    assert log.backlog().entries == 1


async def test_a_client_that_went_away_keeps_nobody_waiting(gate, log):
    going = asyncio.create_task(gate.put([some_events(0, 1)]))
    await asyncio.sleep(0)
    going.cancel()
    await gate.put([some_events(1, 1)])

    assert going.cancelled()
    assert log.backlog().entries in (1, 2)


async def test_closing_stores_what_waits_and_refuses_what_comes(gate, log):
    waiting = asyncio.create_task(gate.put([some_events(0, 1)]))
    await asyncio.sleep(0)
    await asyncio.to_thread(gate.close)
    await waiting

    assert log.backlog().entries == 1
    with pytest.raises(StoreError):
        await gate.put([some_events(1, 1)])
