"""When a request to a partner may begin: one rate and one concurrency limit an account, whoever spends them.

Syncs, pulls, processes and machines that talk to one account share its limits through the control plane
(`hub.connectors.shares`). Machines have to agree on the time to some hundredths of a second, as those with NTP do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING

from hub.clock import now
from hub.errors import PluginError, StoreError
from hub.store.lease import held_here, new_owner

if TYPE_CHECKING:
    from hub.connectors.contract import Limits
    from hub.connectors.shares import AccountBooks, Instant

BEAT = 1.0
"""Seconds between two looks at who else wants something of the account."""
STARVED_BEAT = 0.2
"""The same, while requests wait."""
AT_ONCE = 0.1
"""Seconds whose requests are reserved in one transaction."""
OF_THE_RATE = 0.975
"""The share of a rate that is used: a request may be late by LATE of the period, and the next ones are not."""
LATE = 0.02


class Pace:
    """The pace of one who talks to an account. Use it as an async context manager, in one event loop."""

    def __init__(self, books: AccountBooks, limits: Limits) -> None:
        self._books, self._limits = books, limits
        self._owner = new_owner()
        self._allowed = self._under_way = self._waiting = 0
        self._trouble: Exception | None = None
        self._asked, self._changed = asyncio.Event(), asyncio.Event()
        self._not_before: Instant = 0
        self._reserved = deque[int]()
        self._reserving = asyncio.Lock()
        self._open = contextlib.AsyncExitStack()
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Pace:
        self._open.enter_context(held_here(self._owner))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._keeping:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping
            with contextlib.suppress(StoreError):  # then it is taken away when its time is up
                await asyncio.to_thread(self._books.leave, self._owner)
        await self._open.aclose()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a request may begin, and note that it is under way for as long as the block runs.

        Raises StoreError when the control plane cannot be used, and nothing was granted before.
        A time limit of `within` does not run while it waits.
        """
        with _waiting_is_free():
            await self._begin()
        try:
            with _waiting_is_free():
                await self._at_its_time()
            yield
        finally:
            self._under_way -= 1
            self._changed.set()

    async def hold_off(self, seconds: float) -> None:
        """Nobody talks to the account for so long: the partner has asked for it."""
        until = _now() + round(seconds * 1_000_000)
        self._not_before = max(self._not_before, until)
        self._reserved.clear()
        with contextlib.suppress(StoreError):  # whoever cannot be told is told by the partner
            await asyncio.to_thread(self._books.hold_off, until)

    async def _begin(self) -> None:
        self._waiting += 1
        try:
            while self._under_way >= self._allowed:
                self._keeping = self._keeping or asyncio.create_task(self._keep())
                self._changed.clear()
                self._asked.set()
                await self._changed.wait()
                if self._trouble and not self._allowed:
                    raise self._trouble
        finally:
            self._waiting -= 1
        self._under_way += 1

    async def _keep(self) -> None:
        """Have as many requests granted as are wanted, as far as others leave them, and give back what is not."""
        while True:
            if self._under_way or self._waiting or self._allowed:
                await self._rebalance()
                self._changed.set()
            if self._waiting and self._allowed <= self._under_way:
                await asyncio.sleep(STARVED_BEAT)
                continue
            self._asked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEAT if self._allowed else None):
                    await self._asked.wait()

    async def _rebalance(self) -> None:
        wants, under_way, before = self._under_way + self._waiting, self._under_way, self._allowed
        self._allowed = under_way  # the books are told of these: no other may begin while they are written
        rebalance = partial(self._books.rebalance, self._owner, wants=wants, under_way=under_way)
        try:
            self._allowed, not_before = await asyncio.to_thread(rebalance)
        except Exception as error:  # noqa: BLE001 - whoever waits for a turn is told, if he cannot have one
            self._allowed, self._trouble = before, error
        else:
            self._trouble = None
            self._not_before = max(self._not_before, not_before)

    async def _at_its_time(self) -> None:
        rate = self._limits.rate
        if rate is None:
            await _sleep_until(self._not_before)
            return
        period = rate.per.total_seconds() * 1_000_000
        apart, late = int(period / (rate.requests * OF_THE_RATE)) + 1, period * LATE
        at = await self._instant(apart)
        await _sleep_until(at)
        while _now() > at + late:  # a busy machine slept too long, and others have gone on: it is not made up for
            at = await self._instant(apart)
            await _sleep_until(at)

    async def _instant(self, apart: int) -> Instant:
        """The next instant that is reserved for a request of this process."""
        async with self._reserving:
            if not self._reserved:
                count = max(1, int(AT_ONCE * 1_000_000 / apart))
                self._reserved.extend(await asyncio.to_thread(self._books.reserve, count, apart))
            return self._reserved.popleft()


class _Clock:
    """A time limit that stands still while a turn is waited for."""

    def __init__(self, limit: asyncio.Timeout) -> None:
        self._limit, self._left, self._waiting = limit, 0.0, 0

    def stop(self) -> None:
        if self._waiting == 0 and (when := self._limit.when()) is not None:
            self._left = when - asyncio.get_running_loop().time()
            try:
                self._limit.reschedule(None)
            except RuntimeError as error:  # its time is over, and nobody waits for it any more
                raise PluginError("A call that was given up on has no turn at the partner any more.") from error
        self._waiting += 1

    def go_on(self) -> None:
        self._waiting -= 1
        if self._waiting == 0 and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + self._left)


_clock: ContextVar[_Clock | None] = ContextVar("time limit of a call to a partner", default=None)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """A time limit for calls to a partner: raises TimeoutError. Waiting for a turn does not count."""
    async with asyncio.timeout(seconds) as limit:
        token = _clock.set(_Clock(limit))
        try:
            yield
        finally:
            _clock.reset(token)


@contextlib.contextmanager
def _waiting_is_free() -> Iterator[None]:
    clock = _clock.get()
    if clock is None:
        yield
        return
    clock.stop()
    try:
        yield
    finally:
        clock.go_on()


async def _sleep_until(at: Instant) -> None:
    left = (at - _now()) / 1_000_000
    if left > 0:
        await asyncio.sleep(left)


def _now() -> Instant:
    return int(now().timestamp() * 1_000_000)
