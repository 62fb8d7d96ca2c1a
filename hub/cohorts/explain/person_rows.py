"""What the lake has of one person: their ids, the events that a question asks about, their profile, their lists.

The rules are those of `hub.people.views`, for one person: only what can hold the person's rows is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub.cohorts.definition import ANY_EVENT, Clause, Did, DidNot, clauses, steps
from hub.cohorts.explain.doings import Happening
from hub.cohorts.explain.values import MAPS, Properties, Value, event_value
from hub.cohorts.filters import EventTest, leaves
from hub.lake.tables import EVENTS, PROFILES
from hub.people.views import MATCH, identity_map, matched, project_events

if TYPE_CHECKING:
    import ibis

    from hub.cohorts.question import Question
    from hub.lake.reading import Reader
    from hub.lake.snapshot import Filter
    from hub.workspace import Project

_EMAIL = "$email"
_EXACT = 2**53


@dataclass(frozen=True)
class ProfileState:
    """The profile of a person, None without one, and when the hub got to know it; `since` of None: always."""

    since: datetime | None
    properties: Properties | None


class PersonRows:
    """The rows of one person, by any of their ids, as of a question."""

    def __init__(self, reader: Reader, project: Project, question: Question, asked: str, *, past: bool) -> None:
        """With `past` the profile's earlier states count for earlier instants, and events that are still to come for
        later ones; without, all is as the question has it."""
        self._reader = reader
        self._project = project
        self._question = question
        self._past = past
        self._identity = identity_map(reader, project, question.known_at)
        self.person = self._owner(asked)
        self.ids = [self.person, *self._others()]
        self.is_linked = len(self.ids) > 1
        self._profile_rows = self._read_profiles()
        self._addresses = self._own_addresses()

    def happenings(self, definitions: Sequence[Clause]) -> list[Happening]:
        """The events that some clauses are about, by time."""
        asked = [leaf for clause in definitions for leaf in clauses(clause)]
        names = {step.event for leaf in asked for step in steps(leaf)}
        wanted = sorted({name for leaf in asked for name in _asked_properties(leaf)})
        if not names:
            return []
        rows = self._events(() if ANY_EVENT in names else sorted(names))
        order = [rows.time, rows.event, rows.insert_id]
        columns = ["time", "event", "distinct_id", "device_id", "user_id", "insert_id", *(MAPS if wanted else ())]
        found = []
        for row in self._rows(rows.order_by(order).select(*columns)):
            values: dict[str, Value] = {}
            if wanted:
                properties = Properties(row)
                values = {name: event_value(properties, row, name) for name in wanted}
            present = {name: value for name, value in values.items() if value.is_set}
            found.append(Happening(row["time"], row["event"], present))
        return found

    def first_event(self) -> datetime | None:
        """The time of the first event of any name."""
        found: datetime | None = self._reader.value(self._events(()).time.min())
        return found

    def profile_states(self) -> list[ProfileState]:
        """The profile by time, the earliest state first: that one counts for earlier instants, too."""
        times = sorted({row["known_at"] for rows in self._profile_rows.values() for row in rows})
        if not self._past or not times:
            return [ProfileState(None, self._profile_at(None))]
        states = [ProfileState(at, self._profile_at(at)) for at in times]
        return [ProfileState(None, states[0].properties), *states[1:]]

    def keys(self, key: str, *, frozen: bool) -> list[str]:
        """What a list whose key is this property may know the person by."""
        if key == "distinct_id":
            return [*self.ids, *(self._addresses if frozen else ())]
        prefix = f"{MATCH}{key}:"
        own = [each for each in (*self._addresses, self.person) if each.startswith(prefix)]
        return [each.removeprefix(prefix) for each in own]

    def _owner(self, asked: str) -> str:
        if asked.startswith(MATCH):
            return self._owners([asked]).get(asked, asked)
        if self._identity is None:
            return asked
        found = [*self._rows(self._identity.filter(self._identity.id == asked))]
        return str(found[0]["person"]) if found else asked

    def _others(self) -> list[str]:
        if self._identity is None or self.person.startswith(MATCH):
            return []
        found = self._rows(self._identity.filter(self._identity.person == self.person).select("id"))
        return sorted(row["id"] for row in found if row["id"] != self.person)

    def _read_profiles(self) -> dict[str, list[dict[str, Any]]]:
        """The states of the profiles of the person's ids that count, each with the earliest first."""
        known_at = self._question.known_at
        # under simplified identity what was set on a device stays with the device, and nobody sees it any more
        ids = [self.person] if self._project.identity == "simplified" else self.ids
        rows = self._reader.table(PROFILES, self._partitions())
        tests = [rows.distinct_id.isin(ids), *([rows.known_at <= known_at] if known_at else [])]
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self._rows(rows.filter(*tests).order_by("seq").drop("project_id")):
            found.setdefault(row["distinct_id"], []).append(row)
        return found

    def _profile_at(self, at: datetime | None) -> Properties | None:
        """The profile as known at an instant (None: now): that of the canonical id, else the one that changed last."""
        newest = []
        for rows in self._profile_rows.values():
            known = [row for row in rows if at is None or row["known_at"] <= at]
            if known and not known[-1]["deleted"]:
                newest.append(known[-1])
        chosen = max(newest, key=lambda row: (row["distinct_id"] == self.person, row["seq"]), default=None)
        return None if chosen is None else Properties(chosen)

    def _own_addresses(self) -> list[str]:
        """The pseudo ids, of message events and of lists, that mean the person."""
        if not self._asks_for_addresses() or self.person.startswith(MATCH):
            return []
        found = {f"{MATCH}distinct_id:{each}" for each in self.ids}
        for rows in self._profile_rows.values():
            if not rows[-1]["deleted"]:
                found.update(_addresses_in(rows[-1]))
        asked = self._with_events(found) | {each for each in found if self._is_key(each)}
        owners = self._owners(asked)
        return sorted(each for each in asked if owners.get(each) == self.person)

    def _asks_for_addresses(self) -> bool:
        by_value = any(listing.key != "distinct_id" or listing.frozen for listing in self._question.lists.values())
        return by_value or self._reader.has(EVENTS, "source", self._partitions())  # message events always have one

    def _is_key(self, address: str) -> bool:
        keys = {listing.key for listing in self._question.lists.values()} - {"distinct_id"}
        return address.removeprefix(MATCH).partition(":")[0] in keys

    def _with_events(self, addresses: Collection[str]) -> set[str]:
        events = project_events(
            self._reader, self._project, narrow=lambda rows: [rows.distinct_id.isin(sorted(addresses))]
        )
        marked = events.filter(events.distinct_id.isin(sorted(addresses)), events.source.notnull())
        return {row["distinct_id"] for row in self._rows(marked.select("distinct_id").distinct())}

    def _owners(self, addresses: Collection[str]) -> dict[str, str]:
        import pyarrow as pa

        if not addresses:
            return {}
        pseudo = self._reader.rows(pa.table({"id": sorted(addresses)}))
        properties = {each.removeprefix(MATCH).partition(":")[0] for each in addresses}
        found = matched(self._reader, self._project, pseudo, properties, self._question.known_at)
        return {row["id"]: row["person"] for row in self._rows(found)}

    def _events(self, names: Sequence[str]) -> ibis.Table:
        ids = [*self.ids, *self._addresses]

        def narrow(rows: ibis.Table) -> list[Any]:
            tests = [rows.distinct_id.isin(ids)]
            if names:
                tests.append(rows.event.isin(names))
            if not self._past:
                tests.append(rows.time <= self._question.now)
            return tests

        events = project_events(self._reader, self._project, narrow=narrow)
        known_at = self._question.known_at
        return events.filter(*narrow(events), *([events.received_at <= known_at] if known_at else []))

    def _rows(self, found: ibis.Table) -> Iterator[dict[str, Any]]:
        for batch in self._reader.batches(found):
            yield from batch.to_pylist()

    def _partitions(self) -> list[Filter]:
        return [("project_id", "=", str(self._project.id))]


def _asked_properties(clause: Any) -> Iterator[str]:
    """The event properties that a clause asks about."""
    for step in steps(clause):
        for test in (leaf for each in step.where or () for leaf in leaves(each)):
            if isinstance(test, EventTest):
                yield test.property
        if isinstance(step, (Did, DidNot)) and step.aggregate:
            yield step.aggregate.of[1]


def _addresses_in(profile: dict[str, Any]) -> Iterator[str]:
    """A pseudo id for each property, as `hub.people.views.match_value` compares them."""
    texts = dict(profile["strings"] or ())
    for name, number in dict(profile["numbers"] or ()).items():
        if number == round(number) and abs(number) < _EXACT:
            texts.setdefault(name, str(round(number)))
    for name, text in texts.items():
        if value := text.strip().lower() if name == _EMAIL else text:
            yield f"{MATCH}{name}:{value}"
