"""A hub with people who come, go, change their name and move to another address, from round to round."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from checks.storm.partners import AUDIENCE, Partner
from hub.app import Hub
from hub.testing.sandbox import Running

SYNC, COHORT = "storm", "pros"
_DEFINITION = "version: 1\nall:\n  - profile: plan\n    op: '='\n    value: pro\n"
_UNKNOWN_SHARE = 0.03
"""Of the people, those whom the partner was never told of."""


class World:
    """`people` customers of a hub, of whom two thirds are in the cohort, and a dynamic sync of it to a partner."""

    def __init__(self, hub: Hub, partner: Partner, running: Running, *, people: int, chance: random.Random) -> None:
        self._hub, self._partner, self._chance = hub, partner, chance
        self._names = [f"u{number:06}" for number in range(people)]
        self._moves = dict.fromkeys(self._names, 0)
        self._strangers = {*chance.sample(self._names, int(people * _UNKNOWN_SHARE))}
        self._describe(self._names)
        hub.cohorts.add(COHORT, _DEFINITION)
        asyncio.run(hub.connections.add(partner.name, "partner", running.settings))
        hub.syncs.start(
            COHORT, "partner", every=timedelta(hours=2), audience=AUDIENCE, name=SYNC,
            mapping={partner.target: "first_name"},
        )  # fmt: skip
        hub.syncs.guard(SYNC, on=False)  # a storm takes out whom it likes

    def turn(self) -> None:
        """Let a third of the people be new, gone, renamed or moved."""
        some = self._chance.sample(self._names, len(self._names) // 3)
        if self._partner.moves:
            for name in self._chance.sample(some, len(some) // 5):
                self._moves[name] += 1
        self._describe(some)

    def _describe(self, names: Iterable[str]) -> None:
        chosen = sorted(names)
        self._partner.know(self._address(name) for name in chosen if name not in self._strangers)
        lines = (
            {
                "$distinct_id": name,
                "$set": {
                    "$email": self._address(name),
                    "first_name": f"Name {self._chance.randrange(1_000)}",
                    "plan": self._chance.choice(("pro", "pro", "free")),
                },
            }
            for name in chosen
        )
        path: Path = self._hub.workspace.settings.home / "world.jsonl"
        with path.open("w") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        self._hub.profiles.import_file(str(path))
        path.unlink()

    def _address(self, name: str) -> str:
        return f"{name}.{self._moves[name]}@shop.example"
