"""A storm, round by round: the world turns, runs are killed, the weather clears, and all is compared."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from checks.storm.partners import PARTNERS, Partner
from checks.storm.strikes import finished, killed
from checks.storm.truth import Wrong, ledger_explains, limit_was_kept, members_are_right
from checks.storm.weather import mend, worsen
from checks.storm.world import SYNC, World
from hub.app import Hub
from hub.connectors.plugins import load_plugins
from hub.projects import initialise
from hub.settings import load
from hub.sync.models import Run
from hub.testing.sandbox import running

KILLS_A_ROUND = 10
_RUNS_TO_CALM = 5  # once the weather is good, so many runs must do


def storm(name: str, *, kills: int, people: int, seed: int, say: Callable[[str], None]) -> int:
    """Kill `kills` runs to the partner called `name`, in rounds; returns how many were killed. Raises Wrong."""
    chance = random.Random(seed)
    say(f"{name}: seed {seed}, {people} people")
    with TemporaryDirectory(prefix="storm-") as folder:
        home = Path(folder) / "home"
        initialise(load(home))
        with running(load_plugins().sandbox(name)(home / "sandbox" / name)) as sandbox:
            hub = Hub.open(home)
            partner = PARTNERS[name](sandbox)
            world = World(hub, partner, sandbox, people=people, chance=chance)
            done = 0
            while done < kills:
                partner.admin.forget_requests()
                before = hub.syncs.runs(SYNC, limit=1)
                worsen(partner, chance)
                struck = _strike(home, partner, chance, most=min(KILLS_A_ROUND, kills - done))
                mend(partner)
                _calm(home)
                say(f"{name}: {_compared(hub, partner, before)}; {struck} killed")
                done += struck
                world.turn()
    return done


def _strike(home: Path, partner: Partner, chance: random.Random, *, most: int) -> int:
    """Kill up to `most` runs; one that comes to its end before it is struck ends the round."""
    for number in range(most):
        if not killed(home, partner, chance):
            return number
    return most


def _calm(home: Path) -> None:
    said = []
    for _ in range(_RUNS_TO_CALM):
        run = finished(home)
        if run["state"] == "done" and not run["batches"]:
            return
        said.append(run["message"] or run["state"])
    raise Wrong(f"after {_RUNS_TO_CALM} runs in good weather something was still to do: {said}")


def _compared(hub: Hub, partner: Partner, before: Sequence[Run]) -> str:
    refused = members_are_right(hub, partner)
    last = before[0].id if before else 0
    runs = [run for run in hub.syncs.runs(SYNC) if run.id > last]
    requests = ledger_explains(hub, runs, partner.admin.get("/requests", limit=1_000_000)["requests"])
    lost = sum(run.lost_answers for run in runs)
    limit = limit_was_kept(partner)
    return f"{len(runs)} runs, {requests} requests, {limit}, {lost} answers lost, {refused} refused by name"
