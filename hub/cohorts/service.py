"""The cohorts of a project: kept, listed, counted and read out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy.exc import IntegrityError

from hub.clock import now
from hub.cohorts.asked import asked_for
from hub.cohorts.cohort import Cohort, CohortCount, cohort_of
from hub.cohorts.definition import Definition
from hub.cohorts.editing import (
    Edited,
    Followers,
    Wanted,
    check_definition,
    described,
    document_before,
    followers,
    insert,
    read_wanted,
    rewrite,
    row_to_change,
    unknown_in,
    wanted_document,
)
from hub.cohorts.lists.sources import DYNAMIC
from hub.cohorts.question import Question
from hub.cohorts.references import closure, users
from hub.cohorts.rows import all_definitions, definitions, live, lock_all, row_called, row_or_removed, sound_name, taken
from hub.cohorts.versions import (
    REMOVED,
    REVERTED,
    Difference,
    Signature,
    Version,
    difference,
    note,
    version_called,
    versions_of,
)
from hub.errors import UsageError
from hub.store.removal import Uses, retire_syncs, uses
from hub.store.tables import cohorts, syncs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from hub.cohorts.counting import Refreshed
    from hub.cohorts.export import Format
    from hub.cohorts.history import History
    from hub.workspace import Workspace


class Cohorts:
    """The cohorts of one project. Methods block; a UI calls them on a worker thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._project_id = workspace.project.id

    def add(
        self, name: str, definition: Definition | str | Path, description: str = "", *, message: str = ""
    ) -> Cohort:
        """Keep a definition under a name: one at hand, its text (YAML or JSON), or the file that it is in.

        Without a `description` the definition's own is taken; `message` says why, in the history. Raises
        DefinitionError, InputError (the file), AlreadyExists, UsageError (a name that cannot be one), NotFound (a
        cohort that it names); then nothing is kept. Names that the data does not have yet are `warnings` of the result.
        """
        name = self.free_name(name)
        read = read_wanted(definition)
        with self._store.reading() as connection:
            closure(read, definitions(connection, self._project_id), name=name)
        warnings = unknown_in(self._workspace, read)
        return replace(
            self.keep(name, read.document(), description or read.description, message=message), warnings=warnings
        )

    def free_name(self, name: str) -> str:
        """The name of a new cohort. Raises UsageError for one that cannot be, AlreadyExists for one that is taken."""
        name = sound_name(name)
        with self._store.reading() as connection:
            if connection.execute(live(self._project_id).where(cohorts.c.name == name)).first():
                raise taken(name)
        return name

    def keep(
        self, name: str, document: Mapping[str, Any], description: str, *, kind: str = DYNAMIC, message: str = ""
    ) -> Cohort:
        """Keep a new cohort of a kind, whose definition (or source) is known to be right. Raises AlreadyExists."""
        document, by = described(document, description), self._signed(message)
        try:
            with self._store.writing() as connection:
                insert(connection, self._project_id, name, document, by, kind=kind)
        except IntegrityError as error:
            raise taken(name) from error
        return self.get(name)

    def edit(
        self,
        name: str,
        wanted: Wanted | None = None,
        description: str | None = None,
        *,
        message: str = "",
        version: int | None = None,
    ) -> Edited:
        """Change a cohort's definition (see `add`; of SQL, its query), its description, or both; a new version.

        None leaves what is there; a definition that brings a description brings it along. With `version`, the cohort
        must still have that one. What uses the cohort goes on with the new definition. Raises as of `add`, UsageError
        for what is no definition, Overtaken when somebody was quicker; then nothing is changed.
        """
        document, warnings = None, tuple[str, ...]()
        if wanted is not None:
            document, warnings = wanted_document(self._workspace, self.get(name), wanted)
        with self._store.writing() as connection:
            row = row_to_change(connection, self._project_id, name, version)
            if description is None:
                description = str((document or {}).get("description") or row.description)
            document = described(document or row.definition, description)
            if row.kind == DYNAMIC:
                check_definition(connection, self._project_id, name, document)
            changed = rewrite(connection, row, document, self._signed(message))
            following = followers(connection, self._project_id, name)
        return Edited(self.get(name), changed, following, warnings)

    def revert(self, name: str, to: int, *, message: str = "", version: int | None = None) -> Edited:
        """Make a cohort what it was in its version `to`; that is a new version.

        Raises NotFound, UsageError for a list, whose members no version has; else as of `edit`.
        """
        with self._store.writing() as connection:
            row = row_to_change(connection, self._project_id, name, version)
            document = document_before(row, version_called(versions_of(connection, row), to))
            if row.kind == DYNAMIC:
                check_definition(connection, self._project_id, name, document)
            changed = rewrite(connection, row, document, self._signed(message), change=REVERTED, restored=to)
            following = followers(connection, self._project_id, name)
        return Edited(self.get(name), changed, following)

    def followers(self, name: str) -> Followers:
        """What follows a change of a cohort. Raises NotFound."""
        with self._store.reading() as connection:
            return followers(connection, self._project_id, self._row(connection, name).name)

    def versions(self, name: str) -> Sequence[Version]:
        """Every version of a cohort, the first one first; of the one that was removed last, if there is none now.

        Raises NotFound.
        """
        with self._store.reading() as connection:
            return versions_of(connection, row_or_removed(connection, self._project_id, name))

    def diff(self, name: str, since: int | None = None, until: int | None = None) -> Difference:
        """What differs between two versions: the newest and the one before, unless said. Raises NotFound."""
        return difference(self.versions(name), since, until)

    def restate(self, name: str, document: Mapping[str, Any], message: str = "") -> Cohort:
        """Say anew where the members of a cohort of its own kind come from. Raises NotFound."""
        with self._store.writing() as connection:
            row = row_to_change(connection, self._project_id, name, None)
            rewrite(connection, row, document, self._signed(message))
        return self.get(name)

    def list(self) -> list[Cohort]:
        """Every cohort, by name. Raises DefinitionError when a newer hub wrote one."""
        query = live(self._project_id).order_by(cohorts.c.name)
        with self._store.reading() as connection:
            return [cohort_of(row) for row in connection.execute(query)]

    def get(self, name: str) -> Cohort:
        """The cohort called `name`. Raises NotFound with the nearest name."""
        with self._store.reading() as connection:
            return cohort_of(self._row(connection, name))

    def question(self, name: str, *, as_of: datetime | None = None, known_at: datetime | None = None) -> Question:
        """What asks for the people in a cohort: as of now, or of another instant (aware).

        Raises NotFound, also for a cohort that it rests on and that is not there; UsageError for a time at which nobody
        knows who was on a list that it rests on.
        """
        return asked_for(self._workspace, [name], as_of=as_of, known_at=known_at)[0].question

    def count(self, name: str, *, as_of: datetime | None = None, known_at: datetime | None = None) -> CohortCount:
        """Count the people in a cohort. What is counted as of now is kept with the cohort. Raises NotFound.

        `as_of` (aware) hides later events; `known_at` (aware) hides what the hub got later.
        """
        return self.count_all([name], as_of=as_of, known_at=known_at)[0]

    def count_all(
        self, names: Sequence[str] = (), *, as_of: datetime | None = None, known_at: datetime | None = None
    ) -> Sequence[CohortCount]:
        """Count several cohorts (none named: all) as of the same instant, in shared scans. As of `count`."""
        from hub.cohorts.counting import count

        return count(self._workspace, names or self._names(), as_of=as_of, known_at=known_at)

    def refresh(self, names: Sequence[str] = ()) -> Sequence[Refreshed]:
        """Evaluate cohorts (none named: all) now, and record who entered and left. See `hub.cohorts.counting`."""
        from hub.cohorts.counting import refresh

        return refresh(self._workspace, names or self._names())

    def members(
        self,
        name: str,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        properties: Sequence[str] = (),
    ) -> Iterator[dict[str, Any]]:
        """Everybody who is in a cohort, each once, in no promised order; never all of them in memory.

        Keys: `person`, `distinct_id` (the canonical one), `user_id`, `email`; with `properties` also `properties`,
        those of the profile (of a list: its own first) that are set. `as_of` and `known_at` as of `count`. Raises
        NotFound.
        """
        from hub.cohorts.reading_out import read_out

        return read_out(self._workspace, self.question(name, as_of=as_of, known_at=known_at), properties)

    def export(
        self,
        name: str,
        stream: IO[bytes],
        kind: Format,
        *,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        properties: Sequence[str] = (),
    ) -> int:
        """Write everybody who is in a cohort to a stream of bytes; returns how many. See `hub.cohorts.export`."""
        from hub.cohorts.export import export

        question = self.question(name, as_of=as_of, known_at=known_at)
        return export(self._workspace, question, stream, kind, properties)

    def history(
        self,
        name: str,
        instants: Sequence[datetime],
        *,
        known_at: datetime | None = None,
        done: Callable[[int], None] | None = None,
    ) -> History:
        """The size of a cohort as of several instants (aware). See `hub.cohorts.history`."""
        from hub.cohorts.history import history

        return history(self._workspace, name, instants, known_at=known_at, done=done)

    def changes(
        self, name: str, since: datetime, until: datetime, *, known_at: datetime | None = None
    ) -> Iterator[dict[str, Any]]:
        """Who entered and left a cohort between two instants (aware). See `hub.cohorts.history`."""
        from hub.cohorts.history import changes

        return changes(self._workspace, name, since, until, known_at=known_at)

    def uses(self, name: str) -> Uses:
        """The syncs that a cohort is used by, and those that would be removed with it. Raises NotFound."""
        with self._store.reading() as connection:
            return uses(connection, syncs.c.cohort_id == self._row(connection, name).id)

    def remove(self, name: str, *, message: str = "") -> tuple[str, ...]:
        """Remove a cohort, with its syncs that are over; returns their names. The ledger keeps their runs.

        Raises NotFound, and UsageError while an active sync uses it, or another cohort names it.
        """
        at = now()
        with self._store.writing() as connection:
            lock_all(connection, self._project_id)
            row = self._row(connection, name)
            self._refuse_if_named(connection, row.name)
            gone = retire_syncs(connection, syncs.c.cohort_id == row.id, what=f"The cohort {row.name!r}", at=at)
            values = {"removed_at": at, "version": row.version + 1}
            connection.execute(cohorts.update().where(cohorts.c.id == row.id).values(values))
            said = (row.description, row.definition)
            note(connection, row.id, row.version + 1, REMOVED, said, self._signed(message))
        if row.kind != DYNAMIC:
            from hub.cohorts.lists.changes import forget_list

            forget_list(self._workspace, row.id)
        return gone

    def _refuse_if_named(self, connection: Connection, name: str) -> None:
        by = users(name, all_definitions(connection, self._project_id))
        if by:
            named = ", ".join(repr(each) for each in by[:5]) + (f" and {len(by) - 5} more" if len(by) > 5 else "")
            raise UsageError(
                f"The cohort {name!r} is named by {'the cohort' if len(by) == 1 else 'the cohorts'} {named}.",
                hint="Remove them first, or change their definitions.",
            )

    def _row(self, connection: Connection, name: str) -> Row[Any]:
        return row_called(connection, self._project_id, name)

    def _signed(self, message: str) -> Signature:
        return Signature(self._workspace.settings.who, message.strip())

    def _names(self) -> Sequence[str]:
        with self._store.reading() as connection:
            return [row.name for row in connection.execute(live(self._project_id).order_by(cohorts.c.name))]
