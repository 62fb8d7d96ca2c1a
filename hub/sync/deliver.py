"""A run's third step: the plan's batches, on their way to the partner.

A batch is written down before it leaves and after its answer. Members are acknowledged, refused by name, or owed.
"""

from __future__ import annotations

import asyncio
import bisect
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hub.cohorts.mapped import decode
from hub.connectors.connections import contained
from hub.connectors.contract import Audience, Connector, Member, Outcome, Refusal
from hub.connectors.retry import persist
from hub.errors import (
    AddressRefused,
    AudienceGone,
    BatchRefused,
    CredentialRefused,
    HubError,
    MappingWrong,
    MemberRefused,
    PartnerUnavailable,
    PluginError,
    SettingsWrong,
    Wait,
)
from hub.sync.ledger import Batch, Ledger, PlannedMember
from hub.sync.states import Action, BatchState

OWED_IN_A_ROW = 3
"""After so many batches without an answer the partner counts as away, and the run ends early."""
GRACE_SECONDS = 30.0
"""On top of the connector's own time-out, before a call counts as hanging."""

_ENDING = (CredentialRefused, SettingsWrong, MappingWrong, AudienceGone, AddressRefused, PluginError)


class PlanReader:
    """Reads ranges of rows of a plan. Keeps the row groups that it read last, so memory follows the batch."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        sizes = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._starts = [0, *accumulate(sizes)]
        self._kept: dict[int, pa.Table] = {}
        self._lock = threading.Lock()

    def rows(self, first: int, size: int) -> list[dict[str, Any]]:
        """Rows `first` to `first + size` of the plan."""
        with self._lock:
            low = bisect.bisect_right(self._starts, first) - 1
            high = bisect.bisect_right(self._starts, first + size - 1) - 1
            table = pa.concat_tables([self._group(group) for group in range(low, high + 1)])
        rows: list[dict[str, Any]] = table.slice(first - self._starts[low], size).to_pylist()
        return rows

    def _group(self, group: int) -> pa.Table:
        if group not in self._kept:
            while len(self._kept) > 1:
                self._kept.pop(min(self._kept))
            self._kept[group] = self._file.read_row_group(group)
        return self._kept[group]


@dataclass
class Delivery:
    """The delivery of one run's plan, resumed or begun.

    `answered(members)` is called after each batch. When `stop` is set, the batches that are under way are waited for
    and no other leaves. After `finish`, `ended_by` is the error that ended the delivery early, if one did.
    """

    ledger: Ledger
    connector: Connector
    audience: Audience
    audience_id: int
    run_id: int
    plan: PlanReader
    answered: Callable[[int], None]
    stop: threading.Event
    ended_by: HubError | None = None
    _owed_in_a_row: int = 0
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="ledger"))

    async def finish(self) -> None:
        """Deliver every batch that is still planned, several at once, as the connector's limits allow."""
        pending = await self._write(self.ledger.batches, self.run_id, BatchState.PLANNED)
        left = iter(pending)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.connector.limits.concurrency, len(pending))):
                    group.create_task(self._work(left))
        except* HubError as errors:
            raise _first(errors) from errors
        finally:
            self._writer.shutdown()

    async def _work(self, left: Iterator[Batch]) -> None:
        for batch in left:
            if self.stop.is_set() or self.ended_by:
                return
            await self._deliver(batch)

    async def _deliver(self, batch: Batch) -> None:
        rows = await asyncio.to_thread(self.plan.rows, batch.first_row, batch.size)
        members = [_member(row) for row in rows]
        try:
            outcome = await self._send(batch, members)
        except _ENDING as error:
            await self._write(self.ledger.owed, batch, str(error))
            self.ended_by = self.ended_by or error
        except (Wait, PartnerUnavailable) as error:
            await self._note_lost(batch, error)
            await self._write(self.ledger.owed, batch, str(error))
            self._owed_in_a_row += 1
            if self._owed_in_a_row >= OWED_IN_A_ROW:
                self.ended_by = self.ended_by or error
        else:
            self._owed_in_a_row = 0
            await self._acknowledge(batch, rows, outcome)
        self.answered(batch.size)

    async def _send(self, batch: Batch, members: Sequence[Member]) -> Outcome:
        async def once() -> Outcome:
            await self._write(self.ledger.sent, batch)
            return await self._call(batch.action, members)

        try:
            return await persist(once, before_again=partial(self._note_lost, batch))
        except (BatchRefused, MemberRefused) as error:
            return await self._halved(batch, members, error)

    async def _halved(self, batch: Batch, members: Sequence[Member], error: BatchRefused | MemberRefused) -> Outcome:
        """Find out who in a refused batch is refused, by sending its halves."""
        if len(members) == 1:
            code = error.code if isinstance(error, MemberRefused) else ""
            return Outcome([Refusal(members[0].key, error.message, code)])
        middle = len(members) // 2
        refused: list[Refusal] = []
        request_id = ""
        for half in (members[:middle], members[middle:]):
            try:
                outcome = await persist(
                    partial(self._call, batch.action, half), before_again=partial(self._note_lost, batch)
                )
            except (BatchRefused, MemberRefused) as again:
                outcome = await self._halved(batch, half, again)
            refused += outcome.refused
            request_id = outcome.request_id or request_id
        return Outcome(refused, request_id)

    def _call(self, action: Action, members: Sequence[Member]) -> Awaitable[Outcome]:
        verb = self.connector.remove if action is Action.REMOVE else self.connector.add
        return _in_time(
            contained(self.connector, verb(self.audience, members)),
            seconds=self.connector.limits.timeout.total_seconds() + GRACE_SECONDS,
            partner=self.connector.label,
        )

    async def _acknowledge(self, batch: Batch, rows: Sequence[dict[str, Any]], outcome: Outcome) -> None:
        planned = [PlannedMember(row["key"], row["person"], row["fingerprint"]) for row in rows]
        known = {member.key for member in planned}
        ours = Outcome([refusal for refusal in outcome.refused if refusal.key in known], outcome.request_id)
        await self._write(
            lambda: self.ledger.acknowledged(
                batch, planned, ours, audience_id=self.audience_id, version=self.connector.version
            )
        )

    async def _note_lost(self, batch: Batch, error: BaseException) -> None:
        if isinstance(error, PartnerUnavailable) and error.answer_lost:
            await self._write(self.ledger.lost, batch, str(error))

    async def _write(self, function: Callable[..., Any], *arguments: Any) -> Any:
        # one writer: eight that wait for SQLite's lock would each sleep longer than the write takes
        return await asyncio.get_running_loop().run_in_executor(self._writer, function, *arguments)


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


async def _in_time(call: Awaitable[Outcome], *, seconds: float, partner: str) -> Outcome:
    try:
        async with asyncio.timeout(seconds):
            return await call
    except TimeoutError as error:
        raise PartnerUnavailable(f"{partner} gave no answer within {seconds:.0f} s.", answer_lost=True) from error


def _member(row: dict[str, Any]) -> Member:
    values = {target: decode(text) for target, text in row["send"] or () if text is not None}
    return Member(row["key"], values)


async def open_audience(connector: Connector, name: str) -> Audience:
    """Find or make the audience at the partner, trying again while the partner is busy."""
    return await persist(lambda: contained(connector, connector.open_audience(name)))
