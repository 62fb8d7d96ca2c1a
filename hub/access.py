"""Who may send what to which project, looked up for every request: the working tokens, as of a moment ago."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.store.tables import projects, tokens
from hub.tokens import Kind, digest
from hub.workspace import Project

if TYPE_CHECKING:
    from hub.store.store import Store

LASTS = 2.0
"""Seconds after which the tokens are read anew: a token that was revoked works for no longer than that."""

AT_MOST_EVERY = 0.25
"""Seconds between two looks for tokens that are not known."""


@dataclass(frozen=True)
class _Known:
    """The projects and the working tokens of a hub at one moment."""

    projects: Mapping[int, Project] = field(default_factory=dict)
    tokens: Mapping[str, tuple[Kind, str, int]] = field(default_factory=dict)  # hash -> kind, name, project


class Access:
    """The tokens of a hub, all projects together, as of the last `refresh`. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known = _Known()
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    @property
    def age(self) -> float:
        """Seconds since the tokens were read."""
        return time.monotonic() - self._read_at

    def refresh(self, since: float | None = None) -> None:
        """Read the tokens anew, unless they were read after the instant `since` of the monotonic clock (default: now).

        Raises StoreError when the control plane cannot be read.
        """
        asked = time.monotonic() if since is None else since
        with self._lock:
            if self._read_at >= asked:
                return
            started = time.monotonic()
            self._known = self._read()
            self._read_at = started

    def project_of(self, token: str) -> Project | None:
        """The project that a project token belongs to, None for one that does not work."""
        kind, _, project = self._known.tokens.get(digest(token), (None, "", 0))
        return self._known.projects.get(project) if kind is Kind.PROJECT else None

    def login(self, user: str, password: str) -> Project | None:
        """The project that a Basic login opens, None when it opens none.

        A service account is its name and its secret; a project secret and a project token are the user, without a
        password.
        """
        kind, name, project = self._known.tokens.get(digest(password or user), (None, "", 0))
        if kind is None or (kind is Kind.SERVICE) is not bool(password):
            return None
        return self._known.projects.get(project) if not password or name == user else None

    def named(self, id_or_name: str) -> Project | None:
        """The project that `project_id` of a request names, None when it names none of this hub."""
        for project in self._known.projects.values():
            if id_or_name in (str(project.id), project.name):
                return project
        return None

    def _read(self) -> _Known:
        with self._store.reading() as connection:
            found = connection.execute(select(projects)).all()
            working = connection.execute(select(tokens).where(tokens.c.revoked_at.is_(None))).all()
        return _Known(
            {row.id: Project(id=row.id, name=row.name, timezone=row.timezone, identity=row.identity) for row in found},
            {row.hash: (Kind(row.kind), row.name, row.project_id) for row in working},
        )
