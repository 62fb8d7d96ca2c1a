"""The current state of profiles in the control plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, bindparam, func, select

from hub.events.lines import Rejected
from hub.people.identity_state import members, resolve
from hub.people.profile_fold import Folding, Profile, united
from hub.people.profile_update import Update
from hub.store.tables import profiles, projects
from hub.workspace import Project

_PAGE = 500


@dataclass(frozen=True)
class Applied:
    """What became of some updates: how many profiles changed, and which updates would have broken a limit.

    `refused` has their places among the updates, from 0, in order, each with the reason.
    """

    changed: int
    refused: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Stored:
    """One profile as the control plane has it. `known_at` is when its present state came to be known."""

    distinct_id: str
    seq: int
    known_at: datetime
    properties: Profile

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub profile show --json`."""
        return {"distinct_id": self.distinct_id, "known_at": self.known_at, "properties": self.properties}


def lock(connection: Connection, project_id: int) -> None:
    """Let nobody else write or publish profiles of this project until the transaction ends (SQLite does so anyway)."""
    connection.execute(select(projects.c.id).where(projects.c.id == project_id).with_for_update())


def newest(connection: Connection, project_id: int) -> int:
    """The highest `seq` of the project, 0 before there was a profile."""
    return connection.execute(select(func.max(profiles.c.seq)).where(profiles.c.project_id == project_id)).scalar() or 0


def apply_updates(connection: Connection, project: Project, updates: Sequence[Update], at: datetime) -> Applied:
    """Fold updates into the profiles of a project, in their order.

    Under original identity an update means the profile of the person to whom its id belongs now, unless it says
    `ignore_alias`; under simplified identity always the profile of the id as sent. Each changed profile gets the next
    `seq`; one that ends as it was gets none. A deleted profile stays as a row without properties. An update that would
    break a limit is left out, and told. `at` is when the hub got to know. To be called within a writing transaction,
    after the identity links that came before.
    """
    lock(connection, project.id)
    keys = _keys(connection, project, updates)
    found = current(connection, project.id, [*dict.fromkeys(keys)])
    states = {key: _properties(found.get(key)) for key in dict.fromkeys(keys)}
    foldings = {key: Folding(before) for key, before in states.items()}
    refused = []
    for place, (key, update) in enumerate(zip(keys, updates, strict=True)):
        try:
            foldings[key].apply(update.operations, update.seen)
        except Rejected as error:
            refused.append((place, error.reason))
    after = {key: folding.profile for key, folding in foldings.items()}
    changed = {key: profile for key, profile in after.items() if _text(profile) != _text(states[key])}
    _write(connection, project.id, changed, found, at)
    return Applied(len(changed), tuple(refused))


def merge_profiles(connection: Connection, project_id: int, moved: Mapping[str, str], at: datetime) -> int:
    """Let the profiles of ids that are canonical no longer go into those of the ids that are now.

    `moved` is the new canonical id by the old one. A property that both have stays as the new one has it; of several
    that go, the one that changed last wins; the later `$last_seen` stays. No profile grows over the limit of
    properties by this: what comes last does not go over. Each profile that goes is marked deleted, with a `seq` of its
    own. Doing it again changes nothing. Returns how many went. To be called within a writing transaction.
    """
    lock(connection, project_id)
    found = current(connection, project_id, [*dict.fromkeys([*moved, *moved.values()])])
    going = [row for row in found.values() if row.distinct_id in moved and not row.deleted]
    going = [row for row in going if _end(moved, row.distinct_id) != row.distinct_id]
    states: dict[str, Profile | None] = {}
    for row in sorted(going, key=lambda row: row.seq, reverse=True):
        end = _end(moved, row.distinct_id)
        stays = states.get(end) or _properties(found.get(end)) or {}
        states[end] = united(stays, orjson.loads(row.properties))
    states.update((row.distinct_id, None) for row in going)
    _write(connection, project_id, states, found, at)
    return len(going)


def stored(connection: Connection, project_id: int, ids: Sequence[str]) -> list[Stored]:
    """The profiles that exist of these ids, in the order of `ids`."""
    found = current(connection, project_id, ids)
    rows = [found[key] for key in ids if key in found and not found[key].deleted]
    return [Stored(row.distinct_id, row.seq, row.known_at, orjson.loads(row.properties)) for row in rows]


def ids_of(connection: Connection, project_id: int, one: str) -> list[str]:
    """All ids of the person whom an id belongs to, the canonical one first."""
    person = resolve(connection, project_id, [one]).get(one, one)
    return [person, *sorted(members(connection, project_id, [person]))]


def current(connection: Connection, project_id: int, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """The rows of these profiles by id; those of deleted ones too."""
    found: dict[str, Row[Any]] = {}
    for start in range(0, len(ids), _PAGE):
        page = profiles.c.distinct_id.in_(ids[start : start + _PAGE])
        for row in connection.execute(select(profiles).where(profiles.c.project_id == project_id, page)):
            found[row.distinct_id] = row
    return found


def _keys(connection: Connection, project: Project, updates: Sequence[Update]) -> list[str]:
    """The id of the profile that each update means."""
    ids = [update.distinct_id for update in updates]
    if project.identity == "simplified":
        return ids
    meant = [update.distinct_id for update in updates if not update.ignore_alias]
    people = resolve(connection, project.id, [*dict.fromkeys(meant)])
    return [key if update.ignore_alias else people.get(key, key) for key, update in zip(ids, updates, strict=True)]


def _end(moved: Mapping[str, str], key: str) -> str:
    """Where a chain of moves ends; in a circle, which nobody should ask for, nothing moves."""
    end, passed = moved[key], {key}
    while end in moved and end not in passed:
        passed.add(end)
        end = moved[end]
    return key if end in passed else end


def _write(
    connection: Connection,
    project_id: int,
    states: Mapping[str, Profile | None],
    found: Mapping[str, Row[Any]],
    at: datetime,
) -> None:
    """Give each profile its new state (None: deleted) and the next `seq`."""
    last = newest(connection, project_id)
    fresh: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for seq, (key, state) in enumerate(states.items(), last + 1):
        row = {"seq": seq, "known_at": at, "properties": _text(state or {}), "deleted": state is None}
        if key in found:
            changed.append({"of": key, **row})
        else:
            fresh.append({"project_id": project_id, "distinct_id": key, **row})
    if fresh:
        connection.execute(profiles.insert(), fresh)
    if changed:
        this = (profiles.c.project_id == project_id, profiles.c.distinct_id == bindparam("of"))
        connection.execute(profiles.update().where(*this), changed)


def _properties(row: Row[Any] | None) -> Profile | None:
    """The state of a row; None when the profile is deleted or was never there."""
    return None if row is None or row.deleted else orjson.loads(row.properties)


def _text(profile: Profile | None) -> str:
    return orjson.dumps(profile).decode()
