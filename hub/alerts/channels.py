"""Where alerts go: signed webhooks, Slack-compatible ones, and commands of this machine."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, Select, func, select

from hub.alerts.looking import GIVEN_UP, WAITING
from hub.alerts.machine import this_host
from hub.alerts.model import WARNING
from hub.alerts.targets import COMMAND, SLACK, WEBHOOK, Target, check_name, checked_level, checked_secret, guard, parts
from hub.clock import now
from hub.connectors.signing import new_signing_secret
from hub.errors import AlreadyExists, NotFound, UsageError
from hub.store.secrets import open_vault
from hub.store.tables import alert_channels, alert_messages

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

    from hub.workspace import Workspace

KEEPS_OLD_SECRET = timedelta(days=1)
"""For how long the old secret of a webhook signs beside a new one, if nobody says otherwise."""


@dataclass(frozen=True)
class Channel:
    """Where alerts of a level and above go. `shown` says where, without a secret; `host` is the machine whose command
    it is. `answer` is what came of the last message, and `waiting` counts those that have not arrived yet."""

    id: int
    name: str
    kind: str
    level: str
    shown: str
    host: str
    warning: str
    created_at: datetime
    waiting: int
    last_state: str
    answer: str
    last_at: datetime | None
    settings: Mapping[str, Any]

    @property
    def fails(self) -> bool:
        """Whether the last message that was tried has not arrived."""
        return self.last_state in (WAITING, GIVEN_UP)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `channels` in `hub alert list --json`."""
        return {
            "name": self.name,
            "kind": self.kind,
            "level": self.level,
            "to": self.shown,
            "host": self.host or None,
            "waiting": self.waiting,
            "last": {"state": self.last_state, "answer": self.answer, "at": self.last_at.isoformat()}
            if self.last_at
            else None,
        }


