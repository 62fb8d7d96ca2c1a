"""Tokens: who may send data to which project. A token is shown once, when it is made; only its SHA-256 is kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select

from hub.clock import now
from hub.errors import AlreadyExists, NotFound, UsageError
from hub.store.tables import projects, tokens

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.workspace import Workspace

_OWN = re.compile(r"[A-Za-z0-9._~-]{16,200}")
"""What a token may be that somebody brings along: Mixpanel's have 32 letters and digits."""
_HINT = 4  # last characters of a token, to tell it by
_LONGEST_NAME = 255


class Kind(StrEnum):
    """What a token is for: PROJECT stands in events and profile updates, SECRET is the user of a Basic login without
    a password, SERVICE the password of a named service account."""

    PROJECT = "project"
    SECRET = "secret"
    SERVICE = "service"


@dataclass(frozen=True)
class Token:
    """A token as it can be shown for ever: without what makes it one. `hint` is its last characters."""

    id: int
    project: str
    kind: Kind
    name: str
    hint: str
    created_at: datetime
    revoked_at: datetime | None

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub token list --json`."""
        return {
            "id": self.id,
            "project": self.project,
            "kind": self.kind.value,
            "name": self.name,
            "hint": self.hint,
            "created_at": self.created_at.isoformat(),
            "revoked_at": self.revoked_at.isoformat() if self.revoked_at else None,
        }


def digest(token: str) -> str:
    """What is kept of a token. Tokens are long and random, so that no salt is needed."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Tokens:
    """The tokens of one project. Methods block; a UI calls them on a worker thread."""

    def __init__(self, workspace: Workspace) -> None:
        self._project = workspace.project
        self._store = workspace.store

    def add(self, kind: Kind = Kind.PROJECT, *, name: str = "", value: str = "") -> tuple[Token, str]:
        """Make a token, or take in the one that somebody brings along (`value`). Returns it and its text.

        The text cannot be had again. `name` is the user name of a service account, which no other may have, and else
        whatever people call the token. A token that was revoked may be brought back, to any project.
        Raises UsageError (a name or a value that cannot be one), AlreadyExists.
        """
        name = _sound_name(kind, name)
        text = _sound_value(value) if value else secrets.token_hex(16)
        row = {
            "project_id": self._project.id,
            "kind": kind.value,
            "name": name,
            "hint": text[-_HINT:],
            "created_at": now(),
            "revoked_at": None,
        }
        with self._store.writing() as connection:
            if kind is Kind.SERVICE:
                _check_free(connection, name)
            known = connection.execute(_query().where(tokens.c.hash == digest(text))).first()
            if known and known.revoked_at is None:
                raise AlreadyExists(
                    f"This token is in use: {known.kind}, of the project {known.project}.",
                    hint="`hub token list` shows it; `hub token revoke` frees it.",
                )
            if known:
                connection.execute(tokens.update().where(tokens.c.id == known.id).values(row))
            else:
                connection.execute(tokens.insert().values({**row, "hash": digest(text)}))
            made = connection.execute(_query().where(tokens.c.hash == digest(text))).one()
        return _token(made), text

    def list(self, *, revoked: bool = False) -> list[Token]:
        """The tokens that work, the oldest first; with `revoked` the others too."""
        query = _query().where(tokens.c.project_id == self._project.id).order_by(tokens.c.id)
        if not revoked:
            query = query.where(tokens.c.revoked_at.is_(None))
        with self._store.reading() as connection:
            return [_token(row) for row in connection.execute(query)]

    def revoke(self, which: str) -> Token:
        """Let a token work no longer: by its number, its name when no other has it, or the token itself.

        Servers notice within seconds. One that was revoked before stays so. Raises NotFound.
        """
        with self._store.writing() as connection:
            found = self._found(connection, which)
            if found.revoked_at is None:
                connection.execute(tokens.update().where(tokens.c.id == found.id).values(revoked_at=now()))
            return _token(connection.execute(_query().where(tokens.c.id == found.id)).one())

    def _found(self, connection: Connection, which: str) -> Row[Any]:
        rows = connection.execute(_query().where(tokens.c.project_id == self._project.id)).all()
        working = [row for row in rows if row.revoked_at is None]
        for found in (
            [row for row in rows if which.isdecimal() and row.id == int(which)],
            connection.execute(_query().where(tokens.c.hash == digest(which))).all(),
            [row for row in working if row.name == which],
        ):
            mine = [row for row in found if row.project_id == self._project.id]
            if len(mine) == 1:
                return mine[0]
        raise NotFound(
            f"The project {self._project.name} has no token of that number or name, or several of that name.",
            hint="`hub token list` shows the numbers.",
        )


def _query() -> Any:
    columns = [column for column in tokens.c if column.name != "hash"]
    return select(*columns, projects.c.name.label("project")).join(projects, projects.c.id == tokens.c.project_id)


def _token(row: Row[Any]) -> Token:
    return Token(row.id, row.project, Kind(row.kind), row.name, row.hint, row.created_at, row.revoked_at)


def _check_free(connection: Connection, name: str) -> None:
    """A login names no project, so the accounts of all projects share their names."""
    account = (tokens.c.kind == Kind.SERVICE.value, tokens.c.name == name, tokens.c.revoked_at.is_(None))
    taken = connection.execute(_query().where(*account)).first()
    if taken:
        raise AlreadyExists(
            f"There is a service account {name} already, of the project {taken.project}.",
            hint="Choose another name, or revoke that one first.",
        )


def _sound_name(kind: Kind, name: str) -> str:
    if kind is Kind.SERVICE and (not name or ":" in name or name != name.strip()):
        raise UsageError(
            f"{name!r} is no user name.", hint="A service account needs one, without a colon and blanks around it."
        )
    if not name.isprintable() or len(name) > _LONGEST_NAME:
        raise UsageError(f"The name of a token is one line of at most {_LONGEST_NAME} characters.")
    return name


def _sound_value(value: str) -> str:
    if not _OWN.fullmatch(value):
        # the text itself may be a secret, so it is not repeated
        raise UsageError(
            "This cannot be a token.", hint="A token has 16 to 200 letters, digits, hyphens, dots, underscores, tildes."
        )
    return value
