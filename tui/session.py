"""What every screen works with: the hub, threads to call it on, and the runs that are under way in this process.

Nothing here may block the screen. The hub's plain functions run on worker threads; questions to partners run on
one event loop in a thread of its own, where they can be cancelled; each sync run has a thread and a loop to itself.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from hub.errors import Busy
from hub.sync.models import Progress, Run
from hub.sync.states import RunState

if TYPE_CHECKING:
    from hub.app import Hub

T = TypeVar("T")

MOST_RUNS = 32
"""Runs under way at once in this process; more wait for a thread."""

PATIENCE = 2.0
"""Seconds that open questions have to clean up when the program ends."""


@dataclass
class RunHere:
    """One run that this process carries out."""

    sync: str
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Progress = field(default_factory=lambda: Progress(0, RunState.EVALUATING))

    def report(self, progress: Progress) -> None:
        """Take note of how far the run is. Called from the run's thread."""
        self.progress = progress


class Session:
    """The hub as the screens use it. Made and used on the screen's own thread."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.zone = hub.workspace.project.timezone
        self.runs: dict[str, RunHere] = {}
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="tui-read")
        self._runners = ThreadPoolExecutor(MOST_RUNS, thread_name_prefix="tui-run")
        self._partners: asyncio.AbstractEventLoop | None = None
        self._partners_thread = threading.Thread(target=self._serve_partners, name="tui-partners", daemon=True)

    async def read(self, call: Callable[[], T]) -> T:
        """The result of a plain function, called on a worker thread."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, call)

    async def ask(self, call: Callable[[], Awaitable[T]]) -> T:
        """The result of an async function that asks a partner. Cancelling this cancels the question."""

        async def asked() -> T:
            return await call()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(asked(), self._partner_loop()))

    async def run(self, sync: str) -> Run:
        """Carry out a sync now, to its end. Raises Busy when it runs here already, and what the hub raises."""
        return await self._here(sync, lambda here: self.hub.syncs.run(here.sync, report=here.report, stop=here.stop))

    async def approve(self, run: Run) -> Run:
        """Let a held run go, here, to its end. Raises as `run`."""
        return await self._here(
            run.sync, lambda here: self.hub.syncs.approve(run.id, report=here.report, stop=here.stop)
        )

    async def undo(self, run: Run, digest: str) -> Run:
        """Take a run back, here, to the end of the run that does so. Raises as `run`."""
        return await self._here(
            run.sync,
            lambda here: self.hub.syncs.undo(run.id, digest=digest, report=here.report, stop=here.stop),
        )

    async def _here(self, sync: str, carry_out: Callable[[RunHere], Coroutine[Any, Any, Run]]) -> Run:
        if sync in self.runs:
            raise Busy(f"{sync} is running already.", hint="Its progress is in the list of runs.")
        here = self.runs[sync] = RunHere(sync)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._runners, lambda: asyncio.run(carry_out(here)))
        finally:
            del self.runs[sync]

    def progress(self, run: Run) -> Progress | None:
        """How far a run is, when it is under way in this process."""
        return next((here.progress for here in self.runs.values() if here.progress.run == run.id), None)

    def stop_runs(self) -> None:
        """Let every run here finish the batch in hand, save and end. They stay resumable."""
        for here in self.runs.values():
            here.stop.set()

    def close(self) -> None:
        """Let go of the threads. Questions that are still open are dropped."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._runners.shutdown(wait=False, cancel_futures=True)
        if self._partners and self._partners_thread.is_alive():
            asyncio.run_coroutine_threadsafe(_drop_all(), self._partners)
            self._partners_thread.join(PATIENCE)

    def _partner_loop(self) -> asyncio.AbstractEventLoop:
        if self._partners is None:
            self._partners = asyncio.new_event_loop()
            self._partners_thread.start()
        return self._partners

    def _serve_partners(self) -> None:
        assert self._partners is not None
        self._partners.run_forever()
        self._partners.close()


async def _drop_all() -> None:
    """Cancel every question that is open on this loop, let each clean up, and end the loop."""
    questions = asyncio.all_tasks() - {asyncio.current_task()}
    for question in questions:
        question.cancel()
    await asyncio.gather(*questions, return_exceptions=True)
    asyncio.get_running_loop().stop()
