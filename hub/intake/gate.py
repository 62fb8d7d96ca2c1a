"""The way into a log for a server: requests that wait at the same time share one commit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hub.errors import HubError, StoreError

_MOST_BYTES = 32 * 1024 * 1024
"""Of payload in one commit; more than that waits for the next one."""


class Sized(Protocol):
    """What a log keeps. Its payload is what is large of it."""

    @property
    def payload(self) -> bytes:
        """The bytes."""


class Log(Protocol):
    """A log: the intake log, or that of partners' requests."""

    def append(self, arrivals: Sequence[Any], /) -> Any:
        """Keep all or none: they are on the disk when this returns. Raises StoreError."""


@dataclass
class _Waiting:
    """One request that waits for its arrivals to be durable."""

    arrivals: Sequence[Sized]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = sum(len(arrival.payload) for arrival in self.arrivals)


class Gate:
    """Group commit: a thread of its own appends whatever waits, in the order in which it came, in one transaction.

    Between `open` and `close`, `put` may be called from any number of event loops.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="intake gate", daemon=True)

    def open(self) -> None:
        """Begin to append."""
        self._thread.start()

    async def put(self, arrivals: Sequence[Sized]) -> None:
        """Return when all of `arrivals` are durable. Raises StoreError when they are not: then none of them is in.

        Whoever is cancelled does not know: they may be in.
        """
        if not arrivals:
            return
        loop = asyncio.get_running_loop()
        waiting = _Waiting(arrivals, loop, loop.create_future())
        with self._changed:
            if self._closed:
                raise StoreError("The server is ending.", hint="Send it again in a moment.")
            self._waiting.append(waiting)
            self._changed.notify()
        await waiting.done

    def close(self) -> None:
        """Append what waits, and end. Blocks until that is done."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            error: HubError | None = None
            try:
                self._log.append([arrival for waiting in group for arrival in waiting.arrivals])
            except HubError as failed:
                error = failed
            except Exception as failed:  # noqa: BLE001 - a fault here must not leave every later request waiting
                error = StoreError(f"What came in cannot be written: {failed}.", hint="Run `hub doctor`.")
            self._answer(group, error)

    def _next_group(self) -> list[_Waiting]:
        """What waits, up to _MOST_BYTES. Empty when the gate is closed and nothing waits."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            size = number = 0
            for number, waiting in enumerate(self._waiting, 1):  # noqa: B007 - how many is what is asked for
                size += waiting.size
                if size >= _MOST_BYTES:
                    break
            group, self._waiting = self._waiting[:number], self._waiting[number:]
        return group

    def _answer(self, group: list[_Waiting], error: HubError | None) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for waiting in group:
            by_loop.setdefault(waiting.loop, []).append(waiting.done)
        for loop, futures in by_loop.items():
            with contextlib.suppress(RuntimeError):  # a loop that was closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, futures, error)


def _resolve(futures: list[asyncio.Future[None]], error: HubError | None) -> None:
    for future in futures:
        if future.done():
            continue  # nobody waits any more
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(StoreError(error.message, hint=error.hint))
