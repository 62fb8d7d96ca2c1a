"""Leases for plain functions: work of the whole hub that only one process may do at a time, by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import select

from hub.errors import StoreError
from hub.store.lease import Lease, give_back, held_here, keep_alive, new_owner, take
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
    lease = Lease(leases, name, new_owner(), what)
    with held_here(lease.owner):
        take(store, lease)
        ended = keep_alive(store, lease)
        try:
            yield lease
        finally:
            ended()
            with contextlib.suppress(StoreError):  # a full disk: whoever comes next sees that nobody holds it
                give_back(store, lease)


def _make_row(store: Store, name: str) -> None:
    with store.reading() as connection:
        if connection.execute(select(leases.c.name).where(leases.c.name == name)).first():
            return
    with store.writing() as connection:
        if not connection.execute(select(leases.c.name).where(leases.c.name == name)).first():
            connection.execute(leases.insert().values(name=name))
