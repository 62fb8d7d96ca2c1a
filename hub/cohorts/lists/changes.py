"""How the list of a cohort changes: each change is worked out against what is there, and applied as a whole or not.

A change has a row in the control plane, which makes its rows in the lake count: they are written first. What was
written by a process that died counts for nobody. Only what differs is written, so that the same list twice changes
nothing, and the list as of an earlier time can still be asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import Connection, select

from hub.clock import now
from hub.cohorts.lists.rows import MAPS, ROWS
from hub.lake.reading import Reader, reading
from hub.lake.snapshot import Filter
from hub.lake.tables import COHORT_MEMBERS
from hub.store.holding import holding
from hub.store.tables import member_changes

if TYPE_CHECKING:
    import ibis
    from sqlalchemy import Row

    from hub.store.lease import Lease
    from hub.workspace import Workspace

KEPT = timedelta(days=90)
"""How long a list can be asked for as it was, at the least."""
MOST_CHANGES = 50
"""Changes after which a list is written as a whole again; or when they have more rows than it, and MANY."""
MANY = 100_000

_TYPES = {
    "strings": "map<string, string>",
    "numbers": "map<string, float64>",
    "booleans": "map<string, boolean>",
    "times": "map<string, timestamp('UTC', 6)>",
    "lists": "map<string, array<string>>",
}
"""The typed maps as they are read from files. A table without a file has keys that cannot be null, which is another
type to Ibis."""

_HAS_ROWS = member_changes.c.whole | (member_changes.c.written > 0) | (member_changes.c.taken_out > 0)


class Mode(StrEnum):
    """What members that are brought mean for those that are there."""

    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True)
class Applied:
    """A change that was applied: `added` members, `changed` ones (other properties), `removed` ones, and the list's
    `size` after it."""

    added: int
    changed: int
    removed: int
    size: int


def live_changes(connection: Connection, cohort_id: int, at: datetime | None = None) -> list[int]:
    """The changes that make up the list of a cohort now, or as of `at` (aware), the earliest first."""
    query = select(member_changes.c.id, member_changes.c.whole).where(
        member_changes.c.cohort_id == cohort_id, member_changes.c.applied_at.is_not(None), _HAS_ROWS
    )
    if at is not None:
        query = query.where(member_changes.c.applied_at <= at)
    rows = connection.execute(query.order_by(member_changes.c.id)).all()
    first = max((place for place, row in enumerate(rows) if row.whole), default=0)
    return [row.id for row in rows[first:]]


def members_after(reader: Reader, cohort_id: int, changes: Sequence[int]) -> ibis.Table:
    """The list that these changes make (the earliest first): `key`, each once, and the typed maps."""
    if not changes:
        return _nobody(reader)
    first = _rows(reader, cohort_id, changes[:1])
    if len(changes) == 1:
        return first.filter(~first.gone)[ROWS.names]
    newest = _newest(_rows(reader, cohort_id, changes[1:]), "change")
    untouched = first.anti_join(newest, "key")
    return untouched.filter(~untouched.gone)[ROWS.names].union(newest.filter(~newest.gone)[ROWS.names])


@contextmanager
def changing(workspace: Workspace, cohort_id: int, name: str) -> Iterator[Lease]:
    """Let nobody else change the list of a cohort meanwhile. Raises Busy."""
    with holding(workspace.store, f"members {cohort_id}", what=f"The list of the cohort {name!r}") as lease:
        yield lease


def apply_change(
    workspace: Workspace,
    lease: Lease,
    cohort_id: int,
    files: Sequence[Path],
    mode: Mode,
    *,
    origin: str,
    session: str = "",
) -> Applied:
    """Apply members (files of `ROWS`; of the same key twice, that of the last file counts) to the list of a cohort.

    `lease` is that of `changing`. Killed anywhere, all of it counts or nothing. Raises StoreError; Busy when this
    process slept, and another one has taken the list over.
    """
    with workspace.store.reading() as connection:
        live = live_changes(connection, cohort_id)
    with _reading(workspace) as reader:
        wanted = reader.keep(_brought(reader, files))
        different = reader.keep(_difference(wanted, members_after(reader, cohort_id, live), mode))
        before = reader.value(members_after(reader, cohort_id, live).count())
        told = different.aggregate(
            added=(~different.gone & different.is_new).sum().fill_null(0),
            changed=(~different.gone & ~different.is_new).sum().fill_null(0),
            removed=different.gone.sum().fill_null(0),
        )
        row = next(iter(reader.batches(told))).to_pylist()[0]
        counted = {name: int(figure) for name, figure in row.items()}
        done = Applied(**counted, size=before + counted["added"] - counted["removed"])
        values = {"origin": origin, "session": session}
        if any(counted.values()):
            _write(workspace, reader, lease, cohort_id, different, done, values)
        elif session:
            _note_session(workspace, lease, cohort_id, done, values)
    tidy(workspace, lease, cohort_id)
    return done


def tidy(workspace: Workspace, lease: Lease, cohort_id: int) -> None:
    """Write a list as a whole again when it has changed often, and forget changes that nobody can ask for any more.

    `lease` is that of `changing`.
    """
    with workspace.store.reading() as connection:
        live = live_changes(connection, cohort_id)
        rows = connection.execute(select(member_changes).where(member_changes.c.cohort_id == cohort_id)).all()
    of_live = [row for row in rows if row.id in live]
    size = of_live[-1].size if of_live else 0
    if len(live) > MOST_CHANGES or sum(row.written + row.taken_out for row in of_live[1:]) > max(MANY, size):
        with _reading(workspace) as reader:
            everybody = members_after(reader, cohort_id, live).mutate(gone=False)
            done = Applied(size, 0, 0, size)
            values = {"origin": of_live[-1].origin, "session": "", "whole": True}
            _write(workspace, reader, lease, cohort_id, everybody, done, values)
    _forget(workspace, cohort_id, _forgettable(rows))


def forget_list(workspace: Workspace, cohort_id: int) -> None:
    """Take all that a list ever held out of the lake."""
    with workspace.store.reading() as connection:
        rows = connection.execute(select(member_changes).where(member_changes.c.cohort_id == cohort_id)).all()
    _forget(workspace, cohort_id, rows)


def _difference(wanted: ibis.Table, there: ibis.Table, mode: Mode) -> ibis.Table:
    """What has to be written: `gone`, `is_new`, and a member's columns."""
    import ibis

    parts = []
    if mode is not Mode.REMOVE:
        old = there.select(old_key=there.key, **{f"old_{name}": there[name] for name in MAPS})
        both = wanted.left_join(old, wanted.key == old.old_key)
        same = [_text(both[name]) == _text(both[f"old_{name}"]) for name in MAPS]
        both = both.mutate(gone=ibis.literal(False), is_new=both.old_key.isnull())
        parts.append(both.filter(both.is_new | ~reduce(lambda left, right: left & right, same)))
    if mode is not Mode.ADD:
        leaving = there.semi_join(wanted, "key") if mode is Mode.REMOVE else there.anti_join(wanted, "key")
        empty = {name: ibis.null(str(leaving.schema()[name])) for name in MAPS}
        parts.append(leaving.mutate(gone=ibis.literal(True), is_new=ibis.literal(False), **empty))
    columns = ["gone", "is_new", *ROWS.names]
    return reduce(lambda left, right: left.union(right), [part[columns] for part in parts])


