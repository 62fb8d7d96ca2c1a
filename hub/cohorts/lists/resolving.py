"""From where a cohort's members come from to the members themselves, as of one time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hub.clock import counted, shown
from hub.cohorts.lists.changes import live_changes, members_after
from hub.cohorts.lists.listing import Listing
from hub.cohorts.lists.rows import Tally, write_rows
from hub.cohorts.lists.sources import Sql, Static
from hub.errors import UsageError

if TYPE_CHECKING:
    import ibis
    from sqlalchemy import Connection

    from hub.cohorts.lists.sources import Source
    from hub.lake.reading import Reader
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Found:
    """The rows that a query found: a file of `hub.cohorts.lists.rows.ROWS` and what was left out of it.

    `repeated` rows have a key that another row has, too; of each key one row counts.
    """

    file: Path
    tally: Tally
    repeated: int

    def warnings(self, source: Sql) -> tuple[str, ...]:
        """What is not well with the query's rows, in sentences."""
        said = []
        if self.tally.rejected:
            row, why = self.tally.rejects[0]
            said.append(
                f"{counted(self.tally.rejected, 'row')} of the query on {source.warehouse} cannot be members, the "
                f"first is row {row:,}: {why}"
            )
        if self.repeated:
            said.append(
                f"The query on {source.warehouse} repeats {source.column} in {counted(self.repeated, 'row')}: one row "
                "of each counts. GROUP BY it."
            )
        return tuple(said)


def listing_of(
    workspace: Workspace,
    connection: Connection,
    cohort: tuple[int, str, Source, datetime],
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> Listing:
    """The members of a cohort (id, name, source, when it was made) that brings its own.

    Raises UsageError when it is asked as of a time that nobody knows it at.
    """
    number, name, source, made_at = cohort
    asked = [at for at in (as_of, known_at) if at is not None]
    if isinstance(source, Sql):
        if asked:
            raise UsageError(
                f"The cohort {name!r} is SQL on a warehouse, which tells who is in it now, and not who was.",
                hint="Ask without --as-of and --known-at.",
            )
        return Listing(name, source.key, lambda reader: _of_query(workspace, reader, number, source))
    at = min(asked, default=None)
    if at is not None and at < made_at:
        raise UsageError(
            f"The cohort {name!r} has no history before it was made, on {shown(made_at, workspace.project.timezone)}.",
            hint="Ask for a later time.",
        )
    changes = live_changes(connection, number, at)
    frozen = isinstance(source, Static) and source.frozen
    return Listing(name, source.key, lambda reader: members_after(reader, number, changes), known_at, frozen)


def found_by(workspace: Workspace, reader: Reader, number: int, source: Sql) -> Found:
    """Ask the warehouse of a cohort, once for each reader. Raises NotFound, WarehouseError, AddressRefused."""
    return reader.once(("asked", number), lambda: ask(workspace, reader, source))


def ask(workspace: Workspace, reader: Reader, source: Sql) -> Found:
    """Ask a warehouse for members, and keep them for as long as this reader: all of them or none.

    Raises NotFound, WarehouseError, AddressRefused.
    """
    from hub.cohorts.warehouses.asking import asked_members
    from hub.cohorts.warehouses.service import Warehouses

    tally = Tally()
    with Warehouses(workspace).opened(source.warehouse, reader.scratch) as warehouse:
        file = write_rows(reader.scratch, asked_members(warehouse, source, tally), tally)
    keys = reader.files(file).key
    return Found(file, tally, tally.accepted - int(reader.value(keys.nunique())))


def _of_query(workspace: Workspace, reader: Reader, number: int, source: Sql) -> ibis.Table:
    from hub.cohorts.lists.changes import one_of_each

    found = found_by(workspace, reader, number, source)
    rows = reader.files(found.file)
    if not found.repeated:
        return rows
    return reader.once(("asked once", number), lambda: reader.keep(one_of_each(rows)))
