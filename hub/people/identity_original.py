"""Original ID merge: clusters of ids, as if all links ever received had come in the order of (event time, kind, ids).

A link that comes changes nothing before its own time, and nobody else than the people it touches. So what is applied
anew is: the links of those people from that time on. For a link that is the newest, as nearly all are, that is the
link alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from hub.people.identity_clusters import MOST_IDS, Replay, Sets, replayed
from hub.people.identity_links import ALREADY, FULL, TAKEN, Link, impossible
from hub.people.identity_state import PAGE, Belonging, belonging, change, members, record, recorded
from hub.people.profile_state import merge_profiles
from hub.store.tables import identity_links

_MAY_LINK = ("", TAKEN, FULL, ALREADY)


def apply_identity_links(
    connection: Connection, project_id: int, links: Sequence[Link], at: datetime, *, limit: int = MOST_IDS
) -> int:
    """Apply links of `$identify`, `$create_alias` and `$merge`. Returns how many ids have another person than before.

    The profiles of ids that are canonical no longer go into those of the ids that are now.
    """
    outcomes = {link: why for link in links if (why := impossible(link))}
    earliest: dict[tuple[str, str, str], Link] = {}
    for link in links:
        if link not in outcomes and link.time <= earliest.get(link.pair, link).time:
            earliest[link.pair] = link
    work = _Work(connection, project_id, limit, [*earliest.values()])
    after: dict[str, Belonging | None] = {}
    for replay in work.replays():
        outcomes.update(replay.outcomes)
        after.update(_people(replay))
    record(connection, project_id, outcomes)
    changed = change(connection, project_id, work.belonging, after, at)
    moved = _no_longer_canonical(work.belonging, after)
    if moved:
        merge_profiles(connection, project_id, moved, at)
    return changed


def _people(replay: Replay) -> Mapping[str, Belonging | None]:
    found: dict[str, Belonging | None] = dict.fromkeys(replay.inside)
    for person in replay.people():
        for one, since in person.since.items():
            found[one] = Belonging(person.canonical, since) if one != person.canonical else None
    return found


def _no_longer_canonical(before: Mapping[str, Row[Any]], after: Mapping[str, Belonging | None]) -> dict[str, str]:
    return {one: new.person for one, new in after.items() if new and one not in before}


@dataclass
class _Work:
    """The people that some new links touch, and the links that have to be applied to them anew.

    `_ties` has those together whose outcomes hang together: a person's ids, and the ends of each new link.
    """

    connection: Connection
    project_id: int
    limit: int
    new: Sequence[Link]
    belonging: dict[str, Row[Any]] = field(default_factory=dict)
    """The rows of all ids concerned that are not their own person."""
    _ties: Sets = field(default_factory=Sets)
    _ids: set[str] = field(default_factory=set)
    _joined: dict[str, list[Link]] = field(default_factory=dict)

    def replays(self) -> Iterable[Replay]:
        """What the new links make of those whom they touch."""
        self._load(end for link in self.new for end in (link.one, link.other))
        for link in self.new:
            self._ties.join(link.one, link.other)
        done: dict[str, Replay] = {}
        todo = {self._ties.root(link.one) for link in self.new}
        while todo:
            done.update(self._replayed(todo))
            undecided = [link for root in todo for link in done[root].undecided]
            self._load(end for link in undecided for end in (link.one, link.other))
            for link in undecided:
                self._ties.join(link.one, link.other)
            todo = {self._ties.root(link.one) for link in undecided}
            done = {root: found for root, found in done.items() if self._ties.root(root) == root and root not in todo}
        return done.values()

    def _load(self, ends: Iterable[str]) -> None:
        """Have the people to whom these ids belong, with all their ids and the links that hold them together."""
        ids = {*ends} - self._ids
        if not ids:
            return
        known = belonging(self.connection, self.project_id, ids)
        people = {each.person for each in known.values()} | (ids - known.keys())
        rows = members(self.connection, self.project_id, people)
        self.belonging.update(rows)
        self._ids |= people | rows.keys()
        for one, row in rows.items():
            self._ties.join(row.person, one)
        together = {row.person for row in rows.values()} | rows.keys()
        links = identity_links.c
        for link, _ in recorded(self.connection, self.project_id, links.one, together, links.failed == ""):
            self._joined.setdefault(link.one, []).append(link)

    def _replayed(self, roots: set[str]) -> dict[str, Replay]:
        groups: dict[str, _Group] = {root: _Group() for root in roots}
        for one in self._ids:
            group = groups.get(self._ties.root(one))
            if group:
                group.ids.add(one)
                for link in self._joined.get(one, ()):
                    group.links[link.pair] = link, ""
        for link in self.new:
            group = groups.get(self._ties.root(link.one))
            if group:
                group.new.append(link)
        self._load_later(groups)
        return {root: group.replayed(self.limit) for root, group in groups.items()}

    def _load_later(self, groups: Mapping[str, _Group]) -> None:
        """Have the failed links too that come after the first new one: they may fail no longer."""
        # in the order of time: a page of ids has one time from which on links are read
        ids = [(one, group) for group in sorted(groups.values(), key=_Group.begins) for one in group.ids]
        links = identity_links.c
        for start in range(0, len(ids), PAGE):
            page = dict(ids[start : start + PAGE])
            later = (links.failed.in_(_MAY_LINK), links.time >= ids[start][1].begins())
            for end, name in ((links.one, "one"), (links.other, "other")):
                for link, failed in recorded(self.connection, self.project_id, end, page, *later):
                    page[getattr(link, name)].links[link.pair] = link, failed


@dataclass
class _Group:
    """Ids whose outcomes hang together, with their links: those that link, and those after the first new one."""

    ids: set[str] = field(default_factory=set)
    links: dict[tuple[str, str, str], tuple[Link, str]] = field(default_factory=dict)
    new: list[Link] = field(default_factory=list)

    def begins(self) -> int:
        return min(link.time for link in self.new)

    def replayed(self, limit: int) -> Replay:
        since = min(self.new, key=lambda link: link.place)
        links = dict(self.links)
        for link in self.new:
            known = links.get(link.pair)
            if known is None or link.time < known[0].time:
                links[link.pair] = link, ""
        return replayed(links.values(), self.ids, since=since, limit=limit)
