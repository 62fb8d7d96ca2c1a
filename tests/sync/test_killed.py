"""Processes that are killed in the middle: the next one goes on, and the partner ends up equal to the cohort."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import pytest

from tests.conftest import HUB
from tests.customers import buy, describe, in_cohort, know, tagged

CROWD = [f"c{number:05}" for number in range(9_000)]


@pytest.fixture
async def crowd(connected, partner, tmp_path):
    """The connected hub with nine thousand more loyal customers, so that a run has eighteen batches or more."""
    buy(connected, tmp_path, CROWD)
    describe(connected, tmp_path, CROWD)
    know(partner, CROWD)
    connected.syncs.start("loyal", "news", every=None)
    partner.admin.fault(kind="latency", seconds=0.1, count=None)
    return connected


def killed_in_delivery(home, partner, chance: random.Random) -> bool:
    """Start `hub sync run`, and SIGKILL it at a random instant after its first batch has arrived."""
    partner.admin.forget_requests()
    process = subprocess.Popen(
        [HUB, "sync", "run", "loyal-news"],
        env={**os.environ, "HUB_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while process.poll() is None and not partner.admin.requests(writing=True) and time.monotonic() < deadline:
        pass
    try:
        process.wait(chance.uniform(0, 0.15))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


async def test_after_kills_at_random_instants_the_last_run_makes_the_tag_equal_and_says_what_was_repeated(
    crowd, partner, home, cli
):
    chance = random.Random(4)
    kills = sum(killed_in_delivery(home, partner, chance) for _ in range(3))

    finished = cli("sync", "run", "loyal-news", "--json")

    run = json.loads(finished.stdout)
    assert kills == 3
    assert finished.returncode == 0, finished.stderr
    assert run["state"] == "done"
    assert run["resumed"] == 3
    assert tagged(partner) == in_cohort(crowd)
    assert run["lost_answers"] > 0
    assert "may have been sent twice" in run["message"]


async def test_sigterm_finishes_the_batches_in_hand_and_exits_with_143(crowd, partner, home, cli):
    process = subprocess.Popen(
        [HUB, "sync", "run", "loyal-news"],
        env={**os.environ, "HUB_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not partner.admin.requests(writing=True) and time.monotonic() < deadline:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)

    finished = json.loads(cli("sync", "run", "loyal-news", "--json").stdout)

    assert process.returncode == 143
    assert "goes on with it" in said
    assert (finished["resumed"], finished["lost_answers"]) == (1, 0)
    assert partner.admin.repeats() == []
    assert tagged(partner) == in_cohort(crowd)
