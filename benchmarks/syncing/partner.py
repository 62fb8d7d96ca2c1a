"""The connector of the benchmark: it translates members into one JSON body a batch, and nothing else.

It is loaded as any other plugin, by an entry point of a distribution of its own (`benchmarks.syncing.home`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from benchmarks.syncing.receiver import PATH
from hub import (
    Ability,
    Account,
    Audience,
    Connector,
    ConnectorSettings,
    Limits,
    Matching,
    MatchKey,
    Member,
    Outcome,
    Rate,
    hookimpl,
)

NAME = "bench"
BATCH, AT_ONCE = 500, 8
RATE = "BENCH_REQUESTS_A_SECOND"
"""The environment's name for a limit that the partner publishes; without it there is none."""


class Bench(Connector):
    """A partner that takes whatever it is sent."""

    name = NAME
    label = "Benchmark"
    docs_url = "https://bench.example"
    Settings = ConnectorSettings
    matching = Matching(keys=(MatchKey("$email", normalize="email"),))
    limits = Limits(
        batch_size=BATCH,
        concurrency=AT_ONCE,
        source="benchmarks/syncing",
        rate=Rate(int(os.environ[RATE]), timedelta(seconds=1)) if RATE in os.environ else None,
    )
    abilities = frozenset({Ability.REMOVE})

    @classmethod
    def base_url(cls, settings: Any) -> str:
        """There is no address but the one that is set."""
        return str(settings.base_url)

    async def check(self) -> Account:
        """Whose account it is."""
        return Account((await self.http.get("/account"))["id"], "bench")

    async def open_audience(self, name: str) -> Audience:
        """There is one."""
        return Audience({"id": 1}, name)

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Post a batch."""
        await self.http.post(PATH, body("add", ((each.key, each.values) for each in members)))
        return Outcome()

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        """Post a batch of those who go."""
        await self.http.post(PATH, body("remove", ((each.key, {}) for each in members)))
        return Outcome()


def body(action: str, members: Any) -> dict[str, Any]:
    """What is posted of members, as (key, values)."""
    return {"action": action, "members": [{"key": key, "values": values} for key, values in members]}


@hookimpl
def hub_connectors() -> list[type[Connector]]:
    """What this plugin brings."""
    return [Bench]
