"""`python -m benchmarks.ingestion`: what one server process takes in, sustained, and beside the floor.

1. Hub and floor (`floor.py`) take turns, each as fast as the loader can: the ratio of their best rounds. A round of the
   hub ends when everything that was answered is in the lake, so its rate includes the move.
2. For `--minutes` (10), the loader sends at a fixed rate of `--rate` events/s: the backlog must not grow, the memory
   of the last minute must be that of the second.
3. A cohort is counted again and again while 5,000 events/s arrive that have just happened, and in quiet; over some ten
   million events of the last thirty days.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from checks.serving import HUB, children, environment, free_port, serving

_SETTLING = 300.0  # seconds that the backlog may take to empty
_QUESTION = (
    "version: 1\nall:\n  - did: Purchase\n    count: {at_least: 3}\n    window: 30 days\n  - did_not: App Open\n"
)


@dataclass
class _Watch:
    """A server as seen from outside, once a second: MiB of all its processes, and entries that wait for the move."""

    pid: int
    port: int
    memory: list[float] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)

    def look(self) -> None:
        self.memory.append(sum(_resident(pid) for pid in (self.pid, *children(self.pid))))
        self.waiting.append(_waiting(self.port))

    @contextmanager
    def on(self) -> Iterator[None]:
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(1):
                self.look()

        watching = threading.Thread(target=watch)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=55_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--round-seconds", type=float, default=20.0)
    parser.add_argument("--only", choices=["ratio", "sustained", "question"])
    asked = parser.parse_args(arguments)
    if asked.only in (None, "ratio"):
        _ratio(asked.rounds, asked.round_seconds)
    if asked.only in (None, "sustained"):
        _sustained(asked.minutes, asked.rate)
    if asked.only in (None, "question"):
        _question()


def _ratio(rounds: int, seconds: float) -> None:
    hub, floor = 0.0, 0.0
    for _ in range(rounds):
        floor = max(floor, _round_of_the_floor(seconds))
        hub = max(hub, _round_of_the_hub(seconds))
    print(f"/import at full speed: hub {hub:,.0f} events/s with the move, floor {floor:,.0f}, {hub / floor:.0%} of it")


def _round_of_the_floor(seconds: float) -> float:
    with TemporaryDirectory() as folder:
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.ingestion.floor", str(port), f"{folder}/bodies"]
        server = subprocess.Popen(command)
        try:
            _wait_for(port)
            found = _load(port, "nobody", seconds)
        finally:
            server.kill()
            server.wait()
    return float(found["events"] / found["seconds"])


def _round_of_the_hub(seconds: float) -> float:
    with _hub() as (home, token), _served(home) as (_, port):
        began = time.monotonic()
        found = _load(port, token, seconds)
        _settle(port)
        took = time.monotonic() - began
    return float(found["events"] / took)


def _sustained(minutes: float, rate: float) -> None:
    with _hub() as (home, token), _served(home) as (pid, port):
        watch = _Watch(pid, port)
        with watch.on():
            found = _load(port, token, minutes * 60, rate=rate)
        tail = _settle(port)
        counted = _json(home, "status")["events"]
    assert counted == found["events"], f"{counted:,} events are in the lake, {found['events']:,} were acknowledged"
    second, last = _minute(watch.memory, 1), _minute(watch.memory, int(minutes) - 1)
    print(
        f"/import for {minutes:g} min: {found['events'] / found['seconds']:,.0f} events/s of {rate:,.0f} asked for, "
        f"answers p50 {found['p50'] * 1000:.0f} ms, p99 {found['p99'] * 1000:.0f} ms, {found['refused']} refused"
    )
    print(
        f"  waiting for the move: minute 2 {_minute(watch.waiting, 1):,.0f}, last minute "
        f"{_minute(watch.waiting, int(minutes) - 1):,.0f} events; empty {tail:.1f} s after the end"
    )
    print(f"  memory (server and mover): minute 2 {second:.0f} MiB, last {last:.0f} MiB, ratio {last / second:.2f}")


def _question() -> None:
    """A cohort query in quiet and while 5,000 events/s arrive, over the same lake."""
    with _hub() as (home, token), _served(home) as (_, port):
        _load(port, token, 60, back=30 * 86_400)
        _settle(port)
        _compact(home)
        definition = home.parent / "asked.yaml"
        definition.write_text(_QUESTION)
        command = [HUB, "cohort", "add", "asked", "--file", str(definition)]
        subprocess.run(command, env=environment(home), check=True, capture_output=True)
        quiet = _asked(home)
        loading = threading.Thread(target=_load, args=(port, token, 30), kwargs={"rate": 5_000, "back": 60})
        loading.start()
        time.sleep(3)
        busy = _asked(home)
        loading.join()
        events = _json(home, "status")["events"]
    print(
        f"cohort query over {events:,} events: quiet {quiet:.3f} s, while 5,000 events/s arrive {busy:.3f} s, "
        f"ratio {busy / quiet:.2f}"
    )


def _compact(home: Path) -> None:
    """Compact the lake; once the server's own maintenance is done, should it be at it."""
    until = time.monotonic() + _SETTLING
    command = [HUB, "lake", "compact"]
    while (done := subprocess.run(command, env=environment(home), capture_output=True, check=False)).returncode:
        if time.monotonic() > until:
            sys.exit(done.stderr.decode())
        time.sleep(1)


def _asked(home: Path, turns: int = 9) -> float:
    """Seconds of the query itself, as the hub tells them: the median of some turns."""
    return statistics.median(_json(home, "cohort", "count", "asked")["seconds"] for _ in range(turns))


@contextmanager
def _hub() -> Iterator[tuple[Path, str]]:
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        subprocess.run([HUB, "init"], env=environment(home), check=True, stdout=subprocess.DEVNULL)
        yield home, _json(home, "token", "add")["token"]


@contextmanager
def _served(home: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    with serving(home, port) as server:
        yield server.pid, port


def _load(port: int, token: str, seconds: float, *, rate: float = 0.0, back: int = 86_400) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.ingestion.loader", str(port), "--user", token]
    command += ["--seconds", str(seconds), "--rate", str(rate), "--back", str(back)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _settle(port: int) -> float:
    """Wait until nothing waits for the move any more. Returns how many seconds that took."""
    began = time.monotonic()
    while _waiting(port):
        if time.monotonic() - began > _SETTLING:
            sys.exit(f"{_waiting(port):,} events still wait for the move {_SETTLING:.0f} s after the load has ended")
        time.sleep(0.05)
    return time.monotonic() - began


def _waiting(port: int) -> int:
    return int(httpx.get(f"http://127.0.0.1:{port}/health", timeout=30).json()["backlog"]["records"])


def _wait_for(port: int) -> None:
    for _ in range(1_000):
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=5)
        except httpx.TransportError:
            time.sleep(0.02)
        else:
            return
    sys.exit("the floor does not answer")


def _json(home: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([HUB, *arguments, "--json"], env=environment(home), check=True, capture_output=True)
    return dict(json.loads(done.stdout))


def _minute(seconds: list[Any], number: int) -> float:
    """The mean of a minute (from 0) of what was seen once a second."""
    part = seconds[number * 60 : (number + 1) * 60] or seconds[-60:]
    return statistics.fmean(part) if part else 0.0


def _resident(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


if __name__ == "__main__":
    main()
