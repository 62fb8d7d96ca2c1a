"""A whole list that comes page by page: kept aside until every page is in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.clock import now
from hub.cohorts.lists.rows import staging
from hub.errors import UsageError
from hub.store.tables import member_changes, member_pages

if TYPE_CHECKING:
    from hub.workspace import Workspace

_LONGEST_SESSION = 255
_MOST_PAGES = 100_000


def check_page(session: str, page: int, total: int) -> None:
    """Make sure that there can be such a page. Raises UsageError."""
    if not session or len(session) > _LONGEST_SESSION:
        raise UsageError("A page belongs to a session: a name of 1 to 255 letters.")
    if not 1 <= page <= total <= _MOST_PAGES:
        raise UsageError(f"Page {page} of {total} cannot be.", hint=f"Pages go from 1 to {_MOST_PAGES:,} at most.")


class Pages:
    """The pages of one session of one cohort."""

    def __init__(self, workspace: Workspace, cohort_id: int, session: str) -> None:
        self._store = workspace.store
        self._folder = staging(workspace.lake)
        self._cohort_id = cohort_id
        self._session = session

    def are_applied(self) -> bool:
        """Whether they have become the list."""
        query = select(member_changes.c.id).where(
            member_changes.c.cohort_id == self._cohort_id,
            member_changes.c.session == self._session,
            member_changes.c.applied_at.is_not(None),
        )
        with self._store.reading() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def note(self, page: int, total: int, file: Path) -> list[Path]:
        """Note the file of a page, in the place of an earlier copy; returns the files of all pages, in their order."""
        own = (member_pages.c.cohort_id == self._cohort_id) & (member_pages.c.session == self._session)
        values = {"page": page, "total": total, "file": file.name, "received_at": now()}
        with self._store.writing() as connection:
            known = {row.page: row.file for row in connection.execute(select(member_pages).where(own))}
            connection.execute(member_pages.delete().where(own, member_pages.c.page == page))
            connection.execute(member_pages.insert().values(cohort_id=self._cohort_id, session=self._session, **values))
        if page in known:
            (self._folder / known[page]).unlink(missing_ok=True)
        names = {**known, page: file.name}
        files = [self._folder / names[number] for number in sorted(names) if number <= total]
        return [each for each in files if each.exists()]  # a hub that was put back from a copy has none of them

    def forget_all(self) -> None:
        """Forget the pages of all sessions of the cohort: one that never became whole is older than what counts now."""
        own = member_pages.c.cohort_id == self._cohort_id
        with self._store.writing() as connection:
            files = [row.file for row in connection.execute(select(member_pages.c.file).where(own))]
            connection.execute(member_pages.delete().where(own))
        for name in files:
            (self._folder / name).unlink(missing_ok=True)
