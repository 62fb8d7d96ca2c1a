"""Processes that talk to one account share what it allows."""

from __future__ import annotations

import os
import subprocess

from tests.conftest import HUB
from tests.customers import buy, describe, know

CROWD = [f"c{number:05}" for number in range(2_000)]
ALLOWED = 8
"""What the connector takes of Mailchimp's ten simultaneous requests."""


async def test_two_processes_at_one_account_have_no_more_requests_under_way_than_one_may(
    connected, partner, home, tmp_path
):
    buy(connected, tmp_path, CROWD)
    describe(connected, tmp_path, CROWD)
    know(partner, CROWD)
    for name in ("one", "other"):
        connected.syncs.start("loyal", "news", every=None, audience=f"The {name}", name=name)
    partner.admin.fault(kind="latency", seconds=0.1, count=None)
    partner.admin.forget_requests()

    running = [
        subprocess.Popen(
            [HUB, "sync", "run", name, "--json"],
            env={**os.environ, "HUB_HOME": str(home)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "other")
    ]
    told = [process.communicate(timeout=120) for process in running]

    assert [process.returncode for process in running] == [0, 0], told
    assert 1 < partner.admin.state()["limits"]["concurrency"]["highest"] <= ALLOWED
    assert not [request for request in partner.admin.requests() if request["status"] == 429]
