"""The rows of a project's cohorts, found by name, and the names that they can have."""

from __future__ import annotations

import difflib
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from hub.cohorts.cohort import cohort_of
from hub.cohorts.definition import Definition
from hub.cohorts.references import LookUp
from hub.errors import AlreadyExists, NotFound, UsageError
from hub.store.tables import cohorts, projects

_LONGEST_NAME = 255


def live(project_id: int) -> Select[Any]:
    """The cohorts of a project that were not removed."""
    return select(cohorts).where(cohorts.c.project_id == project_id, cohorts.c.removed_at.is_(None))


def row_called(connection: Connection, project_id: int, name: str) -> Row[Any]:
    """The cohort called `name`. Raises NotFound with the nearest name."""
    row: Row[Any] | None = connection.execute(live(project_id).where(cohorts.c.name == name)).first()
    if row is None:
        known = [each.name for each in connection.execute(live(project_id))]
        raise NotFound(f"There is no cohort {name!r}.", hint=_near(name, known))
    return row


def row_or_removed(connection: Connection, project_id: int, name: str) -> Row[Any]:
    """The cohort called `name`, else the one that was removed last under this name. Raises NotFound."""
    query = select(cohorts).where(cohorts.c.project_id == project_id, cohorts.c.name == name)
    newest = query.order_by(cohorts.c.removed_at.isnot(None), cohorts.c.id.desc())
    return connection.execute(newest).first() or row_called(connection, project_id, name)


def definitions(connection: Connection, project_id: int) -> LookUp:
    """What gives the definition of the cohort of a name. It raises NotFound."""
    return lambda name: cohort_of(row_called(connection, project_id, name)).definition


def lock_all(connection: Connection, project_id: int) -> None:
    """Let nobody else change cohorts of the project until this transaction ends: what names what stays true."""
    connection.execute(select(projects.c.id).where(projects.c.id == project_id).with_for_update())


def all_definitions(connection: Connection, project_id: int) -> dict[str, Definition]:
    """The definition of every cohort of a project, by name. Raises DefinitionError when a newer hub wrote one."""
    return {row.name: cohort_of(row).definition for row in connection.execute(live(project_id))}


def sound_name(name: str) -> str:
    """`name` without blanks around it. Raises UsageError for one that cannot be a cohort's."""
    sound = name.strip()
    if not sound or len(sound) > _LONGEST_NAME or not sound.isprintable():
        raise UsageError(
            f"{name!r} cannot be the name of a cohort.",
            hint=f"A name is one line of 1 to {_LONGEST_NAME} letters, such as winback-90.",
        )
    return sound


def taken(name: str) -> AlreadyExists:
    """The refusal of a name that another cohort has."""
    return AlreadyExists(f"There is a cohort {name!r} already.", hint="Choose another name, or remove that one first.")


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if near:
        return f"Did you mean {near[0]!r}?"
    return (
        "`hub cohort list` shows those that there are." if known else "Make one with `hub cohort add NAME --file FILE`."
    )
