"""Who an id belongs to now: the control plane's `identities`, and the intervals that have ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from hub.people.identity_links import Link
from hub.store.tables import identities, identities_closed, identity_links

PAGE = 1000
_TICK = timedelta(microseconds=1)


class Belonging(NamedTuple):
    """Whose an id is. `linked_at` is the time of the event that links it, in microseconds since 1970 UTC."""

    person: str
    linked_at: int


def resolve(connection: Connection, project_id: int, ids: Iterable[str]) -> dict[str, str]:
    """The canonical id of each of these ids that is not its own person."""
    return {one: now.person for one, now in belonging(connection, project_id, ids).items()}


def belonging(connection: Connection, project_id: int, ids: Iterable[str]) -> dict[str, Belonging]:
    """Whose those ids are that are not their own person, by id."""
    columns = select(identities.c.id, identities.c.person, identities.c.linked_at)
    rows = _rows(connection, columns, identities, project_id, identities.c.id, ids)
    return {row.id: Belonging(row.person, row.linked_at) for row in rows}


def intervals(connection: Connection, project_id: int, ids: Iterable[str]) -> dict[str, Row[Any]]:
    """The rows of those ids that are not their own person, by id."""
    rows = _rows(connection, select(identities), identities, project_id, identities.c.id, ids)
    return {row.id: row for row in rows}


def members(connection: Connection, project_id: int, people: Iterable[str]) -> dict[str, Row[Any]]:
    """The rows of all ids that belong to these canonical ids, by id."""
    rows = _rows(connection, select(identities), identities, project_id, identities.c.person, people)
    return {row.id: row for row in rows}


def change(
    connection: Connection,
    project_id: int,
    before: Mapping[str, Row[Any]],
    after: Mapping[str, Belonging | None],
    at: datetime,
) -> int:
    """Let ids belong to others from now on (None: each to itself). Returns how many have another person than before.

    `before` has the present rows of all ids of `after` that have one. An interval that ends is kept, and each opened
    and each ended one gets a `seq`. `at` is when the hub got to know; it is made later than whatever is in already, so
    that what was known at an instant never changes. To be called within a writing transaction, under the lock.
    """
    opened, moved, closed, earlier = [], [], [], []
    seq, known_from = _next(connection, project_id, at)
    for one in sorted(after):
        old, new = before.get(one), after[one]
        if (old and old.person) == (new and new.person):
            if old and new and old.linked_at != new.linked_at:
                earlier.append({"of": one, "linked_at": new.linked_at})
            continue
        if old:
            closed.append(_ended(old, project_id, seq, known_from))
            seq += 1
        if new:
            row = {"person": new.person, "linked_at": new.linked_at, "known_from": known_from, "seq": seq}
            (moved.append({"of": one, **row}) if old else opened.append({"project_id": project_id, "id": one, **row}))
            seq += 1
    alone = [{"of": one} for one, new in after.items() if new is None and one in before]
    _write(connection, project_id, opened=opened, changed=(moved, earlier), alone=alone, closed=closed)
    return len(opened) + len(closed)


def record(connection: Connection, project_id: int, links: Mapping[Link, str]) -> None:
    """Keep links, each with why it links nobody ("" if it does). One that is kept with an earlier time stays so."""
    if not links:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(identity_links)
    new = statement.excluded
    statement = statement.on_conflict_do_update(
        index_elements=[column.name for column in identity_links.primary_key],
        set_={"time": new.time, "failed": new.failed},
        where=new.time <= identity_links.c.time,
    )
    ordered = sorted(links.items(), key=lambda each: each[0].pair)
    rows = [{"project_id": project_id, **link._asdict(), "failed": failed} for link, failed in ordered]
    connection.execute(statement, rows)


def recorded(
    connection: Connection, project_id: int, end: ColumnElement[str], ids: Iterable[str], *more: ColumnElement[bool]
) -> Iterator[tuple[Link, str]]:
    """The links whose `end` (a column of identity_links) is one of these ids, with why they link nobody."""
    for row in _rows(connection, select(identity_links), identity_links, project_id, end, ids, *more):
        yield Link(row.kind, row.one, row.other, row.time), row.failed


def pages(ids: Iterable[str]) -> Iterator[Sequence[str]]:
    """The ids in pages that a statement can hold, in their order: an index is gone through, not jumped about in."""
    every = sorted(ids)
    return (every[start : start + PAGE] for start in range(0, len(every), PAGE))


def _rows(
    connection: Connection,
    query: Select[Any],
    table: Table,
    project_id: int,
    column: ColumnElement[str],
    values: Iterable[str],
    *more: ColumnElement[bool],
) -> Iterator[Row[Any]]:
    for page in pages(values):
        yield from connection.execute(query.where(table.c.project_id == project_id, column.in_(page), *more))


def _next(connection: Connection, project_id: int, at: datetime) -> tuple[int, datetime]:
    """The next `seq`, and the first instant from `at` on at which nothing is known to have changed yet."""
    last = 0
    for table, instant in ((identities, identities.c.known_from), (identities_closed, identities_closed.c.known_to)):
        newest = select(table.c.seq, instant).where(table.c.project_id == project_id).order_by(table.c.seq.desc())
        for seq, known in connection.execute(newest.limit(1)):
            last, at = max(last, seq), max(at, known + _TICK)
    return last + 1, at


def _ended(old: Row[Any], project_id: int, seq: int, known_to: datetime) -> dict[str, Any]:
    row = {"id": old.id, "person": old.person, "known_from": old.known_from, "known_to": known_to}
    return {"project_id": project_id, "seq": seq, **row}


def _write(
    connection: Connection,
    project_id: int,
    *,
    opened: list[dict[str, Any]],
    changed: Sequence[list[dict[str, Any]]],
    alone: list[dict[str, Any]],
    closed: list[dict[str, Any]],
) -> None:
    this = and_(identities.c.project_id == project_id, identities.c.id == bindparam("of"))
    statements = (
        (identities.insert(), opened),
        *((identities.update().where(this), rows) for rows in changed),
        (identities.delete().where(this), alone),
        (identities_closed.insert(), closed),
    )
    for statement, rows in statements:
        if rows:
            connection.execute(statement, rows)


def newest(connection: Connection, project_id: int) -> int:
    """The highest `seq` of the project, 0 before anything was linked."""
    found = [
        connection.execute(select(func.max(table.c.seq)).where(table.c.project_id == project_id)).scalar() or 0
        for table in (identities, identities_closed)
    ]
    return max(found)
