"""A run's last step: what was acknowledged becomes what the partner holds, in one commit.

The lake knows the run by (audience, run id): a run that is settled again finds its commit and adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hub.clock import now
from hub.lake.tables import DELIVERIES, HELD
from hub.sync.batches import Batch
from hub.sync.documents import columns_of
from hub.sync.refused import Refused
from hub.sync.states import Action, BatchState

if TYPE_CHECKING:
    from hub.workspace import Workspace

ROWS_AT_ONCE = 10_000
_COLUMNS = ["action", "key", "person", "mapped"]
Refusals = Callable[[int, int], Mapping[str, Refused]]
"""The keys that were refused in the batches from the first number to the second, with the partner's words."""

ACKNOWLEDGED, REJECTED, OWED = "acknowledged", "rejected", "owed"


@dataclass(frozen=True)
class Settled:
    """Whose run it is, for the rows that a settlement writes."""

    project_id: int
    connection_id: int
    audience_id: int
    sync_id: int
    run_id: int


def settle(
    workspace: Workspace,
    of: Settled,
    *,
    plan: Path,
    batches: Sequence[Batch],
    refused: Refusals,
) -> None:
    """Append what `plan` changed at the partner to `held`, and every attempt to `deliveries`.

    `refused` tells of a range of batches which keys the partner did not take, with its words: it is asked for a piece
    of the plan at a time, because a million may have been refused. Harmless when repeated.
    Raises StoreError when the lake cannot be written; then the run can be settled again.
    """
    if not batches:
        return
    at = now()
    application = f"audience:{of.audience_id}"
    pieces = _Pieces(plan, batches, refused)

    def held() -> Iterator[pa.RecordBatch]:
        return (_held_rows(of, piece, at) for piece in pieces.read())

    def deliveries() -> Iterator[pa.RecordBatch]:
        return (_delivery_rows(of, piece, at) for piece in pieces.read())

    workspace.lake.append(HELD, held, application=application, version=of.run_id)
    workspace.lake.append(DELIVERIES, deliveries, application=application, version=of.run_id)


@dataclass(frozen=True)
class _Piece:
    """Some rows of a plan, each with its batch, and whether that was answered, sent, or may have arrived.

    `refused` members were not taken; those who are in the audience all the same are `there`; `why` has the words.
    """

    rows: pa.RecordBatch
    batch: np.ndarray[Any, Any]
    answered: np.ndarray[Any, Any]
    sent: np.ndarray[Any, Any]
    lost: np.ndarray[Any, Any]
    refused: np.ndarray[Any, Any]
    there: np.ndarray[Any, Any]
    why: Mapping[str, Refused]

    @property
    def actions(self) -> np.ndarray[Any, Any]:
        return np.asarray(self.rows.column("action").to_numpy(zero_copy_only=False))


class _Pieces:
    def __init__(self, plan: Path, batches: Sequence[Batch], refused: Refusals) -> None:
        self._plan = plan
        self._refused = refused
        self._ends = np.cumsum([batch.size for batch in batches])
        self._number = np.array([batch.number for batch in batches], np.int32)
        self._answered = np.array([batch.state is BatchState.ACKNOWLEDGED for batch in batches])
        self._sent = np.array([batch.attempts > 0 for batch in batches])
        self._lost = np.array([batch.lost_answers > 0 for batch in batches])

    def read(self) -> Iterator[_Piece]:
        """The plan's rows, piece by piece, in its order; batches are ranges of it in the same order."""
        first = 0
        # nothing read ahead, and by one thread: what Arrow's threads have read they keep to themselves
        with pq.ParquetFile(self._plan, pre_buffer=False) as file:
            for rows in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=_COLUMNS, use_threads=False):
                here = np.searchsorted(self._ends, np.arange(first, first + rows.num_rows), side="right")
                batch = self._number[here]
                why = self._refused(int(batch[0]), int(batch[-1]))
                yield _Piece(
                    rows,
                    batch,
                    self._answered[here],
                    self._sent[here],
                    self._lost[here],
                    _among(rows, why),
                    _among(rows, [key for key, refused in why.items() if refused.in_audience]),
                    why,
                )
                first += rows.num_rows


