"""Contenders in processes of their own, that take turns before the same receiver; the best of each counts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Turn:
    """What one turn took: seconds of wall and of CPU, the most memory in MiB, what it told, and what came in."""

    wall: float
    cpu: float
    memory: float
    told: Mapping[str, Any] = field(default_factory=dict)
    received: Mapping[str, Any] = field(default_factory=dict)

    def words(self) -> str:
        """The figures in a line."""
        return f"{self.wall:6.2f} s wall, {self.cpu:6.2f} s CPU, {self.memory:5.0f} MiB"


@contextmanager
def receiving() -> Iterator[str]:
    """The receiver in a process of its own, for as long as the block runs; yields its address."""
    command = [sys.executable, "-m", "benchmarks.syncing.receiver"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as receiver:
        assert receiver.stdout
        try:
            yield f"http://127.0.0.1:{receiver.stdout.readline().strip()}"
        finally:
            receiver.kill()


def contend(url: str, *arguments: str, environment: Mapping[str, str] | None = None, python: str = "") -> Turn:
    """One contender's turn (`benchmarks.syncing.contender`, or with another `python` a script)."""
    httpx.delete(f"{url}/_counted")
    module = [] if python else ["-m", "benchmarks.syncing.contender"]
    done = subprocess.run(
        [python or sys.executable, *module, *arguments],
        env={**os.environ, **(environment or {})},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.strip().splitlines()[-1])
    figures = [told.pop(name) for name in ("wall", "cpu", "memory")]
    return Turn(*figures, told, httpx.get(f"{url}/_counted").json())


def in_turn(rounds: int, contenders: Mapping[str, Callable[[], Turn]]) -> dict[str, Turn]:
    """The best turn of each contender, of so many rounds in which each has one."""
    best: dict[str, Turn] = {}
    for _ in range(rounds):
        for name, turn in contenders.items():
            took = turn()
            best[name] = min(best.get(name, took), took, key=lambda each: each.wall)
    return best
