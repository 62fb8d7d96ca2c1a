"""Runs that are broken off between two statements, or that wake up when somebody else has gone on with them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from hub import AudienceGone, Outcome
from hub.clock import now
from hub.connectors.contract import Member
from hub.errors import Busy, StoreError, UsageError
from hub.lake.lake import Lake
from hub.lake.tables import HELD, TableLayout
from hub.schedule import run_due
from hub.store.tables import audiences, runs
from hub.sync import held as held_module
from hub.sync.engine import Engine
from hub.sync.held import compact
from hub.sync.ledger import Ledger
from hub.sync.noting import Acknowledged, Notes, Sent
from hub.sync.preparing import Preparation
from hub.sync.states import RunState
from tests.customers import NAMES, buy, email, in_cohort
from tests.sync.test_answers import adds_up, held, raises
from tests.sync.tiny import Tiny


class _Killed(BaseException):
    """What stands for SIGKILL at one statement: nothing of ours catches it."""


def killed_in(
    monkeypatch, owner: type, method: str, kind: type | None = None, *, after: bool = False
) -> Callable[[], None]:
    """Let the process die when `method` is called (or has returned), with a note of that `kind` if it is given. Returns
    how to bring it back to life."""
    whole = getattr(owner, method)

    def dies(*arguments, **named):
        if kind and not any(isinstance(note, kind) for note in arguments[1]):
            return whole(*arguments, **named)
        if after:
            whole(*arguments, **named)
        raise _Killed

    monkeypatch.setattr(owner, method, dies)
    return lambda: monkeypatch.setattr(owner, method, whole)


STATEMENTS = [
    (Ledger, "open_run"),
    (Preparation, "evaluate"),
    (Preparation, "plan"),
    (Ledger, "plan"),
    (Notes, "write", Sent),
    (Notes, "write", Acknowledged),
    (Ledger, "stop_delivering"),
    (Engine, "_end_delivery"),
    (Lake, "append"),
    (Engine, "_settle"),
]


async def test_killed_before_or_after_any_statement_the_next_run_makes_the_partner_equal(tiny, monkeypatch):
    for number, (owner, method, *kind) in enumerate(STATEMENTS * 2):
        name = f"{method} {number}"
        after = number >= len(STATEMENTS)
        tiny.syncs.start("loyal", "t", every=None, audience=name, name=name)
        revive = killed_in(monkeypatch, owner, method, *kind, after=after)
        with pytest.raises((_Killed, BaseExceptionGroup)):
            await tiny.syncs.run(name)
        revive()
        assert name in tiny.syncs.due(now()), name

        run = await tiny.syncs.run(name)

        assert run.state is RunState.DONE, name
        assert sum(each.added for each in tiny.syncs.runs(name)) == 40, name
        assert adds_up(run), name
        assert Tiny.held[name] == in_cohort(tiny), name
        assert all(each.finished for each in tiny.syncs.runs(name)), name


async def test_killed_after_the_audience_was_found_gone_the_run_ends_and_a_new_one_is_made(tiny, tmp_path, monkeypatch):
    await tiny.syncs.run("s")
    buy(tiny, tmp_path, NAMES[:3], event="Returned", times=1)
    Tiny.answer = raises(AudienceGone("deleted"))
    revive = killed_in(monkeypatch, Ledger, "stop_delivering")
    with pytest.raises(_Killed):
        await tiny.syncs.run("s")
    revive()
    Tiny.answer = None
    Tiny.held.clear()

    ended = await tiny.syncs.run("s")
    filled = await tiny.syncs.run("s")

    assert (ended.state, ended.removed) == (RunState.FAILED, 0)
    assert (filled.state, filled.added) == (RunState.DONE, 37)
    assert Tiny.held["A"] == in_cohort(tiny)
    assert all(run.finished for run in tiny.syncs.runs("s"))


@pytest.mark.parametrize("broken_off_in", [(Preparation, "plan"), (Engine, "_end_delivery"), (Engine, "_settle")])
async def test_a_run_whose_files_were_deleted_ends_and_the_next_one_delivers(tiny, monkeypatch, broken_off_in):
    revive = killed_in(monkeypatch, *broken_off_in)
    with pytest.raises(_Killed):
        await tiny.syncs.run("s")
    revive()
    shutil.rmtree(tiny.workspace.runs_folder)

    ended = await tiny.syncs.run("s")
    mended = await tiny.syncs.run("s")

    assert ended.state is RunState.FAILED
    assert "is gone" in ended.message
    assert (mended.state, mended.added) == (RunState.DONE, 40)
    assert Tiny.held["A"] == in_cohort(tiny)


@pytest.mark.parametrize(
    ("broken_off_in", "file"),
    [((Preparation, "plan"), "members"), ((Engine, "_end_delivery"), "plan"), ((Engine, "_settle"), "plan")],
)
async def test_a_run_that_an_earlier_version_planned_ends_and_the_next_one_delivers(
    tiny, monkeypatch, broken_off_in, file
):
    revive = killed_in(monkeypatch, *broken_off_in)
    with pytest.raises(_Killed):
        await tiny.syncs.run("s")
    revive()
    _as_maps(tiny.workspace.runs_folder / "1" / f"{file}.parquet")

    ended = await tiny.syncs.run("s")
    mended = await tiny.syncs.run("s")

    assert ended.state is RunState.FAILED
    assert "earlier version" in ended.message
    assert (mended.state, mended.added) == (RunState.DONE, 40)
    assert Tiny.held["A"] == in_cohort(tiny)


async def test_a_run_that_an_earlier_version_planned_is_not_taken_back(tiny):
    run = await tiny.syncs.run("s")
    plan = tiny.workspace.runs_folder / str(run.id) / "plan.parquet"
    _as_maps(plan)
    with tiny.workspace.store.writing() as connection:
        connection.execute(runs.update().values(plan_digest=sha256(plan.read_bytes()).hexdigest()))

    with pytest.raises(UsageError, match="earlier version"):
        await tiny.syncs.undo(run.id)

    assert Tiny.held["A"] == in_cohort(tiny)


def _as_maps(file: Path) -> None:
    """Give a run's file the form that it had before mapped values became columns."""
    rows = pq.read_table(file)
    maps = pa.array([{}] * len(rows), pa.map_(pa.string(), pa.string()))
    pq.write_table(rows.set_column(rows.column_names.index("mapped"), "mapped", maps), file)


