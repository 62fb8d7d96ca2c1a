"""The run's state machine, move by move."""

from __future__ import annotations

import itertools

import pytest

from hub.sync.states import FINAL, RunState, moved

LEGAL = {
    ("evaluating", "planning"),
    ("evaluating", "failed"),
    ("planning", "delivering"),
    ("planning", "failed"),
    ("planning", "held"),
    ("delivering", "held"),
    ("delivering", "settling"),
    ("held", "delivering"),
    ("held", "settling"),
    ("settling", "done"),
    ("settling", "failed"),
    ("settling", "refused"),
}


@pytest.mark.parametrize(("state", "to"), itertools.product(RunState, RunState))
def test_a_run_makes_the_moves_of_the_design_and_no_other(state, to):
    if (state, to) in LEGAL:
        assert moved(state, to) is to
    else:
        with pytest.raises(ValueError, match="cannot move"):
            moved(state, to)


def test_only_done_failed_and_refused_are_ends():
    assert frozenset({RunState.DONE, RunState.FAILED, RunState.REFUSED}) == FINAL
