"""Runs as processes of their own, and their end by SIGKILL at a random instant."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from checks.storm.partners import Partner
from checks.storm.world import SYNC

HUB = str(Path(sys.executable).with_name("hub"))
_PATIENCE = 180.0  # seconds that one run may take
_IN_DELIVERY = 0.8  # of the kills, those that come after the run's first request


def killed(home: Path, partner: Partner, chance: random.Random) -> bool:
    """Start a run and kill it at a random instant; returns whether it was still alive then."""
    process = subprocess.Popen(
        [HUB, "sync", "run", SYNC], env=_environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    if chance.random() < _IN_DELIVERY:
        _wait_for_a_request(process, partner)
        ends = _ends_within(process, chance.uniform(0, 1.0))
    else:
        ends = _ends_within(process, chance.uniform(0, 3.0))
    if not ends:
        process.send_signal(signal.SIGKILL)
        process.wait()
    return not ends


def finished(home: Path) -> dict[str, Any]:
    """Let a run come to its end; returns its figures."""
    done = subprocess.run(
        [HUB, "sync", "run", SYNC, "--json"],
        env=_environment(home),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        sys.exit(f"hub sync run ended with {done.returncode}: {done.stderr}")
    return told


def _wait_for_a_request(process: subprocess.Popen[bytes], partner: Partner) -> None:
    seen = partner.admin.get("/requests", limit=100_000)["next_since"]
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and not partner.admin.requests(since=seen):
        if time.monotonic() > deadline:
            process.kill()
            sys.exit("a run asked nothing of its partner, and did not end")
        time.sleep(0.01)


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "HUB_HOME": str(home)}
