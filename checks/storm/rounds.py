"""A storm, round by round: the world turns, who runs the sync is killed, the weather clears, and all is compared."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from checks.storm.partners import PARTNERS, Partner
from checks.storm.strikes import Commands, Ended
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


class Hands(Protocol):
    """Who runs the sync."""

    def strike(self, chance: random.Random, *, most: int) -> int:
        """Kill up to `most` times whoever runs it, and return how often; a run that ends well ends the round."""

    def finished(self) -> Ended:
        """Let another run come to its end; returns how it did."""

    def figures(self) -> str:
        """What else is to be told of the round."""


def storm(name: str, *, kills: int, people: int, seed: int, say: Callable[[str], None], workers: int = 0) -> int:
    """Kill `kills` runs to the partner called `name`, in rounds; returns how many were killed. Raises Wrong.

    With `workers` the hub is on a PostgreSQL, and so many `hub worker` do the runs; else it is on SQLite, and
    `hub sync run` does.
    """
    chance = random.Random(seed)
    say(f"{name}: seed {seed}, {people} people{f', {workers} workers' if workers else ''}")
    with ExitStack() as stack:
        home = stack.enter_context(_home(on_postgresql=workers > 0))
        sandbox = stack.enter_context(running(load_plugins().sandbox(name)(home / "sandbox" / name)))
        hub = Hub.open(home)
        partner = PARTNERS[name](sandbox)
        world = World(hub, partner, sandbox, people=people, chance=chance)
        hands = stack.enter_context(_fleet(hub, partner, workers)) if workers else Commands(home, partner)
        done = 0
        while done < kills:
            partner.admin.forget_requests()
            before = hub.syncs.runs(SYNC, limit=1)
            worsen(partner, chance)
            struck = hands.strike(chance, most=min(KILLS_A_ROUND, kills - done))
            mend(partner)
            _calm(hands)
            say(f"{name}: {_compared(hub, partner, before)}; {struck} killed{hands.figures()}")
            done += struck
            world.turn()
    return done


@contextmanager
def _home(*, on_postgresql: bool) -> Iterator[Path]:
    """The home of a new hub."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(TemporaryDirectory(prefix="storm-"))) / "home"
        if on_postgresql:
            from checks.postgresql import server

            database = stack.enter_context(server())
            home.mkdir(mode=0o700)
            (home / "hub.toml").write_text(f'database_url = "{database.url(database.make())}"\n')
        initialise(load(home))
        yield home


@contextmanager
def _fleet(hub: Hub, partner: Partner, workers: int) -> Iterator[Hands]:
    from checks.storm.fleet import Fleet

    with Fleet(hub, partner, workers) as fleet:
        yield fleet


def _calm(hands: Hands) -> None:
    said = []
    for _ in range(_RUNS_TO_CALM):
        run = hands.finished()
        if run.state == "done" and not run.batches:
            return
        said.append(run.message or run.state)
    raise Wrong(f"after {_RUNS_TO_CALM} runs in good weather something was still to do: {said}")


def _compared(hub: Hub, partner: Partner, before: Sequence[Run]) -> str:
    refused = members_are_right(hub, partner)
    last = before[0].id if before else 0
    runs = [run for run in hub.syncs.runs(SYNC) if run.id > last]
    requests = ledger_explains(hub, runs, partner.requests_of_runs())
    lost = sum(run.lost_answers for run in runs)
    limit = limit_was_kept(partner)
    return f"{len(runs)} runs, {requests} requests, {limit}, {lost} answers lost, {refused} refused by name"
