"""A worker of a fleet: what is due, taken from a queue that workers on several machines share.

It does what the daemon does, by the same `Agenda`; only who does it is settled by jobs in the queue. Every two seconds
one of the workers, whichever is free first, puts what is due there; those that have hands free take it. All that a run
rests on stands in the hub's own tables, so a worker may be killed anywhere, and jobs may be lost or come twice.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from procrastinate import JobContext, exceptions

from hub.clock import counted, now
from hub.errors import Busy, HubError, Interrupted
from hub.running.backoff import BUSY_SECONDS, pause_after
from hub.running.daemon import quit_at_once
from hub.running.sign import END_SECONDS, TICK_SECONDS, Sign
from hub.running.standstill import guarded_from_standstill
from hub.running.telling import Telling, fault
from hub.running.watch import Watch
from hub.running.worker_queue import FORGOTTEN, HEARTBEAT, Queue, drop_unused, make_app, make_schema, unusable
from hub.schedule import Agenda, Task
from hub.server.mover import Mover

if TYPE_CHECKING:
    from procrastinate import App

    from hub.app import Hub

WORK, TICK, TIDY = "work", "tick", "tidy"
"""The tasks of the queue: one thing that is due; looking for what is due; taking away what nobody needs."""

EVERY_TWO_SECONDS, EVERY_HOUR = "* * * * * */2", "7 * * * *"
MOST_WAITING = 200
"""So many jobs wait in the queue at most: what is due for longest comes first, also when much is."""

_THREADS_EACH = 4  # of a run: its step, a read of its plan, a heartbeat, a question
_LOOKS_FOR_LOST = 30  # rounds


class Worker:
    """Works through what is due of all projects, `syncs` at a time, together with all other workers on this hub.

    `say` is told a line for each thing done, and what goes wrong once. `metrics` is the host and port to serve them on.
    The hub's control plane is on PostgreSQL: see `hub.running.fleet`.
    """

    def __init__(
        self, hub: Hub, *, say: Callable[[str], None], syncs: int, metrics: tuple[str, int] | None = None
    ) -> None:
        self._hub = hub
        self._store = hub.workspace.store
        self._at_once = syncs
        self._metrics_at = metrics
        self._agenda = Agenda(hub)
        self._mover = Mover(hub.settings.home)
        self._in_hand: dict[int, tuple[Task, str]] = {}
        self._telling = Telling(hub, self._agenda, say, working=lambda: len(self._in_hand))
        self._sign = Sign(hub.settings.worker_health_file, self._telling, self._since, at_once=syncs)
        self._worker_id: int | None = None
        self._unknown: set[int] = set()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then what is in hand is saved, within 30 s.

        Raises HubError when it cannot begin: a health file that cannot be written, a port that is taken, a database
        that cannot be used.
        """
        self._stop = stop
        make_schema(self._store)
        asyncio.run(guarded_from_standstill(self._run(stop), say=self._telling.line))

    async def _run(self, stop: threading.Event) -> None:
        self._telling.serve(self._metrics_at)
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(8 + _THREADS_EACH * self._at_once))
        if not self._sign.begin():
            self._telling.line("Another worker has the health file of this machine; this one works beside it.")
        at_once = counted(self._at_once, "thing")
        self._telling.line(f"The worker {os.getpid()} works, on {at_once} at a time. Ctrl-C or SIGTERM ends it.")
        if self._telling.metrics_url:
            self._telling.line(f"Metrics: {self._telling.metrics_url}")
        app = make_app(self._store, told=self._told, ending=stop.is_set)
        self._queue = Queue(app, WORK)
        self._add_tasks(app)
        moving = asyncio.create_task(self._mover.keep())
        watching = asyncio.create_task(Watch(self._hub, self._telling).keep())
        working = asyncio.create_task(self._keep_working(app))
        try:
            rounds = 0
            while not stop.is_set():
                await self._sign.give()
                await asyncio.to_thread(stop.wait, TICK_SECONDS)
                rounds += 1
                if rounds % _LOOKS_FOR_LOST == 0 and self._worker_id:
                    self._unknown = await self._queue.take_back_own(self._worker_id, {*self._in_hand}, self._unknown)
            late = await self._finish(working)
        finally:
            working.cancel()
            for beside in (moving, watching):
                beside.cancel()
                with suppress(asyncio.CancelledError):
                    await beside
            await asyncio.to_thread(self._mover.stop)
        if late:
            quit_at_once()  # its threads cannot be ended, and may be killed anywhere

    def _add_tasks(self, app: App) -> None:
        app.task(name=WORK, queue=WORK, pass_context=True)(self._work)
        # more urgent than all work: it is what work comes from
        tick = app.task(name=TICK, queue=WORK, queueing_lock=TICK, priority=100)(self._tick)
        tidy = app.task(name=TIDY, queue=WORK, queueing_lock=TIDY, priority=50)(self._tidy)
        app.periodic(cron=EVERY_TWO_SECONDS)(tick)
        app.periodic(cron=EVERY_HOUR)(tidy)

    async def _keep_working(self, app: App) -> None:
        """Take jobs and do them, until cancelled: then no more are taken, and those in hand come to their end."""
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(make_schema, self._store)  # somebody may have taken the queue away
                async with app.open_async():
                    await app.run_worker_async(
                        queues=[WORK],
                        concurrency=self._at_once,
                        delete_jobs="always",
                        install_signal_handlers=False,
                        update_heartbeat_interval=HEARTBEAT,
                        stalled_worker_timeout=FORGOTTEN,
                        fetch_job_polling_interval=2.0,
                    )
            except Exception as error:  # noqa: BLE001 - a queue that fails must not end what is in hand
                self._told(error)
            await asyncio.sleep(TICK_SECONDS)

    async def _tick(self, timestamp: int) -> None:
        """Put what is due into the queue, unless it is there, and what dead workers had in hand."""
        try:
            await self._queue.take_back()
            due = await asyncio.to_thread(self._agenda.due)
        except HubError as error:
            self._telling.problem("the control plane", error)
            return
        self._telling.well("the control plane")
        known, waiting = await self._queue.keys()
        for task in due:
            if waiting >= MOST_WAITING:
                break
            if (key := _key(task)) not in known:
                await self._put(task)
                known.add(key)
                waiting += 1

    async def _work(self, context: JobContext, kind: str, project: int, name: str, failures: int) -> None:
        """Do one thing, if it is due still."""
        job = context.job
        self._worker_id = job.worker_id
        if self._stop.is_set() or job.id is None:
            return
        try:
            task = await asyncio.to_thread(self._task, kind, project, name)
        except HubError as error:
            self._telling.problem("the control plane", error)
            return
        if task is None:
            return  # its project is gone
        self._in_hand[job.id] = task, now().isoformat()
        try:
            await self._do(task, failures)
        finally:
            del self._in_hand[job.id]

    def _task(self, kind: str, project: int, name: str) -> Task | None:
        found = next((each for each in self._hub.projects.list() if each.id == project), None)
        return Task(kind, found, name) if found else None

    async def _do(self, task: Task, failures: int) -> None:
        try:
            if not await asyncio.to_thread(self._agenda.still_due, task):
                return
            done = await self._agenda.do(task, self._stop)
            await asyncio.to_thread(self._telling.done, task, done)
        except Interrupted as error:
            self._telling.line(error.message, task)
        except Busy:
            await self._put(task, failures, after=BUSY_SECONDS)
        except HubError as error:
            await self._fail(task, failures + 1, error)
        except Exception as error:  # noqa: BLE001 - a fault in one sync must not end the others
            await self._fail(task, failures + 1, fault(error))

    async def _fail(self, task: Task, failures: int, error: HubError) -> None:
        self._telling.failed(task, error)
        await self._put(task, failures, after=pause_after(failures))

    async def _put(self, task: Task, failures: int = 0, *, after: float = 0.0) -> None:
        arguments = {"kind": task.kind, "project": task.project.id, "name": task.name, "failures": failures}
        with suppress(exceptions.ConnectorException):  # at the end: what is due is put by another one
            await self._queue.put(WORK, _key(task), arguments, after=after)

    async def _tidy(self, timestamp: int) -> None:
        """Take away what the ledger need not keep, and what queues of before have left."""
        try:
            for done in await asyncio.to_thread(self._hub.forget_attempts):
                self._telling.line(done)
            await asyncio.to_thread(drop_unused, self._store)
        except (HubError, OSError) as error:
            said = error if isinstance(error, HubError) else HubError(f"It cannot be removed: {error}.")
            self._telling.problem("the ledger", said)
        else:
            self._telling.well("the ledger")

    async def _finish(self, working: asyncio.Task[None]) -> bool:
        """Wait for what is in hand to be saved. Returns whether something took too long, and is left as it is."""
        if self._in_hand:
            self._telling.line(f"Ending: {counted(len(self._in_hand), 'thing')} in hand to be saved.")
        working.cancel()
        await asyncio.wait([working], timeout=END_SECONDS)
        late = [task for task, _ in self._in_hand.values()]
        for task in late:
            self._telling.line("Not saved in time; another worker goes on with it.", task)
        self._sign.end()
        self._telling.line("The worker has ended.")
        return not working.done()

    def _told(self, error: Exception | None) -> None:
        if error is None:
            self._telling.well("the queue")
        elif "the queue" not in self._telling.problems:  # many ask it, and each hears something else of one outage
            self._telling.problem("the queue", unusable(error, self._store))

    def _since(self) -> dict[Task, str]:
        return dict(self._in_hand.values())


def _key(task: Task) -> str:
    return f"{task.kind}:{task.project.id}:{task.name}"
