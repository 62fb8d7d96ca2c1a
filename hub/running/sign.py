"""The sign of life of a daemon or a worker: its health file, written when something changes and every few seconds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from hub.clock import now
from hub.errors import HubError
from hub.running.health import ENDED, RUNNING, WRITES_EVERY, Health, HealthFile
from hub.running.telling import Telling
from hub.settings import version

if TYPE_CHECKING:
    from hub.schedule import Task

TICK_SECONDS = 1.0
"""How often whoever works looks around."""
END_SECONDS = 25.0
"""How long what is in hand may take to be saved once the work is to end. With the mover's, all ends within 30 s."""


class Sign:
    """Tells in the file at `path` how somebody is who works on `at_once` things at a time.

    `running` are the tasks in hand, each with the instant since when (ISO 8601), and changes while he works.
    """

    def __init__(
        self, path: Path, telling: Telling, running: Callable[[], Mapping[Task, str]], *, at_once: int
    ) -> None:
        self._file = HealthFile(path)
        self._telling, self._running, self._at_once = telling, running, at_once
        self._started_at = self._ticked_at = now().isoformat()
        self._written = (float("-inf"), "")

    def begin(self) -> bool:
        """Write the file for the first time. Returns whether it is his: of two who work on one home, the first has it.

        Raises HubError when it cannot be written.
        """
        return self._file.write(self._health(RUNNING))

    async def give(self) -> None:
        """A sign of life."""
        self._ticked_at = now().isoformat()
        changed = f"{[*self._running()]} {self._telling.problems}"
        if monotonic() - self._written[0] < WRITES_EVERY.total_seconds() and changed == self._written[1]:
            return
        try:
            await asyncio.to_thread(self._file.write, self._health(RUNNING))
        except HubError as error:
            self._telling.problem("the health file", error)
        else:
            self._telling.well("the health file")
        self._written = monotonic(), changed

    def end(self) -> None:
        """The last one. The file is left to whoever comes next."""
        with suppress(HubError):
            self._file.write(self._health(ENDED))
        self._file.close()

    def _health(self, state: str) -> Health:
        running = [
            {"project": task.project.name, "kind": task.kind, "name": task.name, "since": since}
            for task, since in self._running().items()
        ]
        return Health(
            state, os.getpid(), version(), self._started_at, self._ticked_at, self._at_once,
            self._telling.metrics_url, running, dict(self._telling.problems),
        )  # fmt: skip
