"""Which events do not make anybody a monthly tracked user: pairs of a source marker and an event name, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

from hub.connectors.messages import MessageEvents
from hub.settings import Pair


@dataclass(frozen=True)
class Exemption:
    """One exempt pair, and who says so.

    `origin` is `page` (shipped with the hub), `connector` or `setting`; `page` is the page that documents the pair,
    empty for a setting.
    """

    source: str | None
    event: str
    page: str
    origin: str = "page"

    @property
    def pair(self) -> Pair:
        """The pair without its origin."""
        return self.source, self.event


@dataclass(frozen=True)
class Exemptions:
    """All pairs that are exempt, each once; `not_exempt` are those that were to be removed and are not there."""

    in_force: tuple[Exemption, ...]
    not_exempt: tuple[Pair, ...] = ()

    @cached_property
    def pairs(self) -> frozenset[Pair]:
        """The pairs alone."""
        return frozenset(exemption.pair for exemption in self.in_force)

    def cover(self, source: str | None, event: str) -> bool:
        """Whether an event from `source` is exempt."""
        return (None, event) in self.pairs or (source is not None and (source, event) in self.pairs)

    def by_source(self) -> dict[str | None, list[str]]:
        """The exempt event names of each source, in order."""
        found: dict[str | None, list[str]] = {}
        for source, event in sorted(self.pairs, key=lambda pair: (pair[0] or "", pair[1])):
            found.setdefault(source, []).append(event)
        return found

    def warnings(self) -> list[str]:
        """A sentence for each pair that a setting removes and that is not exempt."""
        return [self._warning(*pair) for pair in self.not_exempt]

    def _warning(self, source: str | None, event: str) -> str:
        entry = event if source is None else f"{source}: {event}"
        if source is not None and (None, event) in self.pairs:
            advice = f"the event is exempt from every source; to count it, remove {event!r}."
        else:
            advice = "it counts anyway. `hub mtu --exempt` lists the pairs in force; case matters."
        return f"HUB_MTU_EXEMPT_REMOVE names {entry!r}, which is not an exempt pair: {advice}"


def exemptions(
    message_events: Iterable[MessageEvents] = (), *, add: Iterable[Pair] = (), remove: Iterable[Pair] = ()
) -> Exemptions:
    """The pairs that ship with the hub, those that connectors declare, and what is added and removed last.

    A pair that several name is listed as the first one's. Removing an event without a source removes it from every
    source that it is exempt from.
    """
    added = (Exemption(source, event, "", "setting") for source, event in add)
    named: dict[Pair, Exemption] = {}
    for exemption in (*shipped_exemptions(), *declared_exemptions(message_events), *added):
        named.setdefault(exemption.pair, exemption)
    asked = dict.fromkeys(remove)
    taken = {pair: [known for known in named if _means(pair, known)] for pair in asked}
    gone = {known for found in taken.values() for known in found}
    return Exemptions(
        tuple(exemption for pair, exemption in named.items() if pair not in gone),
        tuple(pair for pair, found in taken.items() if not found),
    )


def _means(asked: Pair, known: Pair) -> bool:
    return asked == known or (asked[0] is None and asked[1] == known[1])


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
                    yield Exemption(declared.source, event, declared.page, "connector")
