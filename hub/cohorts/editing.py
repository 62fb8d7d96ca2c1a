"""Changing a cohort that is there: checked against all that name it, told to whoever began with an older version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from hub.clock import now
from hub.cohorts.cohort import Cohort
from hub.cohorts.definition import HEADER, Definition
from hub.cohorts.lists.sources import DYNAMIC, SQL, Sql, document
from hub.cohorts.reading import read_definition, read_definition_file, stored_definition, text_of_file
from hub.cohorts.references import closure, users
from hub.cohorts.rows import all_definitions, lock_all, row_called
from hub.cohorts.versions import EDITED, MADE, Signature, Version, note, versions_of
from hub.errors import NotFound, Overtaken, UsageError
from hub.store.tables import cohorts, syncs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from hub.workspace import Workspace

Wanted = Definition | Sql | str | Path
"""What a cohort is to be: at hand, its text (YAML or JSON), or the file that it is in."""


@dataclass(frozen=True)
class Followers:
    """What follows when a cohort changes: the cohorts that rest on it, and the active syncs of all of these."""

    cohorts: tuple[str, ...]
    syncs: tuple[str, ...]


@dataclass(frozen=True)
class Edited:
    """A cohort after a change, whether anything changed at all, and what follows it. `warnings` are sentences."""

    cohort: Cohort
    changed: bool
    followers: Followers
    warnings: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort edit --json` and `revert --json`."""
        return {
            **self.cohort.figures(),
            "changed": self.changed,
            "cohorts": list(self.followers.cohorts),
            "syncs": list(self.followers.syncs),
            "warnings": list(self.warnings),
        }


def wanted_document(workspace: Workspace, cohort: Cohort, wanted: Wanted) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The document of what a cohort of its kind is to be, and warnings. A warehouse is asked whether it can be.

    Raises UsageError for members that are no definition; else as of what reads it.
    """
    if cohort.kind == DYNAMIC and not isinstance(wanted, Sql):
        definition = read_wanted(wanted)
        return definition.document(), unknown_in(workspace, definition)
    if cohort.kind == SQL and not isinstance(wanted, Definition):
        from hub.cohorts.lists.querying import read_query, tried

        text, place = (text_of_file(wanted), wanted.name) if isinstance(wanted, Path) else (wanted, "the query")
        source, description = (text, "") if isinstance(text, Sql) else read_query(text, place)
        source, warnings = tried(workspace, source)
        return document(source, description), warnings
    raise UsageError(
        f"The cohort {cohort.name!r} is {cohort.kind}: its members come from {cohort.members_from}.",
        hint="Of its kind, only the description can be edited. What it is cannot become another kind.",
    )


def read_wanted(wanted: Definition | str | Path) -> Definition:
    """The definition at hand, or in the text or the file. Raises DefinitionError and InputError (the file)."""
    if isinstance(wanted, Definition):
        return wanted
    return read_definition_file(wanted) if isinstance(wanted, Path) else read_definition(wanted)


def unknown_in(workspace: Workspace, definition: Definition) -> tuple[str, ...]:
    """A sentence for each name in a definition that the data does not have."""
    from hub.cohorts.names import unknown_names

    with workspace.reading() as reader:
        return unknown_names(reader, workspace.project, definition)


def described(document: Mapping[str, Any], description: str) -> dict[str, Any]:
    """A cohort's document with that description in it, and no other."""
    header = {"version": document.get("version", 1), **({"description": description} if description else {})}
    return {**header, **{key: value for key, value in document.items() if key not in HEADER}}


def document_before(row: Row[Any], version: Version) -> dict[str, Any]:
    """What a cohort was in one of its versions. Raises UsageError for a list, whose members no version has."""
    if row.kind not in (DYNAMIC, SQL):
        raise UsageError(
            f"The cohort {row.name!r} is {row.kind}: its versions tell where its members came from, and have none.",
            hint="Bring the members again, with `hub cohort add --static FILE --replace` or `receive`.",
        )
    return described(version.document, version.description)


