"""Leases for plain functions: work of the whole hub that only one process may do at a time, by name."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from hub.errors import StoreError
from hub.store.lease import HEARTBEAT, Lease, give_back, held_here, new_owner, renew, take
from hub.store.store import Store
from hub.store.tables import leases

MOVER = "mover"
"""Moves what has arrived from the intake log into the lake."""
MAINTENANCE = "maintenance"
"""Compacts the lake, and takes files out that nobody reads any more."""


@contextmanager
def holding(store: Store, name: str, *, what: str) -> Iterator[Lease]:
    """Hold the hub's lease `name` (MOVER, MAINTENANCE) for as long as the block runs, kept alive by a thread.

    Raises Busy, naming `what` and who has it. One whose process has died is taken over at once, one of another machine
    when its minute is up; `Lease.check` within a writing transaction tells whether it is still held.
    """
    _make_row(store, name)
    owner = new_owner()
    with held_here(owner):
        take(store, leases, name, owner, what)
        ended = threading.Event()
        beating = threading.Thread(target=_beat, args=(store, name, owner, ended), name=f"lease {name}", daemon=True)
        beating.start()
        try:
            yield Lease(leases, name, owner, what)
        finally:
            ended.set()
            beating.join()
            with contextlib.suppress(StoreError):  # a full disk: whoever comes next sees that nobody holds it
                give_back(store, leases, name, owner)


def _make_row(store: Store, name: str) -> None:
    with store.reading() as connection:
        if connection.execute(select(leases.c.name).where(leases.c.name == name)).first():
            return
    with store.writing() as connection:
        if not connection.execute(select(leases.c.name).where(leases.c.name == name)).first():
            connection.execute(leases.insert().values(name=name))


def _beat(store: Store, name: str, owner: str, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT.total_seconds()):
        with contextlib.suppress(StoreError):  # a busy database: the lease outlives several missed beats
            renew(store, leases, name, owner)
