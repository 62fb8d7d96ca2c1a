"""`python -m checks.storm`: runs killed at random instants; the partner must end up equal to the cohort.

Slow, so it is no part of the test run, which holds a short form of it (`tests/sync/test_killed.py`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hub.app import Hub
from hub.connectors.plugins import load_plugins
from hub.projects import initialise
from hub.settings import load
from hub.testing.sandbox import Running, running

HUB = str(Path(sys.executable).with_name("hub"))
LIST = "a6b5da1054"
DEFINITION = "version: 1\nall:\n  - did: Purchase\n    count: {at_least: 3}\n"


def main() -> None:
    """Kill runs until `--kills` of them died in the middle, finish, compare, and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    chance = random.Random(asked.seed)
    with TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        initialise(load(home))
        with running(load_plugins().sandbox("mailchimp")(home / "sandbox" / "mailchimp")) as partner:
            hub = _prepared(home, partner, asked.people)
            kills = cohorts = 0
            while kills < asked.kills:
                cohorts += 1
                kills += _one_cohort(hub, home, partner, chance, wanted=min(10, asked.kills - kills), number=cohorts)
    print(f"{kills} runs killed over {cohorts} cohorts; each time the tag equalled the cohort in the end.")


def _one_cohort(hub: Hub, home: Path, partner: Running, chance: random.Random, *, wanted: int, number: int) -> int:
    """Sync to a new audience, killed up to `wanted` times in the middle of its delivery; returns how often it was."""
    sync = hub.syncs.start("loyal", "news", every=None, audience=f"Storm {number}", name=f"storm-{number}").name
    partner.admin.forget_requests()
    kills = sum(_killed(home, partner, sync, chance) for _ in range(wanted))
    last = subprocess.run(
        [HUB, "sync", "run", sync, "--json"], env=_environment(home), capture_output=True, text=True, check=True
    )
    run = json.loads(last.stdout)
    _compare(hub, partner, number, run)
    print(
        f"cohort {number}: killed {kills} times, resumed {run['resumed']}; "
        f"{len(partner.admin.repeats())} batches reached the partner twice, the hub said {run['lost_answers']} may have"
    )
    return kills


def _killed(home: Path, partner: Running, sync: str, chance: random.Random) -> bool:
    seen = len(partner.admin.requests(writing=True))
    process = subprocess.Popen(
        [HUB, "sync", "run", sync], env=_environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while process.poll() is None and len(partner.admin.requests(writing=True)) == seen:
        time.sleep(0.005)
    try:
        process.wait(chance.uniform(0, 0.2))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def _compare(hub: Hub, partner: Running, number: int, run: dict[str, Any]) -> None:
    tagged = {*partner.admin.get(f"/tags/Storm {number}/members")["emails"]}
    wanted = {member["email"] for member in hub.cohorts.members("loyal")}
    twice = partner.admin.repeats()
    if run["state"] != "done" or tagged != wanted:
        sys.exit(f"Storm {number}: {len(tagged)} have the tag, {len(wanted)} are in the cohort; the run: {run}")
    if len(twice) > run["lost_answers"]:
        sys.exit(f"Storm {number}: {len(twice)} batches were sent twice, the hub said {run['lost_answers']}")


def _prepared(home: Path, partner: Running, people: int) -> Hub:
    hub = Hub.open(home)
    names = [f"u{number:06}" for number in range(people)]
    events, profiles = home / "events.jsonl", home / "profiles.jsonl"
    with events.open("w") as file:
        for name in names:
            for nth in range(3):
                properties = {"distinct_id": name, "time": 1767600000 + nth, "$insert_id": f"{name}-{nth}"}
                file.write(json.dumps({"event": "Purchase", "properties": properties}) + "\n")
    with profiles.open("w") as file:
        for name in names:
            file.write(json.dumps({"$distinct_id": name, "$set": {"$email": f"{name}@shop.example"}}) + "\n")
    hub.events.import_file(str(events))
    hub.profiles.import_file(str(profiles))
    hub.cohorts.add("loyal", DEFINITION)
    contacts = [{"email": f"{name}@shop.example", "status": "subscribed"} for name in names]
    partner.admin.post("/contacts", {"list_id": LIST, "contacts": contacts})
    asyncio.run(hub.connections.add("mailchimp", "news", partner.settings))
    partner.admin.fault(kind="latency", seconds=0.1, count=None)
    return hub


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "HUB_HOME": str(home)}


if __name__ == "__main__":
    main()
