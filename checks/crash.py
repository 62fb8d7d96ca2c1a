"""`python -m checks.crash` (`make crash`): the server and its mover killed at random instants, under load.

A recorder, a process of its own, posts events and writes down what was acknowledged; what was not acknowledged it sends
again, as the SDKs do. In the end `hub event export` must hold every acknowledged event exactly once, and nothing that
nobody sent; and a counter that `$add` raised must have been raised by every acknowledged update, and by no more than
were sent. Slow, so it is no part of the test run, which holds a short form of it (`tests/intake/test_crash.py`).
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from checks.serving import HUB, environment, free_port, kill, serving


@dataclass(frozen=True)
class Outcome:
    """What was left of a storm: `acknowledged` events, and what is wrong with what the hub holds (nothing, if all is
    well)."""

    kills: int
    acknowledged: int
    wrong: tuple[str, ...]


def storm(home: Path, kills: int, *, seed: int, say: Any = print) -> Outcome:
    """Kill the server, its mover or both `kills` times under load, let it come to rest, and compare."""
    chance = random.Random(seed)
    port, token = free_port(), _prepared(home)
    record = home.parent / "record.jsonl"
    with _recording(port, token, record) as recorder:
        for number in range(1, kills + 1):
            with serving(home, port) as server:
                time.sleep(chance.uniform(0.0, 0.6))
                victim = chance.choice(["server", "mover", "both"])
                kill(server, victim)
                if victim == "mover":
                    time.sleep(chance.uniform(0.0, 0.4))
                    kill(server, "both")
            if number % 10 == 0:
                say(f"{number} kills, {_lines(record):,} answers on record")
        with serving(home, port) as server:
            recorder.terminate()  # it finishes what is in hand
            recorder.wait(60)
            server.terminate()
            server.wait(60)
    return _compared(home, record, kills)


def _prepared(home: Path) -> str:
    environ = environment(home)
    subprocess.run([HUB, "init"], env=environ, check=True, capture_output=True)
    made = subprocess.run([HUB, "token", "add", "--json"], env=environ, check=True, capture_output=True)
    return str(json.loads(made.stdout)["token"])


@contextmanager
def _recording(port: int, token: str, record: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "checks.crash_recorder", str(port), token, str(record)]
    recorder = subprocess.Popen(command)
    try:
        yield recorder
    finally:
        recorder.kill()
        recorder.wait()


def _lines(record: Path) -> int:
    return record.read_bytes().count(b"\n") if record.exists() else 0


def _compared(home: Path, record: Path, kills: int) -> Outcome:
    answers = [json.loads(line) for line in record.read_text().splitlines()]
    acknowledged = {event for answer in answers for event in answer.get("events", ())}
    sent = {event for answer in answers for event in answer.get("sent", ())}
    held = _exported(home)
    lost = [event for event in acknowledged if not held[event]]
    twice = [event for event, times in held.items() if times > 1]
    made_up = [event for event in held if event not in sent]
    wrong = [
        f"{len(found):,} events are {what}, such as {found[0]}"
        for what, found in (("lost", lost), ("in twice", twice), ("made up", made_up))
        if found
    ]
    added = sum(answer.get("added", 0) for answer in answers)
    tried = sum(answer.get("adding", 0) for answer in answers)
    counted = _counter(home)
    if not added <= counted <= tried:
        wrong.append(f"the counter is {counted}: {added} updates were acknowledged, {tried} sent")
    return Outcome(kills, len(acknowledged), tuple(wrong))


def _exported(home: Path) -> Counter[str]:
    command = [HUB, "event", "export"]
    found: Counter[str] = Counter()
    with subprocess.Popen(command, env=environment(home), stdout=subprocess.PIPE) as export:
        for line in export.stdout or ():
            found[json.loads(line)["properties"]["$insert_id"]] += 1
    if export.returncode:
        raise SystemExit(f"hub event export ended with {export.returncode}")
    return found


def _counter(home: Path) -> int:
    command = [HUB, "profile", "show", "counter", "--json"]
    shown = subprocess.run(command, env=environment(home), capture_output=True, check=False)
    return int(json.loads(shown.stdout)["properties"]["n"]) if shown.returncode == 0 else 0


def main() -> None:
    """Storm, compare, and end with 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    with TemporaryDirectory() as folder:
        outcome = storm(Path(folder) / "home", asked.kills, seed=asked.seed)
    for sentence in outcome.wrong:
        print(sentence)
    if outcome.wrong:
        sys.exit(1)
    print(f"{outcome.kills} kills; each of {outcome.acknowledged:,} acknowledged events is there exactly once.")


if __name__ == "__main__":
    main()