def _brought(reader: Reader, files: Sequence[Path]) -> ibis.Table:
    import ibis

    if not files:
        return _nobody(reader)
    parts = [reader.files(path).mutate(place=ibis.literal(place)) for place, path in enumerate(files)]
    return _newest(reduce(lambda left, right: left.union(right), parts), "place")[ROWS.names]


def one_of_each(rows: ibis.Table) -> ibis.Table:
    """Of each key one row, always the same one."""
    return _newest(rows, "")[ROWS.names]


def _newest(rows: ibis.Table, by: str) -> ibis.Table:
    """Of each key the row of the newest change (the highest in the column `by`); of one change always the same one."""
    import ibis

    order = [*([rows[by].desc()] if by else []), *(_text(rows[name]) for name in MAPS if name in rows.columns)]
    return rows.mutate(nth=ibis.row_number().over(group_by=rows.key, order_by=order)).filter(lambda row: row.nth == 0)


def _text(value: ibis.Value) -> ibis.Value:
    return value.cast("string").fill_null("")


def _rows(reader: Reader, cohort_id: int, changes: Sequence[int]) -> ibis.Table:
    partitions: list[Filter] = [
        ("cohort_id", "=", str(cohort_id)),
        ("change", "in", [str(change) for change in changes]),
    ]
    rows = reader.table(COHORT_MEMBERS, partitions)
    return rows.cast(_TYPES)


