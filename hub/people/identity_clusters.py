"""Original ID merge: which ids are one person's, worked out by applying links in their order. Pure: no state.

The rules are those of the reference's table of identity, section "Original ID merge".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hub.people.identity_links import ALIAS, ALREADY, FULL, IDENTIFY, MERGE, TAKEN, Link, is_anonymous

MOST_IDS = 500
"""Ids of one person; links beyond fail (reference)."""


class Sets:
    """Ids, each in one set; an id that was never joined is alone in its own."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def root(self, one: str) -> str:
        """The id that stands for the whole set."""
        above = self._above
        while higher := above.get(one):
            one = higher
        return one

    def size(self, one: str) -> int:
        """How many ids its set has."""
        return self._size.get(self.root(one), 1)

    def join(self, one: str, other: str) -> None:
        """Let the sets of both be one."""
        large, small = self.root(one), self.root(other)
        if large == small:
            return
        sizes = self._size
        ours, theirs = sizes.get(large, 1), sizes.get(small, 1)
        if ours < theirs:  # the smaller goes below: no way up is longer than the logarithm of the ids
            large, small = small, large
        sizes[large] = ours + theirs
        self._above[small] = large


@dataclass(frozen=True)
class Person:
    """Ids that are one person's. `canonical` is the one that it is called by; `since` tells of each id the time of the
    earliest link that it has part in."""

    canonical: str
    since: Mapping[str, int]


@dataclass
class Replay:
    """Links applied in their order to the ids `inside`.

    `outcomes` has of each link that was not settled before why it links nobody, "" if it does. A link with an end that
    is not inside is left as it was, if it fails all the same; else it is in `undecided`, and nothing here holds until
    the other end's person and links are had too.
    """

    inside: Collection[str]
    limit: int
    outcomes: dict[Link, str] = field(default_factory=dict)
    undecided: list[Link] = field(default_factory=list)
    _sets: Sets = field(default_factory=Sets)
    _aliases: set[str] = field(default_factory=set)
    _joined: list[Link] = field(default_factory=list)

    def people(self) -> Iterator[Person]:
        """Everybody inside who has more than one id."""
        ids: dict[str, dict[str, int]] = {}
        preferred = set()
        for link in self._joined:
            since = ids.setdefault(self._sets.root(link.one), {})
            for one in (link.one, link.other):
                since[one] = min(link.time, since.get(one, link.time))
            if link.kind != MERGE:
                preferred.add(link.one)
        for since in ids.values():
            yield Person(_canonical(since, preferred), since)

    def join(self, link: Link) -> None:
        """Apply a link of which it is known that it links."""
        self._sets.join(link.one, link.other)
        self._joined.append(link)
        if link.kind == ALIAS:
            self._aliases.add(link.other)

    def apply(self, link: Link, before: str) -> None:
        """Apply the next link. `before` is what became of it when it was applied the last time, "" for a new one."""
        if link.one in self.inside and link.other in self.inside:
            self.outcomes[link] = failed = self._failure(link)
            if not failed:
                self.join(link)
        elif failed := self._failure_anyway(link, before):
            self.outcomes[link] = failed
        else:
            self.undecided.append(link)

    def _failure(self, link: Link) -> str:
        if self._sets.root(link.one) == self._sets.root(link.other):
            return ALREADY
        if self._is_taken(link):
            return TAKEN
        return FULL if self._sets.size(link.one) + self._sets.size(link.other) > self.limit else ""

    def _is_taken(self, link: Link) -> bool:
        if link.kind == IDENTIFY:
            return self._sets.size(link.other) > 1
        return link.kind == ALIAS and link.other in self._aliases

    def _failure_anyway(self, link: Link, before: str) -> str:
        """Why a link that failed, and has one end elsewhere, fails again whatever is there; "" if that depends.

        What is elsewhere has not changed: who was taken there still is.
        """
        here = link.one if link.one in self.inside else link.other
        taken = before == TAKEN if here == link.one else self._is_taken(link)
        if taken:
            return TAKEN
        return FULL if self._sets.size(here) >= self.limit else ""


def replayed(
    links: Iterable[tuple[Link, str]], inside: Collection[str], *, since: Link, limit: int = MOST_IDS
) -> Replay:
    """Apply links to the ids `inside`, in the order of (time, kind, ids); none that is `impossible`.

    Each link comes with what became of it the last time, "" for one that links and for a new one. Those before `since`
    are taken as they were: what comes later cannot change them.
    """
    replay = Replay(inside, limit)
    for link, before in sorted(links, key=lambda each: each[0].place):
        if link.place < since.place:
            if not before:
                replay.join(link)
        else:
            replay.apply(link, before)
    return replay


def _canonical(since: Mapping[str, int], preferred: Collection[str]) -> str:
    """The id that a person is called by: one that was identified or got an alias rather than another, one that somebody
    chose rather than a UUID, the one linked earliest, the smallest."""
    return min(since, key=lambda one: (one not in preferred, is_anonymous(one), since[one], one))
