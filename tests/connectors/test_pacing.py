"""One rate and one concurrency limit an account, however many talk to it."""

from __future__ import annotations

import asyncio
import bisect
import threading
from datetime import timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.connectors.addresses import AddressGuard
from hub.connectors.contract import Limits, Rate
from hub.connectors.http import PartnerClient
from hub.connectors.pacing import Pace, within
from hub.connectors.shares import AccountBooks, fair_shares
from hub.errors import StoreError, Wait
from hub.store.migrate import migrate
from hub.store.store import Store
from hub.store.tables import account_shares

WANTS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 20), max_size=8)


@given(st.integers(0, 30), WANTS)
def test_shares_never_add_up_to_more_than_the_limit_and_nothing_is_left_while_somebody_wants_it(limit, wants):
    shares = fair_shares(limit, wants)
    assert sum(shares.values()) == (limit if any(wants.values()) else 0)
    assert all(shares[one] == 0 for one, wanted in wants.items() if not wanted)


@given(st.integers(0, 30), WANTS)
def test_nobody_goes_short_beside_one_who_has_two_more_than_he(limit, wants):
    shares = fair_shares(limit, wants)
    for one, wanted in wants.items():
        if shares[one] < wanted:
            assert max(shares.values()) <= shares[one] + 1


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path}/hub.db")
    migrate(store)
    return store


def pace(store: Store, *, concurrency: int = 8, rate: Rate | None = None) -> Pace:
    limits = Limits(batch_size=1, concurrency=concurrency, source="here", rate=rate)
    return Pace(AccountBooks(store, "acme:1", concurrency), limits)


class Partner:
    """Sees how many requests are under way, and when each began."""

    def __init__(self) -> None:
        self.under_way = self.highest = 0
        self.began: list[float] = []

    async def answer(self, seconds: float = 0.002) -> None:
        self.began.append(asyncio.get_running_loop().time())
        self.under_way += 1
        self.highest = max(self.highest, self.under_way)
        await asyncio.sleep(seconds)
        self.under_way -= 1


async def send(pace: Pace, partner: Partner, requests: int, at_once: int = 8) -> None:
    left = iter(range(requests))

    async def worker() -> None:
        for _ in left:
            async with pace.turn():
                await partner.answer()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())


async def test_one_who_is_alone_has_all_of_the_account(store):
    partner = Partner()
    async with pace(store, concurrency=5) as one:
        await send(one, partner, 60)
    assert partner.highest == 5


async def test_several_together_never_have_more_under_way_than_the_account_allows(store):
    partner = Partner()
    async with pace(store, concurrency=3) as one, pace(store, concurrency=3) as other:
        await asyncio.gather(*(send(each, partner, 100) for each in (one, other)))
    assert partner.highest == 3
    assert len(partner.began) == 200


async def test_who_comes_to_an_account_that_is_in_full_use_gets_his_share(store):
    """Each with more to send than fits: the one who came later is done long before the first."""
    partner, order = Partner(), list[str]()

    async def sending(name: str, pace: Pace, requests: int) -> None:
        await send(pace, partner, requests)
        order.append(name)

    async with pace(store, concurrency=4) as one, pace(store, concurrency=4) as other:
        first = asyncio.create_task(sending("first", one, 8_000))
        while partner.highest < 4:
            await asyncio.sleep(0)
        await sending("other", other, 50)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert order == ["other"]
    assert partner.highest == 4


async def test_nothing_begins_on_an_old_share_while_a_new_one_is_being_written(store):
    """The books are told what is under way, so that no other request may begin until they are written."""

    class Slow(AccountBooks):
        def rebalance(self, owner: str, *, wants: int, under_way: int) -> tuple[int, int]:
            found = super().rebalance(owner, wants=wants, under_way=under_way)
            told.append(under_way)
            if len(told) == 2:
                written.wait(10)
            return found

    told, written = list[int](), threading.Event()
    limits = Limits(batch_size=1, concurrency=3, source="here")
    begun = list[str]()

    async def late() -> None:
        async with one.turn():
            begun.append("late")

    async with Pace(Slow(store, "acme:1", 3), limits) as one, one.turn():
        while len(told) < 2:  # the second look at who else wants something
            await asyncio.sleep(0.01)
        task = asyncio.create_task(late())
        await asyncio.sleep(0)
        before = [*begun]
        written.set()
        await task
    assert (told[1], before, begun) == (1, [], ["late"])


async def test_who_cannot_be_granted_anything_is_told_why_and_does_not_wait_for_ever(store, tmp_path):
    async with pace(store) as one:
        (tmp_path / "hub.db").write_bytes(b"this is no database" * 1_000)
        with pytest.raises(StoreError):
            async with one.turn():
                pass


async def test_what_is_left_goes_to_those_who_are_still_there(store):
    partner = Partner()
    async with pace(store, concurrency=4) as other:
        async with pace(store, concurrency=4) as one:
            await asyncio.gather(send(one, partner, 5), send(other, partner, 5))
        partner.highest = 0
        await send(other, partner, 500)
    assert partner.highest == 4
    with store.reading() as connection:
        assert connection.execute(account_shares.select()).all() == []


async def test_a_rate_is_never_passed_by_several_together(store):
    partner, rate = Partner(), Rate(100, timedelta(seconds=1))
    async with pace(store, rate=rate) as one, pace(store, rate=rate) as other:
        await asyncio.gather(send(one, partner, 110), send(other, partner, 110))
    began = sorted(partner.began)
    most = max(bisect.bisect_left(began, at + 1) - place for place, at in enumerate(began))
    assert len(began) == 220
    assert most <= 100


async def test_waiting_for_a_turn_does_not_count_as_waiting_for_an_answer(store):
    partner = Partner()
    async with pace(store, concurrency=1) as one:

        async def call() -> None:
            async with within(0.5), one.turn():
                await partner.answer(0.2)

        await asyncio.gather(*(call() for _ in range(6)))
        with pytest.raises(TimeoutError):
            async with within(0.05), one.turn():
                await partner.answer(30)
    assert partner.highest == 1


async def test_a_partner_that_asks_to_wait_is_left_alone_by_all(store):
    answers = iter([httpx.Response(429, headers={"Retry-After": "3"}), *[httpx.Response(200)] * 2])
    loop, began = asyncio.get_running_loop(), list[float]()

    def answer(_: httpx.Request) -> httpx.Response:
        began.append(loop.time())
        return next(answers)

    def client(pace: Pace) -> PartnerClient:
        transport = httpx.MockTransport(answer)
        return PartnerClient("https://api.example", guard=AddressGuard(), transport=transport, pace=pace)

    async with pace(store) as one, pace(store) as other, client(one) as first, client(other) as second:
        with pytest.raises(Wait):
            await first.request("POST", "/members")
        await second.request("POST", "/members")
        await first.request("POST", "/members")
    assert min(began[1:]) - began[0] >= 2.95  # far longer than it takes to be granted anything
