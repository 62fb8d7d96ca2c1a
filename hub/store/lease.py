"""Leases on rows: at most one run of an audience at a time, on any machine.

A lease is kept alive by a heartbeat, on a thread: an event loop that somebody blocks keeps it. One whose time is up, or
whose process on this very machine has died, may be taken over at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, Update, select

from hub.clock import now
from hub.errors import Busy, StoreError
from hub.store.store import Store

LASTS = timedelta(seconds=60)
HEARTBEAT = timedelta(seconds=15)
_CLOCKS = timedelta(seconds=1)
"""By so much a lease counts as lost before its time is up: the clocks of machines differ."""


class Term:
    """Until when a holder may be sure of a lease without asking, by a clock that nobody sets and that runs on while the
    machine sleeps. Threads share it."""

    def __init__(self) -> None:
        self._until = float("inf")

    def renewed(self, at: float) -> None:
        """The lease was taken or renewed, by a transaction that began at `at` (see `running_time`)."""
        self._until = at + (LASTS - _CLOCKS).total_seconds()

    def lost(self) -> None:
        """Somebody else has it."""
        self._until = float("-inf")

    @property
    def over(self) -> bool:
        """Whether somebody else may have the lease by now."""
        return running_time() > self._until


@dataclass(frozen=True)
class Lease:
    """A lease that was taken. A process that slept may wake up when somebody else has taken it over."""

    table: Table
    key: Any
    owner: str
    what: str
    term: Term = field(default_factory=Term, compare=False)

    def check(self, transaction: Connection) -> None:
        """Make sure, within the transaction that writes, that the lease is still held. Raises Busy when it is not."""
        query = select(self.table.c.lease_owner).where(_column(self) == self.key)
        if transaction.execute(query).scalar() != self.owner:
            raise self._taken_over()

    def check_term(self) -> None:
        """Make sure, without asking the database, that nobody else can have it by now: before something leaves that
        cannot be taken back. Raises Busy."""
        if self.term.over:
            raise self._taken_over()

    def _taken_over(self) -> Busy:
        return Busy(
            f"{self.what} was taken over by another process, because this one gave no sign of life.",
            hint="Nothing is lost: the other goes on with it.",
        )


@contextmanager
def writing_under(store: Store, lease: Lease | None) -> Iterator[Connection]:
    """One transaction that writes, if the lease is still held (with None: anyway). Raises Busy when it is not."""
    with store.writing() as connection:
        if lease:
            lease.check(connection)
        yield connection


@asynccontextmanager
async def leased(store: Store, table: Table, key: Any, *, what: str) -> AsyncIterator[Lease]:
    """Hold the lease of the row of `table` whose primary key is `key`, for as long as the block runs.

    The table has columns `lease_owner` and `lease_until`. Raises Busy, naming `what` and who has it.
    """
    lease = Lease(table, key, new_owner(), what)
    with held_here(lease.owner):
        await asyncio.to_thread(take, store, lease)
        ended = keep_alive(store, lease)
        try:
            yield lease
        finally:
            ended()
            _held_here.discard(lease.owner)
            with contextlib.suppress(StoreError):  # a full disk: whoever comes next sees that nobody holds it
                await asyncio.to_thread(give_back, store, lease)


_held_here: set[str] = set()
"""The owners of the leases that this very process holds."""


def new_owner() -> str:
    """A name for one holder of one lease: this process, and which of its holders."""
    return f"{_this_process()}:{uuid.uuid4().hex[:8]}"


@contextmanager
def held_here(owner: str) -> Iterator[None]:
    """Note, before a lease is taken, that `owner` lives in this process: nobody here may see it as left behind."""
    _held_here.add(owner)
    try:
        yield
    finally:
        _held_here.discard(owner)


def take(store: Store, lease: Lease) -> None:
    """Take a lease, or raise Busy, naming what it is of and who has it."""
    table, column = lease.table, _column(lease)
    at = running_time()
    with store.writing() as connection:
        row = connection.execute(select(table.c.lease_owner, table.c.lease_until).where(column == lease.key)).one()
        if row.lease_owner and row.lease_until > now() and may_be_alive(row.lease_owner):
            machine, pid = row.lease_owner.split(":")[:2]
            raise Busy(
                f"{lease.what} is being worked on by process {pid} on {machine.partition('/')[0]}.",
                hint="Wait for it to end; nothing was done.",
            )
        values = {"lease_owner": lease.owner, "lease_until": now() + LASTS}
        connection.execute(table.update().where(column == lease.key).values(values))
    lease.term.renewed(at)


def give_back(store: Store, lease: Lease) -> None:
    """Let go of a lease, unless somebody else has it by now."""
    with store.writing() as connection:
        connection.execute(_if_held(lease).values(lease_owner=None, lease_until=None))


def keep_alive(store: Store, lease: Lease) -> Callable[[], None]:
    """Renew a lease again and again, on a thread, until what is returned is called. It does not wait: a beat that comes
    too late finds that nobody holds the lease, and changes nothing."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(HEARTBEAT.total_seconds()):
            with contextlib.suppress(StoreError):  # a busy database: the lease outlives several missed beats
                renew(store, lease)

    threading.Thread(target=beat, name=f"lease of {lease.what}", daemon=True).start()
    return ended.set


def renew(store: Store, lease: Lease) -> None:
    """Keep a lease for another minute, unless somebody else has it by now."""
    at = running_time()
    with store.writing() as connection:
        held = connection.execute(_if_held(lease).values(lease_until=now() + LASTS)).rowcount
    if held:
        lease.term.renewed(at)
    else:
        lease.term.lost()


def running_time() -> float:
    """Seconds since the machine was started, those in which it slept as well."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _column(lease: Lease) -> Any:
    return next(iter(lease.table.primary_key.columns))


def _if_held(lease: Lease) -> Update:
    return lease.table.update().where(_column(lease) == lease.key, lease.table.c.lease_owner == lease.owner)


def let_go_of_the_dead(store: Store, table: Table) -> int:
    """Free the leases of `table` whose processes on this very machine have died. Returns how many."""
    query = select(table.c.lease_owner).where(table.c.lease_until > now())
    with store.reading() as connection:
        left = [owner for owner in connection.execute(query).scalars() if owner and not may_be_alive(owner)]
    if left:
        with store.writing() as connection:
            connection.execute(
                table.update().where(table.c.lease_owner.in_(left)).values(lease_owner=None, lease_until=None)
            )
    return len(left)


@lru_cache(maxsize=1)
def this_machine() -> str:
    """This machine, as processes that can see each other know it: its name, and of which boot and which container.

    Two machines may have one name, and so may two containers, which see only their own processes.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
        sees = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    except OSError:  # no /proc, or not a whole one
        return socket.gethostname()
    return f"{socket.gethostname()}/{boot}-{sees}"


def _this_process() -> str:
    return f"{this_machine()}:{os.getpid()}:{_started(os.getpid())}"


def may_be_alive(owner: str) -> bool:
    """Whether the process of an owner may still run: for certain only on this very machine."""
    machine, pid, started, _ = owner.split(":")
    if machine != this_machine():
        return True  # only time can tell
    if owner.startswith(f"{_this_process()}:"):
        return owner in _held_here
    return _started(int(pid)) == started


def _started(pid: int) -> str:
    """When a process of this machine started, as an opaque text; empty when there is none (or none can be seen)."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return _started_without_proc(pid)
    except OSError:
        return ""
    state, *rest = status.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]


def _started_without_proc(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return "running"
