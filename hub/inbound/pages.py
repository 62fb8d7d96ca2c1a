"""Cohorts that others push page by page: each becomes a received cohort of the hub, known by the sender's id.

Pages come more than once, out of order, and of sessions that were given up. A page is applied once. Those of a full
copy count when all of them are in. What belongs to a session older than the last full copy is not applied any more:
what it told is in the copy, or no longer true; nor is a full copy that began before somebody was added or removed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Row, select

from hub.cohorts.lists.changes import Mode
from hub.cohorts.lists.service import Lists
from hub.cohorts.renaming import renamed
from hub.cohorts.rows import sound_name
from hub.cohorts.service import Cohorts
from hub.connectors.incoming import CohortAction, CohortPage
from hub.errors import AlreadyExists, UsageError
from hub.store.tables import cohort_versions, cohorts, received_cohorts

if TYPE_CHECKING:
    from hub.workspace import Workspace

APPLIED, STAGED, REPEATED, LATE, REFUSED = "applied", "staged", "repeated", "late", "members refused"
"""What becomes of pages, and of members."""

_MODES = {CohortAction.ADD: Mode.ADD, CohortAction.REMOVE: Mode.REMOVE}
_MOST_SESSIONS = 50
_LONGEST_ID = 255


class CohortPages:
    """The pages that come through one connection."""

    def __init__(self, workspace: Workspace, connection_id: int, connection: str) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._id = connection_id
        self._name = connection
        self._cohorts = Cohorts(workspace)
        self._lists = Lists(workspace, self._cohorts)

    def apply(self, page: CohortPage, received_at: datetime) -> Counter[str]:
        """Take in a page that came at `received_at`. Returns what became of it, and of its members.

        Raises UsageError for a page that cannot be, Busy, StoreError.
        """
        if not 0 < len(page.cohort) <= _LONGEST_ID:
            raise UsageError("The cohort has no id.")
        known = self._known(page) or self._made(page, received_at)
        name = self._followed(known, page, received_at)
        began = self._note_session(known, page.session, received_at)
        if known.full_at is not None and began < known.full_at:
            return Counter([LATE])
        if page.action is CohortAction.REPLACE:
            late = known.changed_at is not None and began < known.changed_at
            return Counter([LATE]) if late else self._staged(name, page, began)
        done = self._lists.change_once(name, page.members, _MODES[page.action], _session(page))
        if done is None:
            return Counter([REPEATED])
        self._update(page, changed_at=max(began, known.changed_at or began))
        return Counter({APPLIED: 1, REFUSED: done.rejected})

    def _staged(self, name: str, page: CohortPage, began: datetime) -> Counter[str]:
        session, brought = self._lists.stage(name, page.session, page.number, page.total, page.members)
        if session.applied and not brought.accepted + brought.rejected and page.members:
            return Counter([REPEATED])
        if session.applied:
            self._update(page, full_at=began)
        return Counter({APPLIED if session.applied else STAGED: 1, REFUSED: brought.rejected})

    def _known(self, page: CohortPage) -> Row[Any] | None:
        """The row of a cohort that is there, with the name that it has in the hub."""
        query = (
            select(received_cohorts, cohorts.c.name.label("cohort"))
            .join(cohorts, cohorts.c.id == received_cohorts.c.cohort_id)
            .where(*self._this(page), cohorts.c.removed_at.is_(None))
        )
        with self._store.reading() as connection:
            return connection.execute(query).first()

    def _made(self, page: CohortPage, received_at: datetime) -> Row[Any]:
        """Make a cohort that is seen for the first time, or was removed here, with the sender's name if it is free.

        What came before this page belongs to the one that was removed.
        """
        reason = f"received through {self._name}: {page.cohort}"
        cohort_id = None
        for name in self._names(page):
            try:
                cohort_id = self._lists.add_received(name, description=page.description, message=reason).id
            except AlreadyExists:
                cohort_id = self._left_behind(name, reason)
            if cohort_id is not None:
                break
        values: dict[str, Any] = {
            "cohort_id": cohort_id,
            "name": page.name,
            "sessions": {},
            "full_at": received_at,
            "changed_at": None,
            "paged_at": None,
        }
        key = {"connection_id": self._id, "sender_id": page.cohort}
        with self._store.writing() as connection:
            if not connection.execute(received_cohorts.update().where(*self._this(page)).values(values)).rowcount:
                connection.execute(received_cohorts.insert().values(**key, **values))
        found = self._known(page)
        if found is None:
            raise UsageError("The cohort was removed in this instant.")
        return found

    def _left_behind(self, name: str, reason: str) -> int | None:
        """A cohort that was made for this very page by a process that died before it could note it."""
        mapped = select(received_cohorts.c.cohort_id)
        query = (
            select(cohorts.c.id)
            .join(cohort_versions, cohort_versions.c.cohort_id == cohorts.c.id)
            .where(
                cohorts.c.project_id == self._workspace.project.id,
                cohorts.c.name == name,
                cohorts.c.removed_at.is_(None),
                cohorts.c.id.not_in(mapped),
                cohort_versions.c.reason == reason,
            )
        )
        with self._store.reading() as connection:
            found = connection.execute(query).scalar()
        return None if found is None else int(found)

    def _names(self, page: CohortPage) -> list[str]:
        """What the cohort may be called, the best first."""
        wanted = _named(page)
        others = [f"{wanted} ({self._name})", f"{wanted} ({page.cohort})", f"{self._name} {page.cohort}"]
        return [name for name in (wanted, *others) if len(name) <= _LONGEST_ID]

    def _followed(self, known: Row[Any], page: CohortPage, received_at: datetime) -> str:
        """Follow the sender's renaming, where the new name is free and no definition names the cohort."""
        name = str(known.cohort)
        if known.paged_at is not None and received_at < known.paged_at:
            return name
        if page.name and page.name != known.name and _named(page) != name:
            name = renamed(self._workspace, name, _named(page), message=f"renamed by its sender, {self._name}") or name
        self._update(page, name=page.name or known.name, paged_at=received_at)
        return name

    def _note_session(self, known: Row[Any], session: str, received_at: datetime) -> datetime:
        """When the first page of a session came."""
        seen: dict[str, str] = dict(known.sessions)
        began = seen.get(session)
        if began is not None:
            return datetime.fromisoformat(began)
        newest = sorted({**seen, session: received_at.isoformat()}.items(), key=lambda each: each[1])[-_MOST_SESSIONS:]
        with self._store.writing() as connection:
            this = received_cohorts.c.connection_id == self._id, received_cohorts.c.sender_id == known.sender_id
            connection.execute(received_cohorts.update().where(*this).values(sessions=dict(newest)))
        return received_at

    def _update(self, page: CohortPage, **values: Any) -> None:
        with self._store.writing() as connection:
            connection.execute(received_cohorts.update().where(*self._this(page)).values(**values))

    def _this(self, page: CohortPage) -> tuple[Any, Any]:
        return received_cohorts.c.connection_id == self._id, received_cohorts.c.sender_id == page.cohort


def _named(page: CohortPage) -> str:
    """The sender's name of a cohort, as the hub can have it."""
    shown = "".join(letter if letter.isprintable() else " " for letter in page.name).strip()
    return sound_name((shown or page.cohort)[:_LONGEST_ID])


def _session(page: CohortPage) -> str:
    """What names one page that adds or removes, however often it comes: its place, and what is in it."""
    content: Mapping[str, Any] = {"members": [dict(each) for each in page.members]}
    digest = hashlib.blake2b(orjson.dumps(content, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
    place = hashlib.blake2b(f"{page.session}\0{page.action}\0{page.number}".encode(), digest_size=16).hexdigest()
    return f"page {place} {digest}"
