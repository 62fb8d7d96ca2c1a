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
from time import monotonic
from typing import TYPE_CHECKING, NoReturn

from hub.clock import counted, now
from hub.errors import Busy, HubError, Interrupted
from hub.running.backoff import Backoff
from hub.running.sign import END_SECONDS, TICK_SECONDS, Sign
from hub.running.standstill import guarded_from_standstill
from hub.running.telling import Telling, fault
from hub.running.watch import Watch
from hub.schedule import Agenda, Task
from hub.server.mover import Mover

if TYPE_CHECKING:
    from hub.app import Hub

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
        self._at_once = syncs
        self._metrics_at = metrics
        self._agenda = Agenda(hub, only=only)
        self._mover = Mover(hub.settings.home)
        self._running: dict[Task, tuple[asyncio.Task[None], str]] = {}
        self._telling = Telling(hub, self._agenda, say, working=lambda: len(self._running))
        self._sign = Sign(hub.settings.health_file, self._telling, self._since, at_once=syncs)
        self._backoff = Backoff()
        self._forgets_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then what is in hand is saved, within 30 s.

        Raises HubError when it cannot begin: a health file that cannot be written, a port that is taken.
        """
        asyncio.run(guarded_from_standstill(self._run(stop), say=self._telling.line))

    async def _run(self, stop: threading.Event) -> None:
        self._telling.serve(self._metrics_at)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(8 + _THREADS_EACH * self._at_once))
        if not self._sign.begin():
            self._telling.line("Another daemon works on this hub; this one works beside it.")
        at_once = counted(self._at_once, "thing")
        self._telling.line(f"The daemon {os.getpid()} works, on {at_once} at a time. Ctrl-C or SIGTERM ends it.")
        if self._telling.metrics_url:
            self._telling.line(f"Metrics: {self._telling.metrics_url}")
        moving = asyncio.create_task(self._mover.keep())
        watching = asyncio.create_task(Watch(self._hub, self._telling).keep())
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
            for beside in (moving, watching):
                beside.cancel()
                with suppress(asyncio.CancelledError):
                    await beside
            await asyncio.to_thread(self._mover.stop)
        if late:
            quit_at_once()  # its threads cannot be ended, and may be killed anywhere

    async def _tick(self, stop: threading.Event) -> None:
        if len(self._running) < self._at_once:
            try:
                due = await asyncio.to_thread(self._agenda.due)
            except HubError as error:
                self._telling.problem("the control plane", error)
                due = []
            else:
                self._telling.well("the control plane")
            for task in due:
                if len(self._running) >= self._at_once:
                    break
                if task not in self._running and not self._backoff.waits(task):
                    self._running[task] = asyncio.create_task(self._work(task, stop)), now().isoformat()
        if monotonic() >= self._forgets_at:
            self._forgets_at = monotonic() + FORGETS_EVERY
            await self._forget()
        await self._sign.give()

    async def _forget(self) -> None:
        try:
            for done in await asyncio.to_thread(self._hub.forget_attempts):
                self._telling.line(done)
        except (HubError, OSError) as error:
            said = error if isinstance(error, HubError) else HubError(f"It cannot be removed: {error}.")
            self._telling.problem("the ledger", said)
        else:
            self._telling.well("the ledger")

    async def _work(self, task: Task, stop: threading.Event) -> None:
        try:
            if not await asyncio.to_thread(self._agenda.still_due, task):
                return
            done = await self._agenda.do(task, stop)
            self._backoff.forget(task)
            await asyncio.to_thread(self._telling.done, task, done)
        except Interrupted as error:
            self._telling.line(error.message, task)
        except Busy:
            self._backoff.later(task)
        except HubError as error:
            self._fail(task, error)
        except Exception as error:  # noqa: BLE001 - a fault in one sync must not end the others
            self._fail(task, fault(error))
        finally:
            del self._running[task]

    def _fail(self, task: Task, error: HubError) -> None:
        self._backoff.after_failure(task)
        self._telling.failed(task, error)

    async def _finish(self) -> bool:
        """Wait for what is in hand to be saved. Returns whether something took too long, and is left as it is."""
        late: set[asyncio.Task[None]] = set()
        if self._running:
            self._telling.line(f"Ending: {counted(len(self._running), 'thing')} in hand to be saved.")
            _, late = await asyncio.wait([task for task, _ in self._running.values()], timeout=END_SECONDS)
        for task in [task for task, (work, _) in self._running.items() if work in late]:
            self._telling.line("Not saved in time; the next start goes on with it.", task)
        self._sign.end()
        self._telling.line("The daemon has ended.")
        return bool(late)

    def _since(self) -> dict[Task, str]:
        return {task: since for task, (_, since) in self._running.items()}


def quit_at_once() -> NoReturn:
    """End this process, whatever its threads are at."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
