"""Late visibility: a figure that the partner computes now and then, and answers from memory in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Lagging(Generic[Key, Value]):
    """Remembers a computed value for `seconds`; 0 means that it is computed every time it is asked."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._known: dict[Key, tuple[float, Value]] = {}

    def get(self, key: Key, compute: Callable[[], Value]) -> Value:
        """The value remembered for `key`, or `compute()` when it is older than `seconds`."""
        now = time.monotonic()
        remembered = self._known.get(key)
        if remembered is not None and now - remembered[0] < self.seconds:
            return remembered[1]
        value = compute()
        self._known[key] = (now, value)
        return value

    def clear(self) -> None:
        """Forget everything: the next question is answered with the present value."""
        self._known.clear()
