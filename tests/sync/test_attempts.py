"""The ledger of attempts: each request and answer, written before and after, without secrets."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import time
from datetime import timedelta

import pytest
from tenacity.wait import wait_none

from hub.clock import now
from hub.connectors.recording import Secrets
from hub.errors import StoreError
from hub.store.tables import runs
from hub.sync.attempts import End
from hub.sync.attempts_reading import attempts_of, forget_attempts
from hub.sync.attempts_writing import Attempts
from hub.sync.plan import plan_file
from tests.conftest import HUB
from tests.customers import NAMES, email

BATCH = "/segments/"


def secret(partner) -> str:
    """The credential of the sandbox."""
    return str(partner.settings["api_key"])


async def run(hub):
    hub.syncs.start("loyal", "news", every=None)
    return await hub.syncs.run("loyal-news")


async def test_faults_are_kept_attempt_by_attempt_with_what_left_and_what_came_back_and_no_secret(
    connected, partner, home, monkeypatch
):
    monkeypatch.setattr("hub.connectors.retry._backoff", wait_none())
    partner.admin.fault(kind="status", method="POST", regex=BATCH, status=429, retry_after=0)
    partner.admin.fault(kind="status", method="POST", regex=BATCH, status=500)
    partner.admin.fault(kind="answer_lost", method="POST", regex=BATCH)

    done = await run(connected)

    found = attempts_of(connected.workspace, done.id)
    opening = [each for each in found if each.batch is None]
    batch = attempts_of(connected.workspace, done.id, batch=1)
    assert opening[-1].end is End.ACKNOWLEDGED
    assert [each.end for each in batch] == [End.PASSING, End.PASSING, End.LOST, End.ACKNOWLEDGED]
    assert [each.number for each in batch] == [1, 2, 3, 4]
    sent = [each.exchanges[-1] for each in batch]
    assert [each.status for each in sent] == [429, 500, 0, 200]
    assert email(NAMES[0]) in sent[-1].sent.decode()
    assert b"members_added" in sent[-1].answer
    assert sent[2].error
    assert all(secret(partner).encode() not in each for each in files(home))


def files(home) -> list[bytes]:
    """The bytes of all files of a home, but for the sandbox's own and the key."""
    return [
        each.read_bytes()
        for each in home.rglob("*")
        if each.is_file() and "sandbox" not in each.relative_to(home).parts
    ]


@pytest.mark.parametrize("content", ["{}", "x={}&y", "https://h/{}/list"])
def test_secrets_are_taken_out_in_every_form(content):
    value = 'k/é"+9-us6'
    secrets = Secrets([value, "abc"])
    from urllib.parse import quote

    import orjson

    for form in (value, quote(value, safe=""), orjson.dumps(value).decode()[1:-1]):
        assert secrets.removed(content.format(form).encode()) == content.format("[secret]").encode()
    assert secrets.removed(b"abc") == b"abc"


async def test_a_process_killed_before_the_answer_leaves_an_attempt_that_says_so(connected, partner, home):
    connected.syncs.start("loyal", "news", every=None)
    partner.admin.fault(kind="latency", seconds=5, method="POST", regex=BATCH, count=1)
    process = subprocess.Popen(
        [HUB, "sync", "run", "loyal-news"],
        env={**os.environ, "HUB_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not any(each.exchanges for each in attempts_of(connected.workspace, 1, batch=1)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()

    await connected.syncs.run("loyal-news")

    first, *_, last = attempts_of(connected.workspace, 1, batch=1)
    assert first.end is End.UNKNOWN
    assert not first.exchanges[0].answered
    assert (last.end, last.number) == (End.ACKNOWLEDGED, 2)


def test_a_torn_frame_is_the_end_of_its_file(workspace):
    with Attempts(workspace, 7) as attempts, attempts.begin(1, "add", 1, ["a", "b"]) as attempt:
        attempt.acknowledged()
    file = workspace.runs_folder / "7" / "attempts-0001.log"
    file.write_bytes(file.read_bytes()[:-3])

    (found,) = attempts_of(workspace, 7)

    assert found.end is End.UNKNOWN
    assert found.had("a")
    assert not found.had("c")


def test_a_disk_that_takes_half_of_an_attempt_leaves_those_before_it_readable(workspace):
    attempts = Attempts(workspace, 7)
    for number in range(1, 4):
        with attempts.begin(number, "add", 1, ["a", "b"]) as attempt:
            attempt.acknowledged()
    file = workspace.runs_folder / "7" / "attempts-0001.log"
    whole = file.stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (whole + 10, limits[1]))
    try:
        with pytest.raises(StoreError, match="cannot be written"):
            attempts.begin(4, "add", 1, ["a", "b"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with attempts.begin(5, "add", 1, ["a", "b"]) as attempt:
        attempt.acknowledged()
    attempts.close()

    assert [(each.batch, each.end) for each in attempts_of(workspace, 7)] == [
        (number, End.ACKNOWLEDGED) for number in (1, 2, 3, 5)
    ]


async def test_retention_removes_the_attempts_and_plans_of_runs_that_ended_long_ago(connected):
    done = await run(connected)
    workspace = connected.workspace

    assert forget_attempts(workspace, timedelta(days=30)) == []
    with workspace.store.writing() as connection:
        connection.execute(runs.update().values(finished_at=now() - timedelta(days=31)))

    (said,) = forget_attempts(workspace, timedelta(days=30))
    assert said == "the ledger of 1 run that ended more than 30 days ago was removed"
    assert attempts_of(workspace, done.id) == []
    assert not plan_file(workspace, done.id).exists()
    assert forget_attempts(workspace, timedelta(days=30)) == []