class Channels:
    """The channels of one project."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._store = workspace.store

    def list(self) -> list[Channel]:
        """Every channel, by name, with what came of its last message."""
        with self._store.reading() as connection:
            rows = connection.execute(self._live().order_by(alert_channels.c.name)).all()
            return _shown(connection, rows)

    def get(self, name: str) -> Channel:
        """The channel called `name`. Raises NotFound with the nearest name."""
        with self._store.reading() as connection:
            return _shown(connection, [self._row(connection, name)])[0]

    def row(self, name: str) -> Row[Any]:
        """The row of a channel, with its secrets sealed. Raises NotFound."""
        with self._store.reading() as connection:
            return self._row(connection, name)

    def secret(self, name: str) -> str:
        """What of a channel is a secret: what a webhook signs with, the address of a chat; else nothing.

        Raises NotFound.
        """
        known = open_vault(self._workspace.settings).open(self.row(name).secrets)
        return str(known.get("secrets") or known.get("url") or "")

    def add(self, name: str, target: Target, *, level: str = WARNING, secret: str = "") -> str:
        """Make a channel. Returns the secret that was made up for a webhook, to be shown once; else nothing.

        Raises UsageError (address, command, secret, level), AddressRefused (the hub's own network), AlreadyExists.
        Blocks while the address is looked up.
        """
        check_name(name)
        target, level = target.check(), checked_level(level)
        guard(target, self._workspace.settings)
        made = new_signing_secret() if target.kind == WEBHOOK and not secret else ""
        settings, secrets = parts(target, checked_secret(target, secret or made))
        at = now()
        with self._store.writing() as connection:
            if connection.execute(self._live().where(alert_channels.c.name == name)).first():
                raise AlreadyExists(f"There is an alert channel {name!r} already.", hint="Choose another name.")
            connection.execute(
                alert_channels.insert().values(
                    project_id=self._workspace.project.id,
                    name=name,
                    kind=target.kind,
                    level=level,
                    settings=settings,
                    secrets=open_vault(self._workspace.settings).seal(secrets),
                    created_at=at,
                    updated_at=at,
                )
            )
        return made

    def edit(self, name: str, *, target: Target | None = None, level: str = "", secret: str = "") -> Channel:
        """Change where a channel leads, or from which level on; its kind stays. Raises as `add`, and NotFound."""
        if target:
            target = target.check()
            guard(target, self._workspace.settings)
        vault = open_vault(self._workspace.settings)
        with self._store.writing() as connection:
            row = self._row(connection, name)
            values: dict[str, Any] = {"updated_at": now()}
            if level:
                values["level"] = checked_level(level)
            if target and target.kind != row.kind:
                raise UsageError(f"The channel {name} stays one of the kind {row.kind}.", hint="Add another.")
            if target or secret:
                known = vault.open(row.secrets)
                settings, secrets = parts(target, known.get("secrets", "")) if target else (row.settings, known)
                if row.kind == WEBHOOK:
                    kept = {"old_until": row.settings["old_until"]} if "old_until" in row.settings else {}
                    settings = {**settings, **({} if secret else kept)}
                    secrets = {**secrets, "secrets": checked_secret(Target(WEBHOOK), secret or known["secrets"])}
                values |= {"settings": settings, "secrets": vault.seal(secrets)}
            connection.execute(alert_channels.update().where(alert_channels.c.id == row.id).values(**values))
        return self.get(name)

    def rotate(self, name: str, *, keep: timedelta = KEEPS_OLD_SECRET) -> str:
        """Give a webhook a new secret and return it; for as long as `keep` the old one signs, too.

        Raises NotFound, UsageError (it is no signed webhook).
        """
        new = new_signing_secret()
        vault, at = open_vault(self._workspace.settings), now()
        with self._store.writing() as connection:
            row = self._row(connection, name)
            if row.kind != WEBHOOK:
                raise UsageError(
                    f"The channel {name} is not signed.", hint="Only one of the kind webhook has a secret."
                )
            current = vault.open(row.secrets)["secrets"].split()[0]
            settings = {**row.settings, "old_until": (at + keep).isoformat()}
            connection.execute(
                alert_channels.update()
                .where(alert_channels.c.id == row.id)
                .values(settings=settings, secrets=vault.seal({"secrets": f"{new} {current}"}), updated_at=at)
            )
        return new

    def remove(self, name: str) -> None:
        """Forget a channel and its secrets; what waits for it is not sent any more. Raises NotFound."""
        at = now()
        with self._store.writing() as connection:
            row = self._row(connection, name)
            connection.execute(
                alert_messages.delete().where(alert_messages.c.channel_id == row.id, alert_messages.c.state == WAITING)
            )
            connection.execute(
                alert_channels.update()
                .where(alert_channels.c.id == row.id)
                .values(removed_at=at, updated_at=at, secrets=b"", settings={})
            )

    def _live(self) -> Select[Any]:
        return select(alert_channels).where(
            alert_channels.c.project_id == self._workspace.project.id, alert_channels.c.removed_at.is_(None)
        )

    def _row(self, connection: Transaction, name: str) -> Row[Any]:
        rows = {row.name: row for row in connection.execute(self._live())}
        if name not in rows:
            near = difflib.get_close_matches(name, rows, n=1)
            known = ", ".join(sorted(rows)) or "none yet; add one with `hub alert add`"
            raise NotFound(
                f"There is no alert channel {name!r}.",
                hint=f"Did you mean {near[0]}?" if near else f"There are: {known}.",
            )
        return rows[name]


def _shown(connection: Transaction, rows: Sequence[Row[Any]]) -> list[Channel]:
    """Channels with what came of their messages: two questions, however many they are."""
    messages, ours = alert_messages.c, alert_messages.c.channel_id.in_([row.id for row in rows])
    waiting = (
        select(messages.channel_id, func.count().label("number"))
        .where(ours, messages.state == WAITING)
        .group_by(messages.channel_id)
    )
    newest = select(func.max(messages.id)).where(ours, messages.tries > 0).group_by(messages.channel_id)
    waits = {row.channel_id: row.number for row in connection.execute(waiting)}
    tried = {row.channel_id: row for row in connection.execute(select(alert_messages).where(messages.id.in_(newest)))}
    return [_channel(row, waits.get(row.id, 0), tried.get(row.id)) for row in rows]


def _channel(row: Row[Any], waiting: int, last: Row[Any] | None) -> Channel:
    settings = row.settings
    return Channel(
        id=row.id,
        name=row.name,
        kind=row.kind,
        level=row.level,
        shown=_where(row.kind, settings),
        host=settings.get("host", "") if row.kind == COMMAND else "",
        warning=_warning(row.kind, settings),
        created_at=row.created_at,
        waiting=waiting,
        last_state=last.state if last else "",
        answer=last.answer if last else "",
        last_at=(last.ended_at or last.tried_at or last.created_at) if last else None,
        settings=settings,
    )


def _where(kind: str, settings: Mapping[str, Any]) -> str:
    if kind == COMMAND:
        argv: Sequence[str] = settings["argv"]
        return " ".join(argv)
    return f"{settings['host']} (address kept secret)" if kind == SLACK else str(settings["url"])


def _warning(kind: str, settings: Mapping[str, Any]) -> str:
    if kind == COMMAND and settings["host"] != this_host():
        return f"It is a command of the machine {settings['host']}: only that one runs it."
    if kind == WEBHOOK and str(settings["url"]).startswith("http://"):
        return "The address begins with http: everybody on the way can read it."
    return ""
