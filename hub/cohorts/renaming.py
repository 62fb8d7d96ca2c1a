"""Another name for a cohort, where nothing is known by the old one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from hub.clock import now
from hub.cohorts.references import users
from hub.cohorts.rows import all_definitions, lock_all, row_called, sound_name
from hub.cohorts.versions import EDITED, Signature, note
from hub.store.tables import cohorts

if TYPE_CHECKING:
    from hub.workspace import Workspace


def renamed(workspace: Workspace, name: str, wanted: str, *, message: str) -> str | None:
    """Give a cohort another name; a new version, with `message`. Returns the name, None when it keeps the old one.

    It does while a definition names it, and when the other name is taken. Raises NotFound, UsageError (no name).
    """
    wanted, project_id = sound_name(wanted), workspace.project.id
    try:
        with workspace.store.writing() as connection:
            lock_all(connection, project_id)
            row = row_called(connection, project_id, name)
            if users(name, all_definitions(connection, project_id)):
                return None
            values = {"name": wanted, "version": row.version + 1, "updated_at": now()}
            connection.execute(cohorts.update().where(cohorts.c.id == row.id).values(values))
            by = Signature(workspace.settings.who, message)
            note(connection, row.id, row.version + 1, EDITED, (row.description, row.definition), by)
    except IntegrityError:  # the name is taken
        return None
    return wanted