def _nobody(reader: Reader) -> ibis.Table:
    return reader.rows(ROWS.empty_table()).cast(_TYPES)


def _write(
    workspace: Workspace,
    reader: Reader,
    lease: Lease,
    cohort_id: int,
    rows: ibis.Table,
    done: Applied,
    values: Mapping[str, Any],
) -> None:
    import ibis

    figures = {"written": done.added + done.changed, "taken_out": done.removed, "size": done.size}
    with workspace.store.writing() as connection:
        inserted = connection.execute(member_changes.insert().values(cohort_id=cohort_id, **values, **figures))
        change = int(inserted.inserted_primary_key[0])  # type: ignore[index]  # a single row has one
    numbered = rows.mutate(
        project_id=ibis.literal(workspace.project.id, "int32"),
        cohort_id=ibis.literal(cohort_id, "int32"),
        change=ibis.literal(change, "int64"),
    )[COHORT_MEMBERS.schema.names]

    def batches() -> Iterator[pa.RecordBatch]:
        return reader.batches(numbered)

    workspace.lake.append(COHORT_MEMBERS, batches, application=f"members {cohort_id}", version=change)
    with workspace.store.writing() as connection:
        lease.check(connection)
        connection.execute(member_changes.update().where(member_changes.c.id == change).values(applied_at=now()))


def _note_session(workspace: Workspace, lease: Lease, cohort_id: int, done: Applied, values: Mapping[str, Any]) -> None:
    """Remember a session that changed nothing: its pages may come again."""
    with workspace.store.writing() as connection:
        lease.check(connection)
        connection.execute(
            member_changes.insert().values(cohort_id=cohort_id, size=done.size, applied_at=now(), **values)
        )


def _forgettable(rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The changes that no time that is kept needs: never applied, or before the list was last written as a whole."""
    then = now() - KEPT
    old = [row for row in rows if row.applied_at and row.applied_at < then]
    first = max((row.id for row in old if row.whole), default=0)
    notes = [row for row in old if not (row.whole or row.written or row.taken_out)]
    return [row for row in rows if row.applied_at is None or row.id < first or row in notes]


def _forget(workspace: Workspace, cohort_id: int, rows: Sequence[Row[Any]]) -> None:
    in_the_lake = [str(row.id) for row in rows if row.whole or row.written or row.taken_out]
    if in_the_lake:
        workspace.lake.replace(
            COHORT_MEMBERS,
            COHORT_MEMBERS.schema.empty_table(),
            predicate=f"cohort_id = {cohort_id} and change in ({', '.join(in_the_lake)})",
        )
    if rows:
        with workspace.store.writing() as connection:
            connection.execute(member_changes.delete().where(member_changes.c.id.in_([row.id for row in rows])))


@contextmanager
def _reading(workspace: Workspace) -> Iterator[Reader]:
    """Open the lake without moving what has arrived: no event is asked for."""
    settings = workspace.settings
    with reading(workspace.lake, memory_limit=settings.memory_limit, threads=settings.threads) as reader:
        yield reader
