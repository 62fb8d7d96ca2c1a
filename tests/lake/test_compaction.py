"""Compaction beside others: who appends late, who kills it, who stops it, and who maintains at the same time."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from deltalake import write_deltalake

from hub.clock import now
from hub.errors import Busy
from hub.lake import compaction, slices, tidying
from hub.lake.compaction import compact_events, due_months
from hub.lake.reading import reading
from hub.lake.slices import Month, cut_by_day, is_due
from hub.lake.snapshot import StoredFile
from hub.lake.tables import EVENTS, IDENTITY
from hub.maintenance import compact, maintain
from hub.store.holding import MAINTENANCE, holding
from tests.lake.test_duplicates import Hub, table
from tests.lake_rows import EventRow, add_events, add_identity, make_workspace

OCTOBER = datetime(2026, 10, 5, 12, tzinfo=UTC)
ROWS = [(1, "A", f"user {number}", OCTOBER + timedelta(seconds=number), f"i{number}") for number in range(300)]


def names(lake):
    with reading(lake, threads=1) as reader:
        events = reader.table(EVENTS).select("distinct_id")
        return sorted(value for part in reader.batches(events) for value in part.column(0).to_pylist())


def test_who_appends_in_an_earlier_generation_meanwhile_is_not_lost(tmp_path):
    hub = Hub(tmp_path)
    hub.append(ROWS)
    before = hub.lake.snapshot(EVENTS)
    late = table([((1, "A", "late", OCTOBER, "late"), 1_000)])
    tries = []

    def comes_late(*_):
        tries.append(1)
        if len(tries) == 1:  # it looked at the table before the compaction began
            rows = late.append_column("tail", [[1]]).select(EVENTS.schema.names).cast(EVENTS.schema)
            with ThreadPoolExecutor(1) as another:
                another.submit(write_deltalake, before.table, rows, mode="append").result()

    done = [*compact_events(hub.lake, due_months(hub.lake, whatever=True), memory_limit="1GiB", progress=comes_late)]

    assert len(tries) == 2
    assert [month.read for month in done] == [301]
    assert names(hub.lake) == sorted(["late", *(row[2] for row in ROWS)])


def test_who_is_appending_when_a_compaction_commits_writes_again(tmp_path):
    hub = Hub(tmp_path)
    hub.append(ROWS)
    tries = []

    def rows():
        tries.append(1)
        if len(tries) == 1:
            with ThreadPoolExecutor(1) as another:
                another.submit(hub.compact, None).result()
        yield from table([((1, "A", "late", OCTOBER, "late"), 1_000)]).to_batches()

    assert hub.lake.append(EVENTS, rows, application="another", version=1)

    assert len(tries) == 2
    assert [(file.tail, file.rows) for file in hub.lake.snapshot(EVENTS).stored()] == [(2, 1), (slices.WHOLE, 300)]
    assert names(hub.lake) == sorted(["late", *(row[2] for row in ROWS)])


KILLED = """
import sys, time
from pathlib import Path
from hub.lake.compaction import compact_events, due_months
from hub.lake.lake import Lake

def tell(month, written, total):
    print("written", flush=True)
    time.sleep(60)

