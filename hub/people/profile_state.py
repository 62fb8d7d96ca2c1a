"""The current state of profiles in the control plane."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, func, select

from hub.people.profile_fold import Profile, fold
from hub.people.profile_update import Operation, Update
from hub.store.tables import profiles, projects

_PAGE = 500


def lock(connection: Connection, project_id: int) -> None:
    """Let nobody else write or publish profiles of this project until the transaction ends (SQLite does so anyway)."""
    connection.execute(select(projects.c.id).where(projects.c.id == project_id).with_for_update())


def apply_updates(connection: Connection, project_id: int, updates: Sequence[Update], at: datetime) -> int:
    """Fold updates into the profiles of a project, in their order. Returns how many profiles have changed.

    Each changed profile gets the next `seq`; one that ends as it was gets none. A deleted profile stays as a row
    without properties. `at` is when the hub got to know. To be called within a writing transaction.
    """
    lock(connection, project_id)
    wanted: dict[str, list[Operation]] = {}
    for update in updates:
        wanted.setdefault(update.distinct_id, []).extend(update.operations)
    found = _current(connection, project_id, list(wanted))
    last = connection.execute(select(func.max(profiles.c.seq)).where(profiles.c.project_id == project_id)).scalar() or 0
    fresh: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    for distinct_id, row in _folded(wanted, found):
        last += 1
        (changed if distinct_id in found else fresh).append({**row, "of": distinct_id, "seq": last, "known_at": at})
    _write(connection, project_id, fresh, changed)
    return len(fresh) + len(changed)


def _folded(
    wanted: dict[str, list[Operation]], found: dict[str, Profile | None]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for distinct_id, operations in wanted.items():
        before = found.get(distinct_id)
        after = fold(before, operations)
        if _text(after) != _text(before):
            yield distinct_id, {"properties": _text(after or {}), "deleted": after is None}


def _current(connection: Connection, project_id: int, ids: Sequence[str]) -> dict[str, Profile | None]:
    """The profiles that have a row; None for those that are deleted."""
    found: dict[str, Profile | None] = {}
    query = select(profiles.c.distinct_id, profiles.c.properties, profiles.c.deleted)
    for start in range(0, len(ids), _PAGE):
        page = profiles.c.distinct_id.in_(ids[start : start + _PAGE])
        for row in connection.execute(query.where(profiles.c.project_id == project_id, page)):
            found[row.distinct_id] = None if row.deleted else orjson.loads(row.properties)
    return found


def _write(connection: Connection, project_id: int, fresh: list[dict[str, Any]], changed: list[dict[str, Any]]) -> None:
    if fresh:
        rows = [{"project_id": project_id, "distinct_id": row.pop("of"), **row} for row in fresh]
        connection.execute(profiles.insert(), rows)
    if changed:
        this = (profiles.c.project_id == project_id, profiles.c.distinct_id == bindparam("of"))
        connection.execute(profiles.update().where(*this), changed)


def _text(profile: Profile | None) -> str:
    return orjson.dumps(profile).decode()
