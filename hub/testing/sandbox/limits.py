"""Limits of a partner's account: so many requests at once, so many in a period."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Refused:
    """A request over a limit: why, and the seconds to wait that the partner tells (None: tells nothing)."""

    reason: str
    retry_after: float | None = None


class Limit(Protocol):
    """Something that lets a request in or refuses it."""

    name: str

    def entered(self, credential: str) -> AbstractContextManager[Refused | None]:
        """Hold a place for the length of the block. Yields None when let in, else why not."""

    def facts(self) -> dict[str, Any]:
        """What an admin wants to know of it: the limit, the highest seen, how many were refused."""

    def clear(self) -> None:
        """Forget what was observed."""


class ConcurrencyLimit:
    """At most `most` requests of one credential at once; `most` None only observes.

    `highest` counts every request that was open at one moment, those refused included, so that a client which
    keeps the limit never shows more than `most`.
    """

    name = "concurrency"

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.highest = 0
        self.refused = 0
        self._open: dict[str, int] = defaultdict(int)
        self._holding: dict[str, int] = defaultdict(int)

    @contextmanager
    def entered(self, credential: str) -> Iterator[Refused | None]:
        """Hold one of the places of `credential` for the length of the block."""
        self._open[credential] += 1
        self.highest = max(self.highest, self._open[credential])
        let_in = self.most is None or self._holding[credential] < self.most
        self._holding[credential] += let_in
        self.refused += not let_in
        try:
            yield None if let_in else Refused(f"more than {self.most} simultaneous requests")
        finally:
            self._open[credential] -= 1
            self._holding[credential] -= let_in

    def facts(self) -> dict[str, Any]:
        """The limit, how many are open now, the highest seen and how many were refused."""
        return {
            "limit": self.most,
            "now": sum(self._open.values()),
            "highest": self.highest,
            "refused": self.refused,
        }

    def clear(self) -> None:
        """Forget the highest seen and the count of refusals."""
        self.highest = self.refused = 0


class RateLimit:
    """At most `most` requests of one credential in any `seconds`. Refused requests do not count against it.

    `tell` says whether the refusal carries the seconds to wait (a `Retry-After` header).
    """

    name = "rate"

    def __init__(self, most: int, seconds: float, *, tell: bool = True) -> None:
        self.most = most
        self.seconds = seconds
        self.tell = tell
        self.refused = 0
        self._times: dict[str, deque[float]] = defaultdict(deque)

    @contextmanager
    def entered(self, credential: str) -> Iterator[Refused | None]:
        """Count one request of `credential`, or refuse it."""
        now, times = time.monotonic(), self._times[credential]
        while times and times[0] <= now - self.seconds:
            times.popleft()
        if len(times) < self.most:
            times.append(now)
            yield None
            return
        self.refused += 1
        wait = times[0] + self.seconds - now
        yield Refused(f"more than {self.most} requests in {self.seconds:g} s", wait if self.tell else None)

    def facts(self) -> dict[str, Any]:
        """The limit and how many were refused."""
        return {"limit": self.most, "seconds": self.seconds, "refused": self.refused}

    def clear(self) -> None:
        """Begin a new window and forget the refusals."""
        self.refused = 0
        self._times.clear()
