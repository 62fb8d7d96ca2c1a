"""How long `hub --help` takes beyond the interpreter's own start."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

TURNS = 5
HUB = str(Path(sys.executable).with_name("hub"))


def main() -> float:
    """Measure in turns, print one line; returns the seconds beyond the interpreter's start, best against best."""
    best = {"hub --help": (9e9, 9e9), "python -c pass": (9e9, 9e9)}
    commands = {"hub --help": [HUB, "--help"], "python -c pass": [sys.executable, "-c", "pass"]}
    for _ in range(TURNS):
        for name, command in commands.items():
            best[name] = min(best[name], _timed(command))
    (wall, cpu), (floor, floor_cpu) = best["hub --help"], best["python -c pass"]
    print(
        f"hub --help: {wall:.3f} s (CPU {cpu:.3f} s), the interpreter alone {floor:.3f} s (CPU {floor_cpu:.3f} s): "
        f"{wall - floor:.3f} s beyond it"
    )
    return wall - floor


def _timed(command: list[str]) -> tuple[float, float]:
    before = os.times()
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - started
    after = os.times()
    return wall, after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