async def test_a_worker_that_wakes_up_after_its_lease_was_taken_over_sends_and_writes_nothing_more(tiny):
    calls = 0

    async def sleeps(verb: str, members: list[Member]) -> Outcome:
        nonlocal calls
        calls += 1
        with tiny.workspace.store.writing() as connection:
            connection.execute(audiences.update().values(lease_owner="elsewhere:1:1:abc"))
        return Outcome()

    Tiny.answer = sleeps
    with pytest.raises(Busy, match="taken over"):
        await tiny.syncs.run("s")

    [run] = tiny.syncs.runs("s")
    assert calls <= Tiny.limits.concurrency
    assert (run.state, run.added) == (RunState.DELIVERING, 0)
    with tiny.workspace.store.writing() as connection:
        connection.execute(audiences.update().values(lease_owner=None))
    Tiny.answer = None
    assert (await tiny.syncs.run("s")).state is RunState.DONE
    assert Tiny.held["A"] == in_cohort(tiny)


async def test_a_sync_that_was_superseded_cannot_take_the_audience_back_by_being_run(tiny):
    await tiny.syncs.run("s")
    tiny.cohorts.add("one", f"version: 1\nall:\n  - profile: $email\n    op: in\n    value: [{email(NAMES[0])}]\n")
    tiny.syncs.start("one", "t", every=None, audience="A", name="new")

    with pytest.raises(UsageError, match="new writes the audience"):
        await tiny.syncs.run("s")

    await tiny.syncs.approve((await tiny.syncs.run("new")).id)  # 39 of 40 leave
    assert Tiny.held["A"] == {email(NAMES[0])}


async def test_a_new_sync_of_an_audience_ends_the_run_that_the_old_one_left_and_then_runs_itself(tiny, monkeypatch):
    revive = killed_in(monkeypatch, Notes, "write", Acknowledged)
    with pytest.raises(BaseExceptionGroup):
        await tiny.syncs.run("s")
    revive()
    tiny.cohorts.add("one", f"version: 1\nall:\n  - profile: $email\n    op: in\n    value: [{email(NAMES[0])}]\n")
    tiny.syncs.start("one", "t", every=None, audience="A", name="new")

    held = await tiny.syncs.run("new")
    run = await tiny.syncs.approve(held.id)

    assert (run.sync, run.state, run.removed) == ("new", RunState.DONE, 39)
    assert Tiny.held["A"] == {email(NAMES[0])}
    assert tiny.syncs.runs("s")[0].finished


@pytest.fixture
def eager(monkeypatch):
    """Every run compacts."""
    monkeypatch.setattr(held_module, "COMPACT_LEAST", 1)
    monkeypatch.setattr(held_module, "COMPACT_SHARE", 0.0)


