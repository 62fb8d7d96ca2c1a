"""A run's third step: the plan's batches, on their way to the partner.

A batch is written down before it leaves and after its answer. Members are acknowledged, refused by name, or owed.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from hub.connectors.containing import containing, in_time
from hub.connectors.contract import Audience, Connector, Member, Outcome, Page, Refusal
from hub.connectors.matching import Kinds
from hub.connectors.recording import recorded_by
from hub.connectors.retry import LONGEST_WAIT, persist
from hub.errors import (
    BatchRefused,
    Busy,
    HubError,
    MemberRefused,
    PartnerError,
    PartnerUnavailable,
    PluginError,
    StoreError,
    Wait,
)
from hub.sync.attempts_writing import Attempts
from hub.sync.batches import Batch
from hub.sync.heap import settled_heap
from hub.sync.ledger import Ledger
from hub.sync.members import nonsense, sound
from hub.sync.noting import Acknowledged, Lost, Owed, Sent, Writer
from hub.sync.observed import Payload
from hub.sync.pages import Pages
from hub.sync.planned import PlannedRows, PlanReader
from hub.sync.states import Action, BatchState

OWED_IN_A_ROW = 3
"""After so many batches without an answer the partner counts as away, and the run ends early."""

NOT_ITS_END = (StoreError, Busy)
"""Errors that say nothing about the run: it is gone on with later, by whoever has its audience then."""


@dataclass
class Delivery:
    """The delivery of one run's plan, resumed or begun.

    `answered(members)` is called after each batch, and `payload` changes one before it leaves. When `stop` is set, the
    batches that are under way are waited for and no other leaves. After `finish`, `ended_by` is the error that ended it
    early, if one did.
    """

    ledger: Ledger
    attempts: Attempts
    connector: Connector
    audience: Audience
    audience_id: int
    run_id: int
    plan: PlanReader
    answered: Callable[[int], None]
    stop: threading.Event
    payload: Payload
    ended_by: HubError | None = None
    _kinds: Kinds = field(init=False)
    _owed_in_a_row: int = 0
    _tries: Counter[int] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._kinds = Kinds(self.connector.matching)

    async def finish(self) -> None:
        """Deliver every batch that is still planned, several at once, as the connector's limits allow."""
        async with Writer(self.ledger.notes(self.audience_id, self.connector.version)) as self._writer:
            pages = await self._writer.asked(self._numbered)
            pending = await self._writer.asked(self.ledger.batches, self.run_id, BatchState.PLANNED)
            try:
                with settled_heap():
                    for batches in _in_turn(pending):
                        await self._deliver_all(batches, pages)
            except* HubError as errors:
                raise _first(errors) from errors

    async def _deliver_all(self, batches: Sequence[Batch], pages: Pages) -> None:
        left = iter(batches)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.connector.limits.concurrency, len(batches))):
                group.create_task(self._work(left, pages))

    def _numbered(self) -> Pages:
        run = self.ledger.row(self.run_id)
        return Pages(self.run_id, run.created_at, self.ledger.batches(self.run_id))

    async def _work(self, left: Iterator[Batch], pages: Pages) -> None:
        for batch in left:
            if self.stop.is_set() or self.ended_by:
                return
            await self._deliver(batch, pages)

    async def _deliver(self, batch: Batch, pages: Pages) -> None:
        rows = await self._rows(batch)
        try:
            members: Sequence[Member] = rows.members(batch.action, self._kinds)
            if batch.action in (Action.ADD, Action.UPDATE):
                members = await self.payload(members)
            outcome = await self._send(batch, members, pages)
        except NOT_ITS_END:
            raise
        except HubError as error:
            await self._note_lost(batch, error)
            await self._writer.note(Owed(batch, str(error)))
            self._owed_in_a_row += 1
            if self._owed_in_a_row >= OWED_IN_A_ROW or not _is_passing(error):
                self.ended_by = self.ended_by or error
        else:
            self._owed_in_a_row = 0
            await self._writer.note(Acknowledged(batch, rows, outcome))
        self.answered(batch.size)

    async def _rows(self, batch: Batch) -> PlannedRows:
        if self.plan.at_hand(batch.first_row, batch.size):
            return self.plan.rows(batch.first_row, batch.size)
        return await asyncio.to_thread(self.plan.rows, batch.first_row, batch.size)

    async def _send(self, batch: Batch, members: Sequence[Member], pages: Pages) -> Outcome:
        async def once() -> Outcome:
            await self._writer.note(Sent(batch))
            self._tries[batch.number] += 1
            keys = self._kinds.texts_of(members)
            number = batch.attempts + self._tries[batch.number]
            with self.attempts.begin(batch.number, batch.action.value, number, keys) as attempt, recorded_by(attempt):
                outcome = await self._call(batch.action, members, pages.page(batch, members))
                attempt.acknowledged(outcome)
            return outcome

        try:
            attempts = self.connector.limits.attempts
            return await persist(once, attempts=attempts, before_again=partial(self._note_lost, batch))
        except (BatchRefused, MemberRefused) as error:
            return await self._halved(batch, members, error, pages)

    async def _halved(
        self, batch: Batch, members: Sequence[Member], error: BatchRefused | MemberRefused, pages: Pages
    ) -> Outcome:
        """Find out who in a refused batch is refused, by sending its halves."""
        if len(members) == 1:
            code = error.code if isinstance(error, MemberRefused) else ""
            key = self._kinds.text_of(members[0])
            return Outcome([Refusal(key, error.message, code, in_audience=error.answer_lost)])
        middle = len(members) // 2
        refused: list[Refusal] = []
        request_id = ""
        for number, half in enumerate((members[:middle], members[middle:])):
            try:
                outcome = await self._send(batch, half, pages)
            except PartnerError as ending:
                ending.answer_lost = ending.answer_lost or number > 0  # the first half was taken
                raise
            refused += outcome.refused
            request_id = outcome.request_id or request_id
        return Outcome(refused, request_id)

    async def _call(self, action: Action, members: Sequence[Member], page: Page) -> Outcome:
        verb = self.connector.remove_page if action is Action.REMOVE else self.connector.add_page
        outcome = await in_time(self.connector, verb, self.audience, members, page)
        with containing(self.connector):
            return sound(self.connector, self._kinds, outcome, members)

    async def _note_lost(self, batch: Batch, error: BaseException) -> None:
        # a connector that broke off in the middle of its own code may have been through to the partner
        if isinstance(error, PluginError) or (isinstance(error, PartnerError) and error.answer_lost):
            await self._writer.note(Lost(batch, str(error)))


