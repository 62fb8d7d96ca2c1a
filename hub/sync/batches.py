"""A batch of a run, as the ledger has it, and the members of a plan that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from hub.sync.states import Action, BatchState


@dataclass(frozen=True)
class Batch:
    """A range of rows of a run's plan: `size` members from row `first_row`, all with the same action."""

    run_id: int
    number: int
    action: Action
    first_row: int
    size: int
    state: BatchState
    attempts: int
    lost_answers: int


@dataclass(frozen=True)
class PlannedMember:
    """One row of a plan. `fingerprint` stands for what is to be written about the member."""

    key: str
    person: str
    fingerprint: str


def batch_of(row: Row[Any]) -> Batch:
    """A row of the table of batches."""
    return Batch(
        run_id=row.run_id,
        number=row.number,
        action=Action(row.action),
        first_row=row.first_row,
        size=row.size,
        state=BatchState(row.state),
        attempts=row.attempts,
        lost_answers=row.lost_answers,
    )
