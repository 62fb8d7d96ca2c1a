"""How long a daemon leaves something alone that did not go well. By a clock that nobody sets."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.schedule import Task

BUSY_SECONDS = 15.0
"""What somebody else works on is looked at again after so long."""
FIRST_SECONDS, LONGEST_SECONDS = 60.0, 900.0
"""What failed is tried again after a minute, then after twice as long each time, a quarter of an hour at most."""


def pause_after(failures: int) -> float:
    """For how many seconds something is left alone that has failed so many times in a row."""
    return min(FIRST_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_SECONDS)


class Backoff:
    """What is left alone for a while. A sync whose run has ended, well or not, is not: its schedule says when next."""

    def __init__(self) -> None:
        self._again_at: dict[Task, float] = {}
        self._failures: dict[Task, int] = {}

    def waits(self, task: Task) -> bool:
        """Whether it is to be left alone now."""
        return monotonic() < self._again_at.get(task, 0.0)

    def later(self, task: Task) -> None:
        """Somebody else is at it."""
        self._again_at[task] = monotonic() + BUSY_SECONDS

    def after_failure(self, task: Task) -> None:
        """It failed."""
        failures = self._failures[task] = self._failures.get(task, 0) + 1
        self._again_at[task] = monotonic() + pause_after(failures)

    def forget(self, task: Task) -> None:
        """It went well."""
        self._again_at.pop(task, None)
        self._failures.pop(task, None)
