"""The state machines of runs and batches: their tables, and every move of a run by the next worker after a kill."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from hub.app import Hub
from hub.connectors.contract import Outcome
from hub.errors import HubError, PartnerUnavailable
from hub.store.tables import batches
from hub.sync import approving, holding, ledger
from hub.sync.batches import Batch, batch_of
from hub.sync.ledger import Ledger
from hub.sync.models import Run
from hub.sync.noting import Acknowledged, Owed, Sent
from hub.sync.plan import plan_file
from hub.sync.planned import PlanReader
from hub.sync.preparing import Preparation
from hub.sync.service import Syncs
from hub.sync.states import BATCH_MOVES, FINAL, BatchState, RunState, moved
from tests.customers import NAMES, buy, describe, in_cohort
from tests.sync.test_answers import raises
from tests.sync.test_interruptions import _Killed
from tests.sync.tiny import Tiny

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
LEGAL_OF_BATCHES = {
    ("planned", "sent"),
    ("planned", "owed"),
    ("held", "planned"),
    ("held", "refused"),
    ("sent", "sent"),
    ("sent", "planned"),
    ("sent", "acknowledged"),
    ("sent", "owed"),
}


def test_a_run_makes_the_moves_of_the_design_and_no_other():
    for state, to in itertools.product(RunState, RunState):
        if (state, to) in LEGAL:
            assert moved(state, to) is to
        else:
            with pytest.raises(ValueError, match="cannot move"):
                moved(state, to)
    assert frozenset({RunState.DONE, RunState.FAILED, RunState.REFUSED}) == FINAL


async def test_a_batch_makes_the_moves_of_its_table_and_no_other(tiny):
    assert {(state, to) for state, following in BATCH_MOVES.items() for to in following} == LEGAL_OF_BATCHES
    run = await tiny.syncs.run("s")
    store = tiny.workspace.store
    books = Ledger(store).notes(1, "1")

    def stands(state: BatchState) -> Batch:
        with store.writing() as connection:
            one = (batches.c.run_id == run.id, batches.c.number == 1)
            connection.execute(batches.update().where(*one).values(state=state))
            return batch_of(connection.execute(select(batches).where(*one)).one())

    rows = PlanReader(plan_file(tiny.workspace, run.id)).rows(0, 1)
    for to, noted in (
        (BatchState.SENT, Sent),
        (BatchState.OWED, partial(Owed, message="away")),
        (BatchState.ACKNOWLEDGED, partial(Acknowledged, rows=rows, outcome=Outcome())),
    ):
        for state in BatchState:
            batch = stands(state)
            if (state, to) in LEGAL_OF_BATCHES:
                books.write([noted(batch)])
            else:
                with pytest.raises(ValueError, match="cannot move"):
                    books.write([noted(batch)])


@contextmanager
def dying(state: str, to: str, *, after: bool) -> Iterator[None]:
    """The process dies as a run moves from `state` to `to`: before that is written down, or right after it."""
    whole, seen = moved, []

    def watching(now_in: RunState, following: RunState) -> RunState:
        if (now_in, following) == (state, to):
            seen.append(to)
            if not after:
                raise _Killed
        return whole(now_in, following)

    def then_dies(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            result = function(*arguments, **named)
            if seen:
                raise _Killed
            return result

        return wrapped

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ledger, "moved", watching)
        patched.setattr(holding, "moved", watching)
        for name in ("move", "plan", "stop_delivering"):
            patched.setattr(Ledger, name, then_dies(getattr(Ledger, name)))
        patched.setattr(approving, "end_wait", then_dies(holding.end_wait))
        with pytest.raises(_Killed):
            yield
    assert seen


async def test_at_every_move_that_is_killed_before_or_after_it_was_written_down_the_next_worker_goes_on(
    tiny, tmp_path, monkeypatch
):
    seen = set()

    async def killed(state: str, to: str, *calls: Callable[[Any], Awaitable[Any]]) -> None:
        """Kill a worker before the move, let the next one come as far, and kill it after the move."""
        for call, after in zip(calls, (False, True), strict=True):
            with dying(state, to, after=after):
                await call(worker().syncs)
            assert newest().state == (to if after else state)
        seen.add((state, to))

    def worker() -> Hub:
        """Another process: nothing is known to it but what is on the disk."""
        other = Hub.open(tiny.settings.home)
        other.plugins = tiny.plugins
        return other

    def newest() -> Run:
        return tiny.syncs.runs("s")[0]

    async def runs(syncs: Syncs) -> Run:
        return await syncs.run("s")

    async def approves(syncs: Syncs) -> Run:
        return await syncs.approve(newest().id)

    async def refuses(syncs: Syncs) -> Run:
        return await syncs.refuse(newest().id)

    def join(name: str) -> None:
        buy(tiny, tmp_path, [name])
        describe(tiny, tmp_path, [name])

    def leave(*names: str) -> None:
        buy(tiny, tmp_path, names, event="Returned", times=1)

    # the first run, from its beginning to its end; it goes on with the same run at each move
    for state, to in (("evaluating", "planning"), ("planning", "delivering"), ("delivering", "settling")):
        with dying(state, to, after=False):
            await runs(worker().syncs)
        assert newest().state == state
        with dying(state, to, after=True):
            await runs(worker().syncs)
        assert newest().state == to
        seen.add((state, to))
    await killed("settling", "done", runs, runs)
    assert (len(tiny.syncs.runs("s")), Tiny.held["A"]) == (1, in_cohort(tiny))

    # additions go on, removals are held, approved, delivered
    join("q001")
    leave(*NAMES[:30])
    await killed("delivering", "held", runs, runs)
    await killed("held", "delivering", approves, approves)
    assert (await runs(worker().syncs)).state is RunState.DONE
    assert Tiny.held["A"] == in_cohort(tiny)

    # everything is held, and refused
    tiny.syncs.guard("s", least=1, removals=0.0, additions=False)
    leave(NAMES[30])
    await killed("planning", "held", runs, runs)
    await killed("held", "settling", refuses, refuses)
    await killed("settling", "refused", runs, runs)
    tiny.syncs.guard("s", on=False)

    # the partner is away
    Tiny.answer = raises(PartnerUnavailable("away"))
    await killed("settling", "failed", runs, runs)
    Tiny.answer = None

    # a step cannot be done at all: whoever comes next may be luckier
    for state, step in (("evaluating", "evaluate"), ("planning", "plan")):
        monkeypatch.setattr(Preparation, step, _fails)
        await killed(state, "failed", runs, runs)
        monkeypatch.undo()
    assert (await runs(worker().syncs)).state is RunState.DONE
    assert Tiny.held["A"] == in_cohort(tiny)
    assert all(run.finished for run in tiny.syncs.runs("s"))
    assert seen == LEGAL


def _fails(*_: object) -> None:
    raise HubError("It cannot be done.")
