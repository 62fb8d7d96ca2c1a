"""A run that is told to end saves what is in hand, and the next one goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest

from tests.conftest import HUB
from tests.customers import buy, describe, in_cohort, know, tagged

CROWD = [f"c{number:05}" for number in range(5_500)]


@pytest.fixture
async def crowd(connected, partner, tmp_path):
    """The connected hub with 5,500 more loyal customers: more batches than may be under way at once."""
    buy(connected, tmp_path, CROWD)
    describe(connected, tmp_path, CROWD)
    know(partner, CROWD)
    connected.syncs.start("loyal", "news", every=None)
    partner.admin.fault(kind="latency", seconds=0.1, count=None)
    return connected


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
