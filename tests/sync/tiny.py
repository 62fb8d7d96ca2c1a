"""A partner within the process: a plugin of its own, whose every answer a test can choose."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

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
    hookimpl,
)

Answer = Callable[[str, Sequence[Member]], Awaitable[Any]]


class Tiny(Connector):
    """Holds its audiences as sets of keys, and what was written of whom in `values`, by audience and key.

    `answer` may raise, refuse, or return whatever it likes; `listing` is awaited before each page of an audience.
    """

    name = "tiny"
    label = "Tiny"
    docs_url = "https://tiny.example"
    Settings = ConnectorSettings
    matching = Matching(keys=(MatchKey("$email", normalize="email"),))
    limits = Limits(batch_size=10, concurrency=2, source="nowhere", timeout=timedelta(seconds=30))
    abilities = frozenset({Ability.REMOVE, Ability.LIST, Ability.READ})

    held: dict[str, set[str]]
    values: dict[str, dict[str, dict[str, Any]]]
    calls: list[tuple[str, tuple[str, ...]]]
    answer: Answer | None
    opening: Callable[[], Awaitable[None]] | None
    listing: Callable[[], Awaitable[None]] | None

    @classmethod
    def forget(cls) -> None:
        """Begin anew: nobody is held, and every answer is the honest one."""
        cls.held, cls.values, cls.calls = {}, {}, []
        cls.answer = cls.opening = cls.listing = None

    @classmethod
    def base_url(cls, settings: Any) -> str:
        return "http://127.0.0.1:9"

    async def check(self) -> Account:
        return Account("1", "tiny")

    async def open_audience(self, name: str) -> Audience:
        if type(self).opening:
            await type(self).opening()
        self.held.setdefault(name, set())
        return Audience({"name": name}, name)

    async def add(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        return await self._carried_out("add", audience, members)

    async def remove(self, audience: Audience, members: Sequence[Member]) -> Outcome:
        return await self._carried_out("remove", audience, members)

    async def list_members(self, audience: Audience) -> AsyncIterator[Sequence[str]]:
        async for page in self.read_members(audience, ()):
            yield [member.key for member in page]

    async def read_members(self, audience: Audience, targets: Sequence[str]) -> AsyncIterator[Sequence[Member]]:
        keys = sorted(self.held[audience.name])
        for first in range(0, len(keys), 15):
            if type(self).listing:
                await type(self).listing()
            written = self.values.get(audience.name, {})
            yield [
                Member(key, {name: value for name, value in written.get(key, {}).items() if name in targets})
                for key in keys[first : first + 15]
            ]

    async def _carried_out(self, verb: str, audience: Audience, members: Sequence[Member]) -> Any:
        keys = [member.key for member in members]
        self.calls.append((verb, tuple(keys)))
        outcome = await type(self).answer(verb, members) if type(self).answer else Outcome()
        refused = {refusal.key.lower() for refusal in outcome.refused} if isinstance(outcome, Outcome) else set()
        taken = {key for key in keys if key not in refused}
        held = self.held[audience.name]
        held |= taken if verb == "add" else set()
        held -= taken if verb == "remove" else set()
        for member in members:
            if verb == "add" and member.key in taken:
                self.values.setdefault(audience.name, {}).setdefault(member.key, {}).update(member.values)
        return outcome


@hookimpl
def hub_connectors() -> list[type[Connector]]:
    return [Tiny]
