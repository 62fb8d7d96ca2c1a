"""Runs as processes of their own, and their end by SIGKILL at a random instant."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.storm.partners import Partner
from checks.storm.world import SYNC

HUB = str(Path(sys.executable).with_name("hub"))
PATIENCE = 180.0
"""Seconds that one run may take."""
IN_DELIVERY = 0.8
"""Of the kills, those that come after the run's first request."""


@dataclass(frozen=True)
class Ended:
    """How a run came to its end: `batches` is how many it had."""

    state: str
    batches: int
    message: str


class Commands:
    """Runs a sync by `hub sync run`, one process after another, and kills some of them."""

    def __init__(self, home: Path, partner: Partner) -> None:
        self._home, self._partner = home, partner

    def strike(self, chance: random.Random, *, most: int) -> int:
        """Kill up to `most` runs, and return how many; one that comes to its end before it is struck ends the round."""
        for number in range(most):
            if not self._killed(chance):
                return number
        return most

    def finished(self) -> Ended:
        """Let a run come to its end; returns how it did."""
        done = subprocess.run(
            [HUB, "sync", "run", SYNC, "--json"],
            env=environment(self._home),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        try:
            told: dict[str, Any] = json.loads(done.stdout)
        except json.JSONDecodeError:
            sys.exit(f"hub sync run ended with {done.returncode}: {done.stderr}")
        return Ended(told["state"], told["batches"], told["message"])

    def figures(self) -> str:
        """What else is to be told of the round."""
        return ""

    def _killed(self, chance: random.Random) -> bool:
        """Start a run and kill it at a random instant; returns whether it was still alive then."""
        process = subprocess.Popen(
            [HUB, "sync", "run", SYNC],
            env=environment(self._home),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        if chance.random() < IN_DELIVERY:
            _wait_for_a_request(process, self._partner)
            ends = _ends_within(process, chance.uniform(0, 1.0))
        else:
            ends = _ends_within(process, chance.uniform(0, 3.0))
        if not ends:
            process.send_signal(signal.SIGKILL)
            process.wait()
        return not ends


def _wait_for_a_request(process: subprocess.Popen[bytes], partner: Partner) -> None:
    seen = partner.admin.get("/requests", limit=100_000)["next_since"]
    deadline = time.monotonic() + PATIENCE
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


def environment(home: Path) -> dict[str, str]:
    """What a process on this home is told."""
    return {**os.environ, "HUB_HOME": str(home)}
