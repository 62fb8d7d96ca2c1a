"""What one client may send in a minute, in bytes and in records."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from math import ceil

SECONDS = 60
"""The limits are those of any minute, not of the clock's."""

_CLIENTS = 20_000  # that are remembered at once


@dataclass
class _Minute:
    """What one client sent lately: totals, and what they are made of, by second."""

    bytes: int = 0
    records: int = 0
    seconds: deque[tuple[int, int, int]] = field(default_factory=deque)  # second, bytes, records

    def forget(self, now: float) -> None:
        while self.seconds and _ends(self.seconds[0][0]) <= now:
            _, size, records = self.seconds.popleft()
            self.bytes -= size
            self.records -= records

    def add(self, second: int, size: int, records: int) -> None:
        self.bytes += size
        self.records += records
        if self.seconds and self.seconds[-1][0] == second:
            _, had, counted = self.seconds.pop()
            size, records = had + size, counted + records
        self.seconds.append((second, size, records))


class RollingLimit:
    """The limits of every client, for the last minute. Not for several threads."""

    def __init__(self, *, most_bytes: int, most_records: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_bytes = most_bytes
        self._most_records = most_records
        self._clock = clock
        self._clients: OrderedDict[Hashable, _Minute] = OrderedDict()

    def wait(self, client: Hashable) -> int:
        """After how many seconds `client` may send again; 0 when it may now.

        The request that passes a limit is let in, and those after it wait until the minute has room.
        """
        minute = self._clients.get(client)
        if minute is None:
            return 0
        now = self._clock()
        minute.forget(now)
        size, records = minute.bytes, minute.records
        until = now
        for second, sent, counted in minute.seconds:
            if size < self._most_bytes and records < self._most_records:
                break
            size, records, until = size - sent, records - counted, _ends(second)
        return ceil(until - now)

    def count(self, client: Hashable, *, size: int, records: int) -> None:
        """Note what a client sent just now."""
        now = self._clock()
        minute = self._clients.setdefault(client, _Minute())
        self._clients.move_to_end(client)
        minute.add(int(now), size, records)
        while len(self._clients) > _CLIENTS or self._oldest_is_idle(now):
            self._clients.popitem(last=False)

    def _oldest_is_idle(self, now: float) -> bool:
        oldest = next(iter(self._clients.values()))
        return not oldest.seconds or _ends(oldest.seconds[-1][0]) <= now


def _ends(second: int) -> int:
    """When what was sent within that second counts no more."""
    return second + 1 + SECONDS
