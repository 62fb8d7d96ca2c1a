"""Cohorts that bring their own members: made, replaced, and pushed to. One project's; methods block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.cohorts.cohort import Cohort
from hub.cohorts.lists.brought import Brought, Session, report
from hub.cohorts.lists.changes import Applied, Mode, apply_change, changing
from hub.cohorts.lists.files import Layout, members_in
from hub.cohorts.lists.pages import Pages, check_page
from hub.cohorts.lists.resolving import ask
from hub.cohorts.lists.rows import Member, Tally, members_of, staging, write_batches, write_rows
from hub.cohorts.lists.sources import (
    DISTINCT_ID,
    RECEIVED,
    STATIC,
    Received,
    Source,
    Sql,
    Static,
    columns_called,
    document,
    key_property,
    kind_of_source,
    where_from,
)
from hub.cohorts.warehouses.kinds import kind_of
from hub.cohorts.warehouses.service import Warehouses
from hub.cohorts.warehouses.sql import checked_sql
from hub.errors import InputError, UsageError
from hub.events.source import opened

if TYPE_CHECKING:
    from hub.cohorts.service import Cohorts
    from hub.events.report import Stop
    from hub.store.lease import Lease
    from hub.workspace import Workspace


class Lists:
    """The cohorts of one project that bring their own members."""

    def __init__(self, workspace: Workspace, cohorts: Cohorts) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._cohorts = cohorts

    def add_static(
        self,
        name: str,
        file: str | Path,
        *,
        key: str = DISTINCT_ID,
        layout: Layout | None = None,
        description: str = "",
        message: str = "",
        replace: bool = False,
        stop: Stop | None = None,
    ) -> Brought:
        """Make a list of what a file says (`-`: standard input), or with `replace` put it in the place of one.

        A list that is there keeps its key. Lines that are wrong are told, and the rest goes in. Raises InputError (the
        file), AlreadyExists, UsageError; then nothing is kept.
        """
        there = self._of_kind(name, STATIC) if replace else None
        source = Static(key=_key_of(there) if there else key_property(key), origin=f"the file {_called(file)}")
        if not there:
            name = self._cohorts.free_name(name)
        staged, tally = self._staged_file(file, source.key, layout or Layout(), stop)
        try:
            if not tally.accepted and tally.rejected:
                raise InputError(
                    f"{_called(file)}: no line can be a member; line {tally.rejects[0][0]:,}: {tally.rejects[0][1]}",
                    hint="--key says what the file's keys are, --column which column has them.",
                )
            if not there:
                return self._first(name, source, description, message, staged, tally)
            done = self._brought(there, staged, tally, Mode.REPLACE, source.origin)
            self._cohorts.restate(name, document(source, there.description), message)
            return done
        finally:
            staged.unlink(missing_ok=True)

    def freeze(self, name: str, other: str, *, description: str = "", message: str = "") -> Brought:
        """Make a list of those who are in another cohort now. Who is in it stays; keys and values are looked up anew.

        What a list has of its own goes over as it is. Raises NotFound, AlreadyExists, UsageError, WarehouseError.
        """
        name, tally = self._cohorts.free_name(name), Tally()
        frozen = self._cohorts.get(other)
        key = _key_of(frozen) if frozen.source else DISTINCT_ID
        source = Static(key=key, origin=f"the cohort {other!r}, frozen", frozen=True)
        staged = self._staged_cohort(other, tally)
        try:
            return self._first(name, source, description, message, staged, tally)
        finally:
            staged.unlink(missing_ok=True)

    def add_sql(
        self,
        name: str,
        query: str,
        warehouse: str,
        *,
        key: str = DISTINCT_ID,
        column: str = "",
        properties: Sequence[str] = (),
        description: str = "",
        message: str = "",
    ) -> Brought:
        """Keep a query whose rows are the members, after asking the warehouse once.

        `column` has the key, by default the one that is called like it; `properties` are COLUMN[=NAME], by default
        every other column. Raises UsageError (SQL that is no query), NotFound, WarehouseError; then nothing is kept.
        """
        name, key = self._cohorts.free_name(name), key_property(key)
        sql = checked_sql(query, kind_of(Warehouses(self._workspace).get(warehouse).url).dialect)
        source = Sql(
            warehouse=warehouse,
            query=sql,
            key=key,
            column=column or self._key_column(sql, warehouse, key),
            properties=_named(properties),
        )
        with self._workspace.reading() as reader:
            found = ask(self._workspace, reader, source)
        cohort = self._kept(name, source, description, message)
        tally, size = found.tally, found.tally.accepted - found.repeated
        return Brought(
            cohort.name,
            tally.accepted,
            tally.rejected,
            tuple(tally.rejects),
            size=size,
            warnings=found.warnings(source),
        )

    def add_received(self, name: str, *, key: str = DISTINCT_ID, description: str = "", message: str = "") -> Cohort:
        """Make an empty list that others keep. Raises AlreadyExists, UsageError."""
        return self._kept(self._cohorts.free_name(name), Received(key=key_property(key)), description, message)

    def receive_file(
        self, name: str, file: str | Path, mode: Mode, *, layout: Layout | None = None, stop: Stop | None = None
    ) -> Brought:
        """Replace the members of a received cohort by those of a file, add these, or remove them. Raises InputError,
        NotFound, UsageError, Busy; then nothing is changed."""
        cohort = self._of_kind(name, RECEIVED)
        staged, tally = self._staged_file(file, _key_of(cohort), layout or Layout(), stop)
        try:
            return self._brought(cohort, staged, tally, mode, f"the file {_called(file)}")
        finally:
            staged.unlink(missing_ok=True)

    def change(self, name: str, members: Iterable[Any], mode: Mode) -> Brought:
        """Replace, add or remove members of a received cohort: mappings with the key under its property, and others.

        Harmless when repeated; who is not there is removed in silence. Raises NotFound, UsageError, Busy.
        """
        cohort, tally = self._of_kind(name, RECEIVED), Tally()
        found = members_of(members, _key_of(cohort), tally)
        staged = write_rows(staging(self._workspace.lake), found, tally)
        try:
            return self._brought(cohort, staged, tally, mode, "pushed to the hub")
        finally:
            staged.unlink(missing_ok=True)

    def change_once(self, name: str, members: Iterable[Any], mode: Mode, session: str) -> Brought | None:
        """As `change`, but nothing is done again under the same `session`; None when it was done already."""
        cohort, tally = self._of_kind(name, RECEIVED), Tally()
        if Pages(self._workspace, cohort.id, session).are_applied():
            return None
        found = members_of(members, _key_of(cohort), tally)
        staged = write_rows(staging(self._workspace.lake), found, tally)
        try:
            return self._brought(cohort, staged, tally, mode, "pushed to the hub", session)
        finally:
            staged.unlink(missing_ok=True)

    def stage(self, name: str, session: str, page: int, total: int, members: Iterable[Any]) -> tuple[Session, Brought]:
        """Take in page `page` (from 1) of `total` of a whole list. When all are in they take the list's place, at once.

        Pages may come in any order and more than once; the last copy of a page counts. Of a session that was applied
        nothing is taken in again. Raises NotFound, UsageError (a page that cannot be), Busy.
        """
        cohort, tally = self._of_kind(name, RECEIVED), Tally()
        check_page(session, page, total)
        pages = Pages(self._workspace, cohort.id, session)
        if pages.are_applied():
            return Session(0, applied=True), report(cohort, tally)
        found = members_of(members, _key_of(cohort), tally)
        file = write_rows(staging(self._workspace.lake), found, tally)
        with changing(self._workspace, cohort.id, cohort.name) as lease:
            if pages.are_applied():
                file.unlink(missing_ok=True)
                return Session(0, applied=True), report(cohort, tally)
            files = pages.note(page, total, file)
            if len(files) < total:
                return Session(total - len(files), applied=False), report(cohort, tally)
            done = self._apply(lease, cohort, files, Mode.REPLACE, "pushed to the hub", session)
            pages.forget_all()
        return Session(0, applied=True), report(cohort, tally, done)

    def _first(self, name: str, source: Source, description: str, message: str, staged: Path, tally: Tally) -> Brought:
        """Keep a new list with its members, or nothing."""
        cohort = self._kept(name, source, description, message)
        try:
            return self._brought(cohort, staged, tally, Mode.REPLACE, where_from(source))
        except BaseException:
            self._cohorts.remove(name)
            raise

    def _brought(self, cohort: Cohort, file: Path, tally: Tally, mode: Mode, origin: str, session: str = "") -> Brought:
        with changing(self._workspace, cohort.id, cohort.name) as lease:
            return report(cohort, tally, self._apply(lease, cohort, [file], mode, origin, session))

    def _apply(
        self, lease: Lease, cohort: Cohort, files: Sequence[Path], mode: Mode, origin: str, session: str
    ) -> Applied:
        return apply_change(self._workspace, lease, cohort.id, files, mode, origin=origin, session=session)

    def _kept(self, name: str, source: Source, description: str, message: str) -> Cohort:
        kind = kind_of_source(source)
        return self._cohorts.keep(name, document(source, description), description, kind=kind, message=message)

    def _of_kind(self, name: str, kind: str) -> Cohort:
        cohort = self._cohorts.get(name)
        if cohort.kind != kind:
            what = "no list of a file" if kind == STATIC else "not one that members are pushed to"
            raise UsageError(
                f"The cohort {name!r} is {what}: it is {cohort.kind}, and its members come from {cohort.members_from}.",
                hint="`hub cohort add NAME --received` makes one that members are pushed to.",
            )
        return cohort

    def _staged_file(self, file: str | Path, key: str, layout: Layout, stop: Stop | None) -> tuple[Path, Tally]:
        tally = Tally()
        with opened(file, home=self._workspace.settings.home, stop=stop) as found:
            members = members_in(found, key, layout, tally, stop)
            return write_rows(staging(self._workspace.lake), members, tally), tally

    def _staged_cohort(self, name: str, tally: Tally) -> Path:
        from hub.cohorts.members import evaluate

        question = self._cohorts.question(name)
        with self._workspace.reading() as reader:
            if question.listing is None:
                people = evaluate(reader, self._workspace.project, question)
                rows: Iterator[Member] = (
                    (person, {}) for batch in reader.batches(people) for person in batch.column("person").to_pylist()
                )
                return write_rows(staging(self._workspace.lake), rows, tally)
            listed = question.listing.rows(reader)
            tally.accepted = int(reader.value(listed.count()))
            return write_batches(staging(self._workspace.lake), reader.batches(listed))

    def _key_column(self, sql: str, warehouse: str, key: str) -> str:
        with (
            self._workspace.reading() as reader,
            Warehouses(self._workspace).opened(warehouse, reader.scratch) as found,
        ):
            columns = found.query(sql).columns
        for called in columns_called(key):
            if called in columns:
                return called
        raise UsageError(
            f"No column of the query is called {' or '.join(columns_called(key))}.",
            hint=f"Say which one has the key, with --column: there are {', '.join(columns[:30])}.",
        )


def _key_of(cohort: Cohort) -> str:
    assert cohort.source is not None
    return cohort.source.key


def _called(file: str | Path) -> str:
    return "standard input" if str(file) == "-" else Path(file).name


def _named(properties: Sequence[str]) -> dict[str, str] | None:
    """COLUMN[=NAME], as property name -> column. Raises UsageError when two would be one."""
    if not properties:
        return None
    found: dict[str, str] = {}
    for spelt in properties:
        column, _, name = spelt.partition("=")
        if (name or column) in found:
            raise UsageError(f"Two columns would become the property {name or column}.", hint="Rename one: COLUMN=NAME")
        found[name or column] = column
    return found