def _held_rows(of: Settled, piece: _Piece, at: datetime) -> pa.RecordBatch:
    """The rows of `held` that a piece makes: who was taken or taken out, and who may have arrived."""
    taken = piece.answered & ~piece.refused
    removal = piece.actions == Action.REMOVE.value
    refused_but_there = piece.answered & piece.there & (piece.actions == Action.ADD.value)
    may_be_there = (~piece.answered & piece.lost & ~removal) | refused_but_there
    chosen = taken | may_be_there
    rows = piece.rows.filter(pa.array(chosen))
    count = rows.num_rows
    columns = {
        "connection_id": _all(of.connection_id, count, pa.int32()),
        "audience_id": _all(of.audience_id, count, pa.int32()),
        "key": rows.column("key"),
        "person": rows.column("person"),
        "mapped": _maps(rows.column("mapped")),
        "since": _all(at, count, HELD.schema.field("since").type),
        "certain": pa.array(taken[chosen]),
        "run_id": _all(of.run_id, count, pa.int64()),
        "gone": pa.array(removal[chosen]),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in HELD.schema.names], schema=HELD.schema)


def _delivery_rows(of: Settled, piece: _Piece, at: datetime) -> pa.RecordBatch:
    """The rows of `deliveries` that a piece makes: one for each member that was sent."""
    sent = piece.sent
    rows = piece.rows.filter(pa.array(sent))
    count = rows.num_rows
    outcome = np.where(piece.refused & piece.answered, REJECTED, np.where(piece.answered, ACKNOWLEDGED, OWED))[sent]
    reasons: list[str | None] = [None] * count
    for place in np.flatnonzero(outcome == REJECTED):
        reasons[place] = piece.why[rows.column("key")[place].as_py()].reason
    columns = {
        "project_id": _all(of.project_id, count, pa.int32()),
        "connection_id": _all(of.connection_id, count, pa.int32()),
        "audience_id": _all(of.audience_id, count, pa.int32()),
        "sync_id": _all(of.sync_id, count, pa.int32()),
        "run_id": _all(of.run_id, count, pa.int64()),
        "batch": pa.array(piece.batch[sent], pa.int32()),
        "action": rows.column("action"),
        "person": rows.column("person"),
        "key": rows.column("key"),
        "outcome": pa.array(outcome, pa.string()),
        "reason": pa.array(reasons, pa.string()),
        "at": _all(at, count, DELIVERIES.schema.field("at").type),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in DELIVERIES.schema.names], schema=DELIVERIES.schema)


def _among(rows: pa.RecordBatch, keys: Iterable[str]) -> np.ndarray[Any, Any]:
    wanted = pa.array(list(keys), pa.string())
    return np.asarray(pc.is_in(rows.column("key"), value_set=wanted).to_numpy(zero_copy_only=False))


def _maps(values: pa.Array) -> pa.MapArray:
    """What the books have of a plan's column of values: a map of target -> typed text, without those that are null."""
    columns = columns_of(values)
    names, texts = pa.array([*columns], pa.string()), pa.concat_arrays([pa.array([], pa.string()), *columns.values()])
    count, targets = len(values), len(columns)
    column, row = np.tile(np.arange(targets), count), np.repeat(np.arange(count), targets)  # row by row
    found = texts.take(pa.array(column * count + row))
    there = found.is_valid()
    ends = np.zeros(count + 1, np.int32)
    if targets:
        ends[1:] = np.cumsum(np.asarray(there.to_numpy(zero_copy_only=False)).reshape(count, targets).sum(axis=1))
    return pa.MapArray.from_arrays(ends, names.take(pa.array(column).filter(there)), found.filter(there))


def _all(value: Any, count: int, kind: pa.DataType) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), count)
