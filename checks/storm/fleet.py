"""Workers that share a home on a PostgreSQL, and the end of one of them at a random instant, again and again."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from sqlalchemy import select

from checks.storm.partners import Partner
from checks.storm.strikes import HUB, IN_DELIVERY, PATIENCE, Ended, environment
from checks.storm.truth import Wrong
from checks.storm.world import SYNC
from hub.app import Hub
from hub.clock import now
from hub.store.tables import audiences, runs, syncs
from hub.sync.states import FINAL, RunState

_LOOKS_EVERY = 0.1  # seconds
_BYSTANDERS = 0.2  # as often as that, one that does not run the sync is killed as well
_END_SECONDS = 40.0  # of which a worker promises 30
_FAULTS = ("Traceback", "A fault of the hub")


@dataclass(frozen=True)
class Holder:
    """Who works on a run: the process `pid`. The run is in the state `state`."""

    run: int
    state: RunState
    pid: int


class Fleet:
    """`number` workers on a hub's home. Use it as a context manager: at its end all are asked to end, and must."""

    def __init__(self, hub: Hub, partner: Partner, number: int) -> None:
        self._hub, self._partner = hub, partner
        self._home = hub.settings.home
        self._said = self._home.parent / "workers.log"
        self._workers: list[subprocess.Popen[bytes]] = []
        self._number = number
        self._waits_since: float | None = None
        self._taken_over: list[float] = []

    def __enter__(self) -> Fleet:
        for _ in range(self._number):
            self._start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._workers:
            worker.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _END_SECONDS
        ends = [_end_of(worker, deadline - time.monotonic()) for worker in self._workers]
        said = self._said.read_text()
        wrong = [line for line in said.splitlines() if any(each in line for each in _FAULTS)]
        if error is None and (any(ends) or wrong):
            raise Wrong(f"the workers ended with {ends}, and said:\n{said[-5_000:]}")
        if error is not None:
            error.add_note(f"The workers said at last:\n{said[-5_000:]}")

    def strike(self, chance: random.Random, *, most: int) -> int:
        """Kill up to `most` times a worker that has a run in hand, and return how often; a run that leaves nothing to
        do ends the round."""
        struck = 0
        while struck < most:
            in_delivery = chance.random() < IN_DELIVERY
            if not self._waited_for_a_run(delivering=in_delivery):
                return struck
            time.sleep(chance.uniform(0, 1.0 if in_delivery else 3.0))
            if chance.random() < _BYSTANDERS:
                self._kill_a_bystander(chance)
            struck += self._kill_the_holder()
        return struck

    def finished(self) -> Ended:
        """Let the sync be due, and wait until what was left is done and the run of this tick has come to its end."""
        last = self._newest()
        self._come_due()
        self._until(lambda: self._has_ended(since=last))
        run = self._hub.syncs.runs(SYNC, limit=1)[0]
        return Ended(run.state, run.batches, run.message)

    def figures(self) -> str:
        """How long runs of killed workers waited until another one had them, in this round."""
        took, self._taken_over = self._taken_over, []
        return f"; taken over within {max(took):.1f} s" if took else ""

    def _come_due(self) -> None:
        """The clock comes to the sync's next tick, unless it has."""
        if not self._hub.syncs.is_due(SYNC, now()):
            with self._hub.workspace.store.writing() as connection:
                connection.execute(syncs.update().where(syncs.c.name == SYNC).values(next_run_at=now()))

    def _waited_for_a_run(self, *, delivering: bool) -> bool:
        """Wait until a worker has a run in hand (and, if asked, has begun to deliver); False when one left nothing to
        do meanwhile. A run that ends otherwise is followed by the next one at once."""
        seen = self._partner.admin.get("/requests", limit=100_000)["next_since"]
        last = self._newest()

        def begun_or_over() -> bool:
            holder = self._holder()
            self._note_the_new_holder(holder)
            if holder:
                return not delivering or bool(self._partner.admin.requests(since=seen))
            if self._left_nothing(since=last):
                return True
            self._come_due()
            return False

        self._until(begun_or_over)
        return not self._left_nothing(since=last)

    def _left_nothing(self, *, since: int) -> bool:
        newest = self._hub.syncs.runs(SYNC, limit=1)
        return any(run.id > since and run.state is RunState.DONE and not run.batches for run in newest)

    def _kill_the_holder(self) -> bool:
        """Kill whoever works on a run; returns whether somebody did. It stands still before it is killed, so that what
        it had in hand can be told."""
        found = self._holder()
        worker = next((each for each in self._workers if found and each.pid == found.pid), None)
        if worker is None:
            return False
        worker.send_signal(signal.SIGSTOP)
        holds = self._holder()
        self._kill(worker)
        if holds is None or holds.pid != worker.pid:
            return False
        self._waits_since = time.monotonic()
        return True

    def _kill_a_bystander(self, chance: random.Random) -> None:
        holder = self._holder()
        if beside := [each for each in self._workers if holder and each.pid != holder.pid]:
            self._kill(chance.choice(beside))

    def _kill(self, worker: subprocess.Popen[bytes]) -> None:
        worker.kill()
        worker.wait()
        self._workers.remove(worker)
        self._start()

    def _start(self) -> None:
        with self._said.open("ab") as said:
            self._workers.append(subprocess.Popen([HUB, "worker"], env=environment(self._home), stderr=said))

    def _newest(self) -> int:
        """The number of the newest run; 0 when there is none."""
        return next((run.id for run in self._hub.syncs.runs(SYNC, limit=1)), 0)

    def _has_ended(self, *, since: int) -> bool:
        self._note_the_new_holder(self._holder())
        return any(run.id > since and run.finished for run in self._hub.syncs.runs(SYNC, limit=1))

    def _holder(self) -> Holder | None:
        """Who lives and works on a run that has not ended."""
        query = (
            select(runs.c.id, runs.c.state, audiences.c.lease_owner)
            .join(audiences, audiences.c.id == runs.c.audience_id)
            .where(runs.c.state.not_in([each.value for each in FINAL]), audiences.c.lease_owner.is_not(None))
        )
        with self._hub.workspace.store.reading() as connection:
            row = connection.execute(query).first()
        if row is None or (pid := int(row.lease_owner.split(":")[1])) not in [each.pid for each in self._workers]:
            return None
        return Holder(row.id, RunState(row.state), pid)

    def _note_the_new_holder(self, holder: Holder | None) -> None:
        if holder and self._waits_since is not None:
            self._taken_over.append(time.monotonic() - self._waits_since)
            self._waits_since = None

    def _until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            if time.monotonic() > deadline:
                raise Wrong(f"for {PATIENCE:.0f} s no worker did what was due")
            for worker in [each for each in self._workers if each.poll() is not None]:
                raise Wrong(f"the worker {worker.pid} ended by itself, with {worker.returncode}")
            time.sleep(_LOOKS_EVERY)


def _end_of(worker: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return worker.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        worker.kill()
        return worker.wait()