def _in_turn(batches: list[Batch]) -> Iterator[list[Batch]]:
    """Batches that may be under way at once: old keys that are taken out before new ones come in go by themselves."""
    comes_in = [place for place, batch in enumerate(batches) if batch.action in (Action.ADD, Action.UPDATE)]
    if comes_in and comes_in[0]:
        yield batches[: comes_in[0]]
        batches = batches[comes_in[0] :]
    yield batches


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


def _is_passing(error: HubError) -> bool:
    """Whether the next batch may fare better. A partner that asks for long is left alone until the next run."""
    if isinstance(error, Wait):
        return (error.seconds or 0) <= LONGEST_WAIT
    return isinstance(error, PartnerUnavailable)


async def open_audience(connector: Connector, name: str, attempts: Attempts) -> Audience:
    """Find or make the audience at the partner, trying again while the partner is busy."""
    numbers = count(1)

    async def once() -> Audience:
        with attempts.begin(None, "open audience", next(numbers), ()) as attempt, recorded_by(attempt):
            opened = await in_time(connector, connector.open_audience, name)
            if not isinstance(opened, Audience):
                raise nonsense(connector, f"answered with {type(opened).__name__} where an Audience belongs")
            if not isinstance(opened.ref, Mapping):
                raise nonsense(connector, f"made an audience whose ref is {opened.ref!r}, where a mapping belongs")
            attempt.acknowledged()
        return opened

    return await persist(once)
