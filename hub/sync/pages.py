"""Which page of its run's delivery a batch is, for partners that are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID, uuid5

from hub.connectors.contract import Member, Page
from hub.sync.batches import Batch
from hub.sync.states import Action

_SESSIONS = UUID("0f3c1f0e-6d0b-4f0e-9a52-5b1b7c1f7a10")


class Pages:
    """Numbers the batches of one run; whoever goes on with the run numbers them alike.

    `began` is when the run was made: a hub that was restored from a backup gives numbers of runs again, and a partner
    that remembers the earlier ones must not take the new ones for repetitions.
    """

    def __init__(self, run_id: int, began: datetime, batches: Iterable[Batch]) -> None:
        self._session = uuid5(_SESSIONS, f"{run_id} {began.isoformat()}")
        self._numbers: dict[int, int] = {}
        self._totals: Counter[bool] = Counter()
        for batch in sorted(batches, key=lambda each: each.number):
            self._totals[_removes(batch)] += 1
            self._numbers[batch.number] = self._totals[_removes(batch)]

    def page(self, batch: Batch, members: Sequence[Member]) -> Page:
        """The page that `members` of `batch` are: a part of a batch is a session of its own."""
        updates = batch.action in (Action.UPDATE, Action.CLEAR)
        if len(members) < batch.size:
            part = f"{batch.number} {len(members)} {members[0].key}"
            return Page(str(uuid5(self._session, part)), updates=updates)
        return Page(str(self._session), self._numbers[batch.number], self._totals[_removes(batch)], updates)


def _removes(batch: Batch) -> bool:
    return batch.action is Action.REMOVE
