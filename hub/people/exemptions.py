"""Which events do not make anybody a monthly tracked user: pairs of a source marker and an event name, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from hub.connectors.contract import MessageEvents

Pair = tuple[str | None, str]
"""A source marker and an event name, both case-sensitive. Without a marker the event is exempt from every source."""


@dataclass(frozen=True)
class Exemption:
    """One exempt pair, and the page that says so."""

    source: str | None
    event: str
    page: str

    @property
    def pair(self) -> Pair:
        """The pair without its page."""
        return self.source, self.event


@dataclass(frozen=True)
class Exemptions:
    """All pairs that are exempt."""

    pairs: frozenset[Pair]

    def cover(self, source: str | None, event: str) -> bool:
        """Whether an event from `source` is exempt."""
        return (None, event) in self.pairs or (source is not None and (source, event) in self.pairs)

    def by_source(self) -> dict[str | None, list[str]]:
        """The exempt event names of each source, in order."""
        found: dict[str | None, list[str]] = {}
        for source, event in sorted(self.pairs, key=lambda pair: (pair[0] or "", pair[1])):
            found.setdefault(source, []).append(event)
        return found


def exemptions(
    message_events: Iterable[MessageEvents] = (), *, add: Iterable[Pair] = (), remove: Iterable[Pair] = ()
) -> Exemptions:
    """The pairs that ship with the hub, those that connectors declare, and what is added and removed last."""
    shipped = {exemption.pair for exemption in shipped_exemptions()}
    declared = {exemption.pair for exemption in declared_exemptions(message_events)}
    return Exemptions(frozenset((shipped | declared | {*add}) - {*remove}))


@lru_cache(maxsize=1)
def shipped_exemptions() -> tuple[Exemption, ...]:
    """The pairs of `exemptions.toml`."""
    data = tomllib.loads(files("hub.people").joinpath("exemptions.toml").read_text("utf-8"))
    return tuple(
        Exemption(group.get("source"), event, group["page"]) for group in data["exempt"] for event in group["events"]
    )


def declared_exemptions(message_events: Iterable[MessageEvents]) -> Iterator[Exemption]:
    """The pairs that connectors declare, in every spelling of the event."""
    for declared in message_events:
        for kind in declared.kinds:
            if kind.exempt:
                for event in (kind.event, *kind.also_known_as):
                    yield Exemption(declared.source, event, declared.page)
