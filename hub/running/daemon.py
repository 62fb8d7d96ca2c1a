"""The daemon: what is due, again and again, several things at a time, until it is told to end.

It keeps nothing of its own. A run is gone on with by whoever comes next, an audience has one run at a time by its
lease, and a tick is served once; so a daemon may be killed anywhere, and another one beside it does no harm.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, NoReturn
from zoneinfo import ZoneInfo

from hub.clock import counted, now
from hub.errors import Busy, HubError, Interrupted
from hub.running.backoff import Backoff
from hub.running.health import ENDED, RUNNING, WRITES_EVERY, Health, HealthFile
from hub.schedule import Agenda, Task
from hub.server.mover import Mover
from hub.settings import version
from hub.sync.models import Run
from hub.sync.states import RunState

if TYPE_CHECKING:
    from hub.app import Hub

TICK_SECONDS = 1.0
"""How often a daemon that has hands free looks for what is due."""
END_SECONDS = 25.0
"""How long what is in hand may take to be saved once the daemon is to end. With the mover's, all ends within 30 s."""

FORGETS_EVERY = 3600.0
"""Seconds between two looks for what the ledger need not keep. The lake is maintained beside the mover."""

_THREADS_EACH = 4  # of a run: its step, a read of its plan, a heartbeat, a question