async def test_what_is_held_is_the_same_after_compaction_and_after_one_that_was_killed(tiny, tmp_path, eager):
    await tiny.syncs.run("s")
    files = len(DeltaTable(tiny.workspace.lake.root / "held").file_uris())
    for leavers in (NAMES[:5], NAMES[5:9]):
        buy(tiny, tmp_path, leavers, event="Returned", times=1)
        await tiny.syncs.run("s")
        assert set(held(tiny)) == Tiny.held["A"] == in_cohort(tiny)
    assert len(DeltaTable(tiny.workspace.lake.root / "held").file_uris()) == files
    assert {row["run_id"] for row in _rows(tiny)} == {3}

    run = await tiny.syncs.run("s")
    assert (run.unchanged, run.planned) == (31, 0)


async def test_a_compaction_that_breaks_off_changes_nothing_and_fails_no_run(tiny, tmp_path, eager, monkeypatch):
    await tiny.syncs.run("s")
    buy(tiny, tmp_path, NAMES[:5], event="Returned", times=1)

    def full(*_, **__):
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "replace", full)
        run = await tiny.syncs.run("s")

    assert run.state is RunState.DONE
    assert set(held(tiny)) == in_cohort(tiny)
    assert compact(tiny.workspace, 1)
    assert set(held(tiny)) == in_cohort(tiny)


async def test_rows_that_come_in_during_a_compaction_are_not_lost(tiny, tmp_path, eager, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(held_module, "COMPACT_LEAST", 1_000_000)
        await tiny.syncs.run("s")
        buy(tiny, tmp_path, NAMES[:5], event="Returned", times=1)
        await tiny.syncs.run("s")
    whole = Lake.replace

    def late(lake: Lake, *arguments: object, **named: object) -> None:
        row = {**_rows(tiny)[0], "key": "late@shop.example", "run_id": 9, "gone": False}
        lake.append(HELD, _table([row]), application="audience:1", version=9)
        whole(lake, *arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Lake, "replace", late)
        with pytest.raises(StoreError):
            compact(tiny.workspace, 1)

    assert set(held(tiny)) == in_cohort(tiny) | {"late@shop.example"}


async def test_two_audiences_are_settled_while_a_third_is_compacted(tiny, tmp_path, monkeypatch):
    await tiny.syncs.run("s")
    tiny.syncs.start("loyal", "t", every=None, audience="B", name="b")
    lake = tiny.workspace.lake
    whole = Lake._table
    rows = [_table(_rows(tiny))]

    def compacted_meanwhile(self: Lake, layout: TableLayout) -> DeltaTable:
        table = whole(self, layout)
        if layout is HELD and Tiny.held.get("B") and rows:
            lake.replace(HELD, rows.pop(), predicate="audience_id = 1")
        return table

    monkeypatch.setattr(Lake, "_table", compacted_meanwhile)
    run = await tiny.syncs.run("b")

    assert run.state is RunState.DONE
    assert set(held(tiny, 2)) == set(held(tiny, 1)) == in_cohort(tiny)


def _rows(hub) -> list[dict]:
    with hub.workspace.reading() as reader:
        return [row for batch in reader.batches(reader.table(HELD)) for row in batch.to_pylist()]


def _table(rows: list[dict]):
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=HELD.schema)


async def test_a_run_that_was_killed_is_due_when_its_lease_is_over_and_not_only_at_the_next_tick(tiny, monkeypatch):
    revive = killed_in(monkeypatch, Notes, "write", Acknowledged)
    with pytest.raises(BaseExceptionGroup):
        await tiny.syncs.run("s")
    revive()

    assert tiny.syncs.get("s").next_run_at > now()
    assert tiny.syncs.due(now()) == ["s"]
    with tiny.workspace.store.writing() as connection:
        connection.execute(audiences.update().values(lease_owner="a:1:1:a", lease_until=now() + timedelta(minutes=1)))
    assert tiny.syncs.due(now()) == []
    assert tiny.syncs.due(now() + timedelta(minutes=2)) == ["s"]


async def test_a_sync_that_was_stopped_while_the_others_ran_is_not_run_any_more(tiny):
    tiny.syncs.start("loyal", "t", every=None, audience="B", name="b")

    async def stops(verb: str, members: list[Member]) -> Outcome:
        tiny.syncs.stop("b")
        return Outcome()

    Tiny.answer = stops
    due = await run_due(tiny, say=lambda text: None, stop=threading.Event())

    assert [run.sync for run in due.runs] == ["s"]
    assert "B" not in Tiny.held
