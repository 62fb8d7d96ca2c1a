"""How far the intake log is moved, as the lake and the control plane know it, and copies of the log that were put back.

The lake's own log and the control plane each know the last entry of the intake log that they have, under the log's
epoch. A log whose newest entry is older than what they have was put back from a copy: its next entries would have
numbers that they think they have. So it gets a new epoch, under which nothing was moved yet.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import select

from hub.intake.log import IntakeLog
from hub.lake.lake import Lake
from hub.lake.tables import EVENTS
from hub.store.store import Store
from hub.store.tables import intake_progress


@dataclass(frozen=True)
class Position:
    """The last entries of the log of `epoch` whose events are in the lake (`written`), and whose links, updates and
    rejections are in the control plane (`applied`); 0: none."""

    epoch: str
    written: int
    applied: int


def application(epoch: str) -> str:
    """Under which name the lake knows what was moved from a log."""
    return f"intake:{epoch}"


def make_ready(log: IntakeLog, store: Store, lake: Lake) -> None:
    """Make the log when it is missing, and give it a new epoch when it is a copy that was put back.

    To be called by whoever is going to append, before the first append. Raises StoreError.
    """
    log.create()
    position(log, store, lake)


def position(log: IntakeLog, store: Store, lake: Lake) -> Position:
    """How far the log is moved. One that was put back from a copy has a new epoch afterwards. Raises StoreError."""
    while True:
        epoch = log.head().epoch
        found = Position(epoch, lake.committed(EVENTS, application(epoch)) or 0, _applied(store, epoch))
        head = log.head()  # after the others, which never have what is not in the log yet
        if head.epoch == epoch and head.last_id >= max(found.written, found.applied):
            return found
        if head.epoch == epoch:
            renew(log, store)


def renew(log: IntakeLog, store: Store) -> None:
    """Give the log a new epoch: after a restore, or when it turns out to be a copy. Everything in it is moved again.

    For events that is harmless, because the same event comes twice and counts once. Links, updates of profiles and
    rejections are not applied again: the control plane knows of the entries that it had under the old epoch. To be
    called while nobody moves. Raises StoreError.
    """
    head = log.head()
    fresh = uuid.uuid4().hex
    with store.writing() as connection:
        applied = min(_applied(store, head.epoch), head.last_id)
        connection.execute(intake_progress.insert().values(epoch=fresh, applied=applied))
    log.renew_epoch(head.epoch, fresh)


def _applied(store: Store, epoch: str) -> int:
    with store.reading() as connection:
        found = connection.execute(select(intake_progress.c.applied).where(intake_progress.c.epoch == epoch)).scalar()
    return int(found or 0)