def insert(
    connection: Connection, project_id: int, name: str, document: Mapping[str, Any], by: Signature, *, kind: str
) -> None:
    """Make a cohort of a document that is known to be right. Raises IntegrityError when the name is taken."""
    at, description = now(), str(document.get("description", ""))
    row = {
        "project_id": project_id,
        "name": name,
        "kind": kind,
        "description": description,
        "definition": dict(document),
        "version": 1,
        "created_at": at,
        "updated_at": at,
    }
    made = connection.execute(cohorts.insert().values(row).returning(cohorts.c.id)).scalar_one()
    note(connection, made, 1, MADE, (description, document), by)


def rewrite(
    connection: Connection,
    row: Row[Any],
    document: Mapping[str, Any],
    by: Signature,
    *,
    change: str = EDITED,
    restored: int | None = None,
) -> bool:
    """Give a cohort (a row of the table, read after `lock_all`) another document, which is known to be right.

    Returns whether it differs from what it has; else nothing is written. The size that was counted last belongs to
    the definition, and is forgotten with it.
    """
    description = str(document.get("description", ""))
    if described(row.definition, row.description) == document:
        return False
    values = {"definition": dict(document), "description": description, "version": row.version + 1, "updated_at": now()}
    if described(row.definition, "") != described(document, ""):
        values |= {"size": None, "evaluated_at": None}
    connection.execute(cohorts.update().where(cohorts.c.id == row.id).values(values))
    note(connection, row.id, row.version + 1, change, (description, document), by, restored=restored)
    return True


def row_to_change(connection: Connection, project_id: int, name: str, expected: int | None) -> Row[Any]:
    """The row of a cohort, which nobody else changes until the transaction ends.

    Raises NotFound, and Overtaken when its version is not the `expected` one: then who changed it is told.
    """
    lock_all(connection, project_id)
    row = row_called(connection, project_id, name)
    if expected is not None and row.version != expected:
        last = versions_of(connection, row)[-1]
        who = f" by {last.actor}" if last.actor else ""
        raise Overtaken(
            f"The cohort {name!r} was changed meanwhile{who}: it has version {row.version}, and you began with "
            f"version {expected}.",
            hint=f"Nothing was saved. Look at `hub cohort diff {name} --from {expected}`, and change it again.",
        )
    return row


def check_definition(connection: Connection, project_id: int, name: str, document: Mapping[str, Any]) -> None:
    """Make sure that a definition can stand under `name`, beside those that name it.

    Raises DefinitionError (circles, too many clauses), NotFound (a cohort that it names).
    """
    known = {**all_definitions(connection, project_id), name: stored_definition(document, name=name)}
    check_together(known, [name, *resting_on([name], known)])


def check_together(known: Mapping[str, Definition], names: Iterable[str]) -> None:
    """Make sure that these cohorts can be evaluated, given all definitions. Raises as of `check_definition`."""

    def look_up(name: str) -> Definition:
        if name not in known:
            raise NotFound(f"There is no cohort {name!r}.", hint="`hub cohort list` shows those that there are.")
        return known[name]

    for name in names:
        closure(known[name], look_up, name=name)


def resting_on(names: Iterable[str], known: Mapping[str, Definition]) -> list[str]:
    """The cohorts that rest on any of `names`, directly or through others, sorted; without these themselves."""
    given = [*names]
    found: set[str] = set()
    wave = [*given]
    while wave:
        wave = sorted({user for name in wave for user in users(name, known)} - found - {*given})
        found.update(wave)
    return sorted(found)


def followers(connection: Connection, project_id: int, name: str) -> Followers:
    """What follows a change of a cohort."""
    resting = resting_on([name], all_definitions(connection, project_id))
    query = (
        select(syncs.c.name)
        .join(cohorts, cohorts.c.id == syncs.c.cohort_id)
        .where(
            syncs.c.project_id == project_id,
            syncs.c.state == "active",
            syncs.c.removed_at.is_(None),
            cohorts.c.name.in_([name, *resting]),
        )
        .order_by(syncs.c.name)
    )
    return Followers(tuple(resting), tuple(connection.execute(query).scalars()))