class Daemon:
    """Works through what is due of all projects (with `only`, of `hub`'s), `syncs` at a time.

    `say` is told a line for each thing done, and what goes wrong once. `metrics` is the host and port to serve them on.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        say: Callable[[str], None],
        syncs: int,
        metrics: tuple[str, int] | None = None,
        only: bool = False,
    ) -> None:
        self._hub = hub
        self._say = say
        self._at_once = syncs
        self._metrics_at = metrics
        self._agenda = Agenda(hub, only=only)
        self._mover = Mover(hub.settings.home)
        self._file = HealthFile(hub.settings.health_file)
        self._running: dict[Task, tuple[asyncio.Task[None], str]] = {}
        self._problems: dict[str, str] = {}
        self._backoff = Backoff()
        self._started_at = self._ticked_at = now().isoformat()
        self._written = (float("-inf"), "")
        self._metrics_url: str | None = None
        self._forgets_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then what is in hand is saved, within 30 s.

        Raises HubError when it cannot begin: a health file that cannot be written, a port that is taken.
        """
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        self._count()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(8 + _THREADS_EACH * self._at_once))
        if not self._file.write(self._health(RUNNING)):
            self._tell("Another daemon works on this hub; this one works beside it.")
        at_once = counted(self._at_once, "thing")
        self._tell(f"The daemon {os.getpid()} works, on {at_once} at a time. Ctrl-C or SIGTERM ends it.")
        if self._metrics_url:
            self._tell(f"Metrics: {self._metrics_url}")
        moving = asyncio.create_task(self._mover.keep())
        waiting = asyncio.create_task(asyncio.to_thread(stop.wait, 0))
        try:
            while not stop.is_set():
                await self._tick(stop)
                if waiting.done():
                    waiting = asyncio.create_task(asyncio.to_thread(stop.wait, TICK_SECONDS))
                in_hand = [task for task, _ in self._running.values()]
                await asyncio.wait({waiting, *in_hand}, return_when=asyncio.FIRST_COMPLETED)
            late = await self._finish()
        finally:
            moving.cancel()
            with suppress(asyncio.CancelledError):
                await moving
            await asyncio.to_thread(self._mover.stop)
        if late:
            _quit()  # its threads cannot be ended, and may be killed anywhere

    def _count(self) -> None:
        from hub.running.metrics import Metrics

        self._metrics = Metrics(self._hub, working=lambda: len(self._running), problems=lambda: len(self._problems))
        if self._metrics_at:
            self._metrics_url = self._metrics.serve(*self._metrics_at)

    async def _tick(self, stop: threading.Event) -> None:
        if len(self._running) < self._at_once:
            try:
                due = await asyncio.to_thread(self._agenda.due)
            except HubError as error:
                self._problem("the control plane", error)
                due = []
            else:
                self._problems.pop("the control plane", None)
            for task in due:
                if len(self._running) >= self._at_once:
                    break
                if task not in self._running and not self._backoff.waits(task):
                    self._running[task] = asyncio.create_task(self._work(task, stop)), now().isoformat()
        if monotonic() >= self._forgets_at:
            self._forgets_at = monotonic() + FORGETS_EVERY
            await self._forget()
        self._ticked_at = now().isoformat()
        await self._write_health()

    async def _forget(self) -> None:
        try:
            for done in await asyncio.to_thread(self._hub.forget_attempts):
                self._tell(done)
        except (HubError, OSError) as error:
            said = error if isinstance(error, HubError) else HubError(f"It cannot be removed: {error}.")
            self._problem("the ledger", said)
        else:
            self._problems.pop("the ledger", None)

    async def _work(self, task: Task, stop: threading.Event) -> None:
        try:
            if not await asyncio.to_thread(self._agenda.still_due, task):
                return
            done = await self._agenda.do(task, stop)
            await asyncio.to_thread(self._note, task, done)
        except Interrupted as error:
            self._tell(error.message, task)
        except Busy:
            self._backoff.later(task)
        except HubError as error:
            self._fail(task, error)
        except Exception as error:  # noqa: BLE001 - a fault in one sync must not end the others
            self._fail(task, HubError(f"A fault of the hub: {type(error).__name__}: {error}", hint="Please report it."))
        finally:
            del self._running[task]

    def _note(self, task: Task, done: Run | int) -> None:
        name = self._agenda.title(task)
        self._backoff.forget(task)
        if isinstance(done, Run):
            self._metrics.ran(task, done)
            self._tell(_line(done), task)
            if done.state is RunState.FAILED:
                self._problems[name] = f"{done.message} {done.hint}".strip()
                return
        else:
            self._metrics.pulled(task, done)
            self._tell(f"{counted(done, 'new message event')}", task)
        self._problems.pop(name, None)

    def _fail(self, task: Task, error: HubError) -> None:
        self._metrics.failed()
        self._backoff.after_failure(task)
        self._problem(self._agenda.title(task), error, task)

    def _problem(self, name: str, error: HubError, task: Task | None = None) -> None:
        """Keep a problem, and tell it unless it was the last that was told of this."""
        said = f"{error.message} {error.hint}".strip()
        if self._problems.get(name) != said:
            self._tell(said if task else f"{name}: {said}", task)
        self._problems[name] = said

    async def _finish(self) -> bool:
        """Wait for what is in hand to be saved. Returns whether something took too long, and is left as it is."""
        late: set[asyncio.Task[None]] = set()
        if self._running:
            self._tell(f"Ending: {counted(len(self._running), 'thing')} in hand to be saved.")
            _, late = await asyncio.wait([task for task, _ in self._running.values()], timeout=END_SECONDS)
        for task in [task for task, (work, _) in self._running.items() if work in late]:
            self._tell("Not saved in time; the next start goes on with it.", task)
        with suppress(HubError):
            self._file.write(self._health(ENDED))
        self._file.close()
        self._tell("The daemon has ended.")
        return bool(late)

    async def _write_health(self) -> None:
        changed = f"{[*self._running]} {self._problems}"
        if monotonic() - self._written[0] < WRITES_EVERY.total_seconds() and changed == self._written[1]:
            return
        try:
            await asyncio.to_thread(self._file.write, self._health(RUNNING))
        except HubError as error:
            self._problem("the health file", error)
        else:
            self._problems.pop("the health file", None)
        self._written = monotonic(), changed

    def _health(self, state: str) -> Health:
        running = [
            {"project": task.project.name, "kind": task.kind, "name": task.name, "since": since}
            for task, (_, since) in self._running.items()
        ]
        return Health(
            state, os.getpid(), version(), self._started_at, self._ticked_at, self._at_once, self._metrics_url, running,
            dict(self._problems),
        )  # fmt: skip

    def _tell(self, text: str, task: Task | None = None) -> None:
        """One line, with the time in the zone of the project that it is about."""
        project = task.project if task else self._hub.workspace.project
        at = datetime.now(UTC).astimezone(ZoneInfo(project.timezone))
        about = f"{self._agenda.title(task)}: " if task else ""
        self._say(f"{at:%Y-%m-%d %H:%M:%S %Z}  {about}{text}")


def _line(run: Run) -> str:
    figures = f"{run.added:,} added, {run.updated:,} updated, {run.removed:,} removed"
    others = [(run.rejected, "rejected"), (run.owed, "owed")]
    left = "".join(f", {number:,} {word}" for number, word in others if number)
    said = f"{run.message} {run.hint}".strip()
    return f"run {run.id}: {run.state}; {figures}{left}.{f' {said}' if said else ''}"


def _quit() -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
