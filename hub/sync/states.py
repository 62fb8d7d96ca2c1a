"""The states of syncs, runs and batches, and the only moves of runs and batches."""

from __future__ import annotations

from enum import StrEnum

ACTIVE, DONE, PAUSED, STOPPED, REMOVED = "active", "done", "paused", "stopped", "removed"
"""What a sync is: on its schedule; a one-time sync that has run; waiting until it is resumed; off; gone."""


class RunState(StrEnum):
    """Where a run stands. A run that is killed keeps its state, and whoever goes on with it begins there."""

    EVALUATING = "evaluating"
    """The cohort's people are being written down."""
    PLANNING = "planning"
    """They are being compared with what the partner holds."""
    DELIVERING = "delivering"
    """The plan is fixed; its batches are on their way."""
    HELD = "held"
    """A guard wants a person to look. Nothing leaves until somebody approves or refuses, or the world has changed."""
    SETTLING = "settling"
    """No batch leaves any more; what was acknowledged is being noted."""
    DONE = "done"
    """Everybody in the plan was acknowledged or refused by name."""
    FAILED = "failed"
    """The run ended early. What was acknowledged counts; the rest is owed and goes out with the next run."""
    REFUSED = "refused"
    """A person refused what was held. What had been acknowledged by then counts."""


MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.EVALUATING: frozenset({RunState.PLANNING, RunState.FAILED}),
    RunState.PLANNING: frozenset({RunState.DELIVERING, RunState.HELD, RunState.FAILED}),
    RunState.DELIVERING: frozenset({RunState.HELD, RunState.SETTLING}),
    RunState.HELD: frozenset({RunState.DELIVERING, RunState.SETTLING}),
    RunState.SETTLING: frozenset({RunState.DONE, RunState.FAILED, RunState.REFUSED}),
    RunState.DONE: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.REFUSED: frozenset(),
}

FINAL = frozenset(state for state, following in MOVES.items() if not following)


def moved(state: RunState, to: RunState) -> RunState:
    """`to`, if a run may move there from `state`. Raises ValueError when it may not."""
    if to not in MOVES[state]:
        raise ValueError(f"a run cannot move from {state} to {to}")
    return to


class BatchState(StrEnum):
    """Where a batch stands."""

    PLANNED = "planned"
    HELD = "held"
    """It waits for a person, who approves or refuses it with its run."""
    SENT = "sent"
    """It has left, and no answer is known. Found by another worker, it may have arrived: it is sent again."""
    ACKNOWLEDGED = "acknowledged"
    """The partner answered: everybody in it was taken, except who is listed as an exception."""
    OWED = "owed"
    """The partner was not to be had; its members go out with the next run."""
    REFUSED = "refused"
    """It was held, and never left: a person refused it, or its run ended before somebody had decided."""


BATCH_MOVES: dict[BatchState, frozenset[BatchState]] = {
    BatchState.PLANNED: frozenset({BatchState.SENT, BatchState.OWED}),
    BatchState.HELD: frozenset({BatchState.PLANNED, BatchState.REFUSED}),
    # sent once more: by the same worker after a lost or passing answer, by another one, as planned, after a kill
    BatchState.SENT: frozenset({BatchState.SENT, BatchState.PLANNED, BatchState.ACKNOWLEDGED, BatchState.OWED}),
    BatchState.ACKNOWLEDGED: frozenset(),
    BatchState.OWED: frozenset(),
    BatchState.REFUSED: frozenset(),
}


def before(to: BatchState) -> list[str]:
    """The states from which a batch may move to `to`."""
    return [state.value for state, following in BATCH_MOVES.items() if to in following]


class Action(StrEnum):
    """What a plan does with a member, in the order of the plan."""

    ADD = "add"
    UPDATE = "update"
    REMOVE = "remove"
    CLEAR = "clear"
    """Of somebody who left: they stay in the audience, without the mapped values."""


class Leavers(StrEnum):
    """What becomes of those who leave the cohort, at the partner."""

    REMOVE = "remove"
    KEEP = "keep"
    CLEAR = "clear"
    """They stay, and the mapped values that the hub wrote are emptied. Only of connectors that can."""

    @property
    def action(self) -> Action | None:
        """What a plan does with them, if anything."""
        return {Leavers.REMOVE: Action.REMOVE, Leavers.CLEAR: Action.CLEAR, Leavers.KEEP: None}[self]
