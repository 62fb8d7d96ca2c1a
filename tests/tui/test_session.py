"""Calling the hub from a screen: nothing blocks, what was asked can be dropped, and runs stop politely."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hub.errors import Busy, CredentialRefused
from tests.tui.fakes import FakeHub, run
from tui.session import Session


@pytest.fixture
def make_session():
    made = []

    def make(hub=None) -> Session:
        made.append(Session(hub or FakeHub()))
        return made[-1]

    yield make
    for session in made:
        session.close()


class Question:
    """A question that is never answered, and knows what became of it."""

    def __init__(self) -> None:
        self.asked, self.dropped = threading.Event(), threading.Event()

    async def __call__(self) -> None:
        self.asked.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.dropped.set()
            raise


async def test_a_question_to_a_partner_runs_on_a_thread_of_its_own(make_session):
    async def where() -> str:
        return threading.current_thread().name

    assert await make_session().ask(where) == "tui-partners"


async def test_what_a_partner_refuses_comes_back_as_the_error_that_it_is(make_session):
    async def refused() -> None:
        raise CredentialRefused("no", hint="renew it")

    with pytest.raises(CredentialRefused, match="no"):
        await make_session().ask(refused)


async def test_dropping_a_question_cancels_it_at_the_partner(make_session):
    question = Question()
    asking = asyncio.create_task(make_session().ask(question))
    await asyncio.to_thread(question.asked.wait, 10)
    asking.cancel()

    assert await asyncio.to_thread(question.dropped.wait, 10)


async def test_the_end_of_the_program_drops_open_questions_and_their_thread(make_session):
    session, question = make_session(), Question()
    asking = asyncio.create_task(session.ask(question))
    await asyncio.to_thread(question.asked.wait, 10)
    session.close()

    assert question.dropped.is_set()
    assert not session._partners_thread.is_alive()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_one_sync_runs_once_at_a_time_here_and_is_told_to_stop_by_its_event(make_session):
    async def runner(name, report, stop):
        await asyncio.to_thread(stop.wait, 10)
        return run()

    session = make_session(FakeHub(runner=runner))
    running = asyncio.create_task(session.run("winback"))
    await asyncio.sleep(0)

    with pytest.raises(Busy, match="winback is running already"):
        await session.run("winback")
    session.stop_runs()
    assert (await running).id == 1
    assert session.runs == {}