lake = Lake(Path(sys.argv[1]))
[*compact_events(lake, due_months(lake, whatever=True), memory_limit="1GiB", progress=tell)]
"""


def test_killed_in_the_middle_it_has_changed_nothing_and_can_be_repeated(tmp_path):
    hub = Hub(tmp_path)
    hub.append(ROWS)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "written\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()

    assert names(hub.lake) == sorted(row[2] for row in ROWS)
    hub.compact(None)
    assert names(hub.lake) == sorted(row[2] for row in ROWS)
    assert {file.tail for file in hub.lake.snapshot(EVENTS).stored()} == {slices.WHOLE}

    left_behind = tmp_path / "events" / "project_id=1" / "month=2026-10" / "tail=0" / "part-of-the-killed.parquet"
    left_behind.write_bytes(b"half a file")
    os.utime(left_behind, (1, 1))
    hub.lake.vacuum(EVENTS, older_than=timedelta(hours=24))
    assert not left_behind.exists()
    assert names(hub.lake) == sorted(row[2] for row in ROWS)


@pytest.mark.parametrize(("stopped_after", "compacted"), [(0, []), (1, ["2026-10"])])
def test_stopped_it_leaves_the_month_in_hand_as_it_was(tmp_path, monkeypatch, stopped_after, compacted):
    hub = Hub(tmp_path)
    hub.append([*ROWS, (1, "A", "ann", OCTOBER + timedelta(days=60), "i")])
    monkeypatch.setattr(compaction, "_ROWS_AT_ONCE", 1)
    stop, written = threading.Event(), []

    def tell(*_):
        written.append(1)
        if len(written) > stopped_after:
            stop.set()

    months = due_months(hub.lake, whatever=True)
    done = [*compact_events(hub.lake, months, memory_limit="1GiB", progress=tell, stop=stop)]

    assert [month.month for month in done] == compacted
    assert len(names(hub.lake)) == len(ROWS) + 1
    assert len(due_months(hub.lake, whatever=True)) == 2 - len(compacted)


def test_a_hub_maintains_itself_and_one_process_at_a_time_does(tmp_path, monkeypatch):
    workspace = make_workspace(tmp_path)
    monkeypatch.setattr(tidying, "MOST_FILES", 3)
    monkeypatch.setattr(slices, "LEAST_ROWS", 3)
    for number in range(5):
        add_events(workspace, [EventRow("ann", "A", OCTOBER + timedelta(hours=number))])
        add_identity(workspace, {f"id {number}": "ann"})
    add_identity(workspace, {"id 0": "ann"}, known_to=now())
    store, lake, settings = workspace.store, workspace.lake, workspace.settings

    with holding(store, MAINTENANCE, what="A test"):
        assert maintain(store, lake, settings) == []
        with pytest.raises(Busy):
            [*compact(store, lake, settings)]
    said = maintain(store, lake, settings)

    assert said[0] == "2026-10 of project 1: 5 events compacted"
    assert said[1] == "identity: 6 small files put together"
    assert [file.rows for file in lake.snapshot(EVENTS).stored()] == [5]
    assert [file.rows for file in lake.snapshot(IDENTITY).stored()] == [5]  # the interval that ended is one row
    assert maintain(store, lake, settings) == []


def test_files_of_the_tail_are_put_together_while_others_append(tmp_path, monkeypatch):
    hub = Hub(tmp_path)
    monkeypatch.setattr(tidying, "_GATHERED", (EVENTS,))
    monkeypatch.setattr(tidying, "MOST_FILES", 3)
    for row in ROWS[:5]:
        hub.append([row])

    assert len([*tidying.gather(hub.lake, memory_limit="1GiB")]) == 1
    hub.append([ROWS[5], ROWS[0]])

    assert [file.rows for file in hub.lake.snapshot(EVENTS).stored()] == [2, 5]
    hub.check()


def month(name="2026-10", *, clean=0, tail=0, cut=False, age=timedelta(), first=1, days=31):
    written = now() - age
    start = datetime.fromisoformat(f"{name}-01T00:00:00+00:00")

    def file(tail, rows, first, days):
        span = start + timedelta(days=first - 1), start + timedelta(days=first - 1 + days)
        return StoredFile("", {"tail": tail}, 1, rows, written, *span)

    whole = [file(0, clean, 1, 31)] if clean and not cut else []
    by_day = [file(-day, clean // 30, day, 0.9) for day in range(1, 31)] if cut else []
    return Month(1, name, tuple(whole or by_day), (file(1, tail, first, days),) if tail else ())


THIS = now().strftime("%Y-%m")


@pytest.mark.parametrize(
    ("found", "due"),
    [
        (month(clean=1_000_000), False),
        (month(tail=200_001), True),
        (month(clean=2_000_000, tail=300_000), False),
        (month(clean=2_000_000, tail=400_001), True),
        (month(THIS, clean=30_000_000, cut=True, tail=300_000, first=3, days=0.5), True),  # of one day's million
        (month(clean=1_000_000, tail=1, age=timedelta(hours=13)), True),
        (month("2021-01", clean=3_000_000, cut=True), True),  # is over: one slice from now on
        (month("2021-01", clean=90_000_000, cut=True), False),
        (month(THIS, clean=3_000_000, cut=True), False),
    ],
)
def test_a_month_is_due_when_compacting_it_is_worth_it(found, due):
    assert is_due(found, now()) is due


@pytest.mark.parametrize(
    ("found", "by_day"),
    [
        (month(THIS, clean=900_000, tail=200_000), True),
        (month(THIS, clean=900_000), False),
        (month("2021-01", clean=9_000_000), False),
        (month("2021-01", clean=90_000_000, cut=True), True),
    ],
)
def test_a_large_month_that_is_coming_in_is_cut_by_day(found, by_day):
    assert cut_by_day(found, now()) is by_day
