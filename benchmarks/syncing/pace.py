"""A published limit of the partner's: how much of it is used, and whether it is passed, by one and by four workers.

Each worker is a process with a sync of its own, to an audience of its own of one account. Requests count as they
arrive.
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from benchmarks.syncing import people
from benchmarks.syncing.measuring import ROOT
from benchmarks.syncing.partner import BATCH, RATE

PER_SECOND = 40


def measure(url: str, folder: Path, seconds: int = 10) -> None:
    """Print the share of the limit that was used, and the most requests that arrived within any second."""
    for workers in (1, 4):
        members = PER_SECOND * seconds * BATCH // workers
        home = people.copied(people.made(folder, members), folder / "run")
        environment = people.environment(home) | {RATE: str(PER_SECOND)}
        names = [f"paced-{number}" for number in range(workers)]
        for name in names:
            _contender(environment, "made", url, name)
        httpx.delete(f"{url}/_counted")
        with ThreadPoolExecutor(workers) as pool:
            [*pool.map(lambda name, told=environment: _contender(told, "hub", url, name), names)]
        instants = httpx.get(f"{url}/_counted").json()["instants"]
        used = (len(instants) - 1) / (instants[-1] - instants[0]) / PER_SECOND
        most = max(sum(at <= each < at + 1 for each in instants) for at in instants)
        print(
            f"limit of {PER_SECOND} requests/s, {workers} worker{'s' * (workers > 1)}: {used:.1%} of it used, "
            f"at most {most} in any second, {len(instants):,} requests"
        )


def _contender(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "-m", "benchmarks.syncing.contender", *arguments]
    subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
