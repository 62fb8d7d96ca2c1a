"""What a delivery writes down of its batches: before each leaves, and after its answer.

Several batches are under way at once. What is to be written of them while the control plane is busy with others goes
into its next transaction together: a transaction for each would cost more than sending the batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection as Transaction
from sqlalchemy import Update, bindparam, or_

from hub.clock import now
from hub.connectors.contract import Outcome
from hub.store.lease import Lease, writing_under
from hub.store.store import Store
from hub.store.tables import batches
from hub.sync.batches import Batch
from hub.sync.planned import PlannedRows
from hub.sync.refused import RefusedBefore, note_answer
from hub.sync.states import BatchState, before

T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """A batch leaves now. It is on disk before the request is."""

    batch: Batch


@dataclass(frozen=True)
class Lost:
    """No answer to a batch came back, so that it may have been carried out."""

    batch: Batch
    message: str


@dataclass(frozen=True)
class Owed:
    """A batch could not be delivered; its members go out with the next run."""

    batch: Batch
    message: str


@dataclass(frozen=True)
class Acknowledged:
    """The partner has answered: it took the batch, but for those whom the outcome refuses."""

    batch: Batch
    rows: PlannedRows
    outcome: Outcome


Note = Sent | Lost | Owed | Acknowledged


class Notes:
    """Notes of one audience's batches, written in the control plane.

    With the `lease` of the audience, raises Busy once somebody else has taken it over. `version` is the connector's.
    """

    def __init__(self, store: Store, lease: Lease | None, *, audience_id: int, version: str) -> None:
        self._store = store
        self._lease = lease
        self._version = version
        self._before = RefusedBefore(audience_id)

    def write(self, notes: Sequence[Note]) -> None:
        """Write down these notes, each about another batch: all of them or, when anything is raised, none.

        Raises ValueError when a batch may not move to the state that a note is about.
        """
        at = now()
        with writing_under(self._store, self._lease) as transaction:
            for kind, update in _UPDATES.items():
                values = [_values(note, at) for note in notes if isinstance(note, kind)]
                if values and transaction.execute(update, values).rowcount != len(values):
                    raise ValueError(f"{len(values)} batches cannot move to {kind.__name__.lower()}: {values}")
            for note in notes:
                if isinstance(note, Acknowledged):
                    self._refusals(transaction, note)

    def _refusals(self, transaction: Transaction, note: Acknowledged) -> None:
        refused = {refusal.key: refusal for refusal in note.outcome.refused}
        note_answer(transaction, note.batch, note.rows, refused, self._before, version=self._version)


class Writer:
    """The one thread that a delivery writes with: eight that wait for SQLite's lock would each sleep longer than the
    write takes. Use it as an async context manager; what is under way at the end is waited for."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._waiting: list[tuple[Note, asyncio.Future[None]]] = []
        self._draining: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Writer:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._draining:
            await self._draining
        self._thread.shutdown()

    async def note(self, note: Note) -> None:
        """Have a note written, and wait until it is. Raises what writing it raises."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((note, written))
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        await written

    async def asked(self, function: Callable[..., T], *arguments: Any) -> T:
        """The result of a function that asks the control plane."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _drain(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, []
            try:
                errors = await self.asked(self._write, [note for note, _ in some])
            except BaseException as error:  # noqa: BLE001 - whoever waits is told, and nobody else would be
                some, self._waiting = [*some, *self._waiting], []
                errors = [error] * len(some)
            _tell(some, errors)

    def _write(self, notes: Sequence[Note]) -> list[BaseException | None]:
        """Write notes, and tell of each why it could not be."""
        try:
            self._notes.write(notes)
        except Exception as error:  # noqa: BLE001 - whoever waits for a note is told
            # one that cannot be written must not keep the others from it
            return [error] if len(notes) == 1 else [why for note in notes for why in self._write([note])]
        return [None] * len(notes)


def _tell(waiting: Sequence[tuple[Note, asyncio.Future[None]]], errors: Sequence[BaseException | None]) -> None:
    for (_, written), error in zip(waiting, errors, strict=True):
        if written.done():  # whoever asked is not there any more
            continue
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)


_OF_BATCH = batches.update().where(batches.c.run_id == bindparam("of_run"), batches.c.number == bindparam("of_number"))


def _move(to: BatchState, **values: Any) -> Update:
    # not `in`: SQLAlchemy has it for one batch at a time only
    allowed = or_(*(batches.c.state == state for state in before(to)))
    return _OF_BATCH.where(allowed).values(state=to, **values)


_UPDATES: dict[type, Update] = {
    Sent: _move(BatchState.SENT, attempts=batches.c.attempts + 1, sent_at=bindparam("at")),
    Lost: _OF_BATCH.values(lost_answers=batches.c.lost_answers + 1, message=bindparam("said")),
    Owed: _move(BatchState.OWED, answered_at=bindparam("at"), message=bindparam("said")),
    Acknowledged: _move(
        BatchState.ACKNOWLEDGED,
        answered_at=bindparam("at"),
        rejected=bindparam("refused"),
        request_id=bindparam("request"),
    ),
}


def _values(note: Note, at: datetime) -> dict[str, Any]:
    of: dict[str, Any] = {"of_run": note.batch.run_id, "of_number": note.batch.number}
    match note:
        case Sent():
            return of | {"at": at}
        case Lost(message=said):
            return of | {"said": said}
        case Owed(message=said):
            return of | {"at": at, "said": said}
        case Acknowledged(outcome=outcome):
            refused = len({refusal.key for refusal in outcome.refused})
            return of | {"at": at, "refused": refused, "request": outcome.request_id}
