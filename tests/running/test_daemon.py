"""`hub daemon`: real processes, killed and asked to end, beside a real sandbox; and what it tells of itself."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from hub.app import Hub
from hub.clock import now
from hub.errors import HubError
from hub.running.backoff import Backoff
from hub.running.daemon import Daemon
from hub.running.health import RUNNING, Health, HealthFile, check
from hub.running.metrics import METRICS
from hub.schedule import SYNC, Task, run_due
from hub.store.tables import connections, runs, syncs
from hub.sync.schedule import After
from tests.conftest import HUB
from tests.customers import LOYAL, buy, describe, in_cohort, know, tagged

CROWD = [f"c{number:05}" for number in range(4_500)]
DOCUMENT = Path(__file__).parents[2] / "docs" / "running.md"


def until(happened: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that a process does."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@contextmanager
def daemon(home: Path):
    """A daemon as a process of its own, with its metrics on a free port; it is told to end at the end."""
    process = subprocess.Popen(
        [HUB, "daemon", "--metrics", "127.0.0.1:0"],
        env={**os.environ, "HUB_HOME": str(home)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def scraped(home: Path) -> dict[str, float]:
    """What the daemon of a home tells Prometheus now."""
    url = json.loads((home / "daemon.json").read_text())["metrics"]
    with urllib.request.urlopen(url) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


async def test_sigterm_in_the_middle_of_a_delivery_saves_it_and_the_next_start_goes_on(
    connected, partner, home, cli, tmp_path
):
    buy(connected, tmp_path, CROWD)
    describe(connected, tmp_path, CROWD)
    know(partner, CROWD)
    connected.syncs.start("loyal", "news", every=timedelta(hours=2))
    connected.syncs.start("loyal", "news", schedule=After("loyal-news"), audience="Followers", name="follower")
    partner.admin.fault(kind="latency", seconds=0.5, count=None)

    with daemon(home) as first:
        until(lambda: partner.admin.requests(writing=True))
        assert check(home / "daemon.json").well
        working = json.loads((home / "daemon.json").read_text())["running"]
        assert [each["name"] for each in working] == ["loyal-news"]
        assert scraped(home)["cohort_hub_working"] == 1
        first.send_signal(signal.SIGTERM)
        _, said = first.communicate(timeout=30)
    assert first.returncode == 0
    assert "everything so far is saved" in said
    assert "Traceback" not in said
    assert cli("daemon", "--check").returncode == 1
    assert tagged(partner) != in_cohort(connected)
    partner.admin.clear_faults()

    with daemon(home) as second:
        until(lambda: connected.syncs.get("follower").last_run and connected.syncs.get("follower").last_run.finished)
        until(lambda: scraped(home).get('cohort_hub_runs_total{project="default",state="done",sync="follower"}'))
        figures = scraped(home)
        second.send_signal(signal.SIGTERM)
        _, said = second.communicate(timeout=30)
    assert second.returncode == 0
    run = connected.syncs.get("loyal-news").last_run
    assert (run.state.value, run.resumed) == ("done", 1)
    assert tagged(partner) == in_cohort(connected)
    assert figures['cohort_hub_runs_total{project="default",state="done",sync="loyal-news"}'] == 1
    assert figures['cohort_hub_due_syncs{project="default"}'] == 0
    assert figures['cohort_hub_freshness_seconds{project="default",sync="loyal-news"}'] > 0
    assert {re.split(r"[{ ]", name)[0] for name in figures} <= {metric.name for metric in METRICS}
    assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  follower: run \d+: done; 4,540 added", said, re.MULTILINE)


async def test_a_sync_that_fails_keeps_no_other_from_running_and_two_daemons_do_everything_once(tiny):
    for name in "bcde":
        tiny.syncs.start("loyal", "t", every=timedelta(hours=2), audience=name.upper(), name=name)
    await tiny.connections.add("tiny", "broken", {})
    tiny.syncs.start("loyal", "broken", every=timedelta(hours=2), audience="X", name="x")
    with tiny.workspace.store.writing() as connection:
        connection.execute(connections.update().where(connections.c.name == "broken").values(state="refused"))
        connection.execute(syncs.update().values(next_run_at=now() - timedelta(hours=5)))
    lines: list[str] = []
    stop = threading.Event()
    daemons = [
        asyncio.create_task(asyncio.to_thread(Daemon(tiny, say=lines.append, syncs=3).run, stop)) for _ in range(2)
    ]

    try:
        async with asyncio.timeout(60):
            while not all(sync.last_run and sync.last_run.finished for sync in tiny.syncs.list() if sync.name != "x"):
                await asyncio.sleep(0.05)
        verdict = await asyncio.to_thread(check, tiny.settings.health_file)
    finally:
        stop.set()
        await asyncio.gather(*daemons)

    assert all(len(tiny.syncs.runs(name)) == 1 for name in "sbcde"), lines
    assert [tiny.syncs.get(name).missed for name in "sbcde"] == [2] * 5
    assert tiny.syncs.get("x").last_run is None
    assert sum("x: The connection broken is stopped" in line for line in lines) <= 2
    assert sum("Another daemon works on this hub" in line for line in lines) == 1
    assert verdict.well


async def test_run_due_works_on_all_projects_in_one_round_and_followers_run_after_their_leaders(tiny):
    tiny.projects.add("second", timezone="Europe/Oslo")
    second = Hub(replace(tiny.workspace, project=tiny.projects.get("second")))
    second.plugins = tiny.plugins
    second.cohorts.add("loyal", LOYAL)
    await second.connections.add("tiny", "t", {})
    second.syncs.start("loyal", "t", every=timedelta(hours=2), audience="S2", name="s")
    tiny.syncs.start("loyal", "t", schedule=After("s"), audience="B", name="b")
    tiny.syncs.start("loyal", "t", schedule=After("b"), audience="C", name="c")
    said: list[str] = []

    due = await run_due(tiny, say=said.append, stop=threading.Event())
    again = await run_due(tiny, say=said.append, stop=threading.Event())

    assert said == ["sync default/s", "sync second/s", "sync default/b", "sync default/c"]
    assert ([run.state.value for run in due.runs], due.problems, again.runs) == (["done"] * 4, {}, [])


def test_a_daemon_without_a_sign_of_life_is_not_well(tmp_path):
    path = tmp_path / "daemon.json"
    assert "No daemon has run here" in check(path).said
    file = HealthFile(path)

    def written(tick: str) -> bool:
        file.write(Health(RUNNING, 1, "0", tick, tick, 4, problems={"vip": "away"}))
        return check(path).well

    assert written(now().isoformat())
    assert "vip: away" in check(path).said
    assert not written((now() - timedelta(minutes=2)).isoformat())
    assert not written((now() + timedelta(minutes=2)).isoformat())
    assert not HealthFile(path).write(Health(RUNNING, 2, "0", "", "", 4))
    path.write_text("{")
    assert "cannot be read" in check(path).said


async def test_the_daemon_removes_what_the_ledger_need_not_keep(tiny):
    tiny.syncs.start("loyal", "t", every=timedelta(hours=2), audience="A", name="a")
    run = await tiny.syncs.run("a")
    with tiny.workspace.store.writing() as connection:
        connection.execute(runs.update().values(finished_at=now() - timedelta(days=31)))
    hub = Hub(replace(tiny.workspace, settings=tiny.settings.model_copy(update={"ledger_days": 30})))
    hub.plugins = tiny.plugins
    said, stop = list[str](), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if "the ledger of 1 run" in line:
            stop.set()

    await asyncio.wait_for(asyncio.to_thread(Daemon(hub, say=say, syncs=1).run, stop), 60)

    assert any("the ledger of 1 run that ended more than 30 days ago was removed" in line for line in said)
    assert tiny.syncs.attempts(run.id) == []


def test_what_fails_is_left_alone_for_longer_each_time(workspace, monkeypatch):
    clock = 0.0
    monkeypatch.setattr("hub.running.backoff.monotonic", lambda: clock)
    backoff, task = Backoff(), Task(SYNC, workspace.project, "s")

    pauses = []
    for _ in range(6):
        backoff.after_failure(task)
        began = clock
        while backoff.waits(task):
            clock += 30
        pauses.append(clock - began)
    backoff.forget(task)

    assert pauses == [60, 120, 240, 480, 900, 900]
    assert not backoff.waits(task)


def test_metrics_on_a_port_that_is_taken_are_refused_with_a_sentence(hub):
    with daemon_listener() as port, pytest.raises(HubError, match=f"cannot be served on 127.0.0.1, port {port}"):
        Daemon(hub, say=lambda text: None, syncs=1, metrics=("127.0.0.1", port)).run(threading.Event())


@contextmanager
def daemon_listener():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_the_page_lists_every_metric_as_it_is():
    rows = re.findall(r"^\| `(cohort_hub_\w+)` \| (\w+) \|([^|]*)\|([^|]*)\|", DOCUMENT.read_text(), re.MULTILINE)

    listed = {(name, kind, tuple(re.findall(r"`(\w+)`", labels)), unit.strip()) for name, kind, labels, unit in rows}
    assert listed == {(metric.name, metric.kind, metric.labels, metric.unit) for metric in METRICS}
