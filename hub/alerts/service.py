"""Alerts as people and the runners use them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import select

from hub.alerts import looking, muting
from hub.alerts.channels import Channels
from hub.alerts.clocks import CLAIM
from hub.alerts.looking import look, post
from hub.alerts.machine import this_host
from hub.alerts.model import CRITICAL, WELL, Change, OpenAlert
from hub.alerts.muting import Mute, mutes_at, mutes_of
from hub.alerts.sending import Attempt, send_due, send_now
from hub.alerts.targets import COMMAND
from hub.clock import now
from hub.errors import UsageError
from hub.store.tables import alert_channels, alert_messages, alert_states, syncs

if TYPE_CHECKING:
    from hub.connectors.plugins import Plugins
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Sent:
    """One message as the log has it: `state` is waiting, sent or given up."""

    channel: str
    message_id: str
    state: str
    test: bool
    tries: int
    answer: str
    created_at: datetime
    ended_at: datetime | None
    next_at: datetime | None
    alerts: tuple[dict[str, Any], ...]

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub alert log --json`."""
        return {
            "channel": self.channel,
            "message": self.message_id,
            "state": self.state,
            "test": self.test,
            "tries": self.tries,
            "answer": self.answer,
            "created_at": self.created_at.isoformat(),
            "ended_at": self.ended_at.isoformat() if self.ended_at else None,
            "next_at": self.next_at.isoformat() if self.next_at else None,
            "alerts": list(self.alerts),
        }


class Alerts:
    """The alerts of one project; what it looks at and sends is of the whole hub."""

    def __init__(self, workspace: Workspace, plugins: Plugins) -> None:
        self._workspace = workspace
        self._store = workspace.store
        self._plugins = plugins

    @cached_property
    def channels(self) -> Channels:
        """Where alerts go."""
        return Channels(self._workspace)

    def look(self, *, at: datetime | None = None) -> list[Change]:
        """Look at the whole hub, and put what changed into the outbox. See `hub.alerts.looking`."""
        return look(self._store, self._workspace.settings, self._plugins, at=at)

    async def send(self) -> list[Attempt]:
        """Send what waits, of all projects. See `hub.alerts.sending`."""
        return await send_due(self._store, self._workspace.settings)

    async def tend(self) -> list[Attempt]:
        """Look, and send: what daemons, workers and `run-due` do now and then. Raises StoreError."""
        await asyncio.to_thread(self.look)
        return await self.send()

    def open(self) -> list[OpenAlert]:
        """What is wrong, as it was seen last: of this project and of the whole hub, the worst first."""
        states = alert_states.c
        query = (
            select(alert_states, syncs.c.name.label("sync"))
            .outerjoin(syncs, syncs.c.id == states.sync_id)
            .where(states.level != WELL)
            .where(states.project_id.is_(None) | (states.project_id == self._workspace.project.id))
        )
        with self._store.reading() as connection:
            rows, mutes = connection.execute(query).all(), mutes_at(connection, now())
        found = [
            OpenAlert(
                key=row.key,
                kind=row.kind,
                level=row.level,
                subject=row.subject,
                sync=row.sync or "",
                said=row.said,
                hint=row.hint,
                since=row.since,
                told=row.told == row.level,
                muted=mutes.of_project(self._workspace.project.id)
                or (row.sync_id is not None and mutes.of_sync(row.sync_id)),
            )
            for row in rows
        ]
        return sorted(found, key=lambda each: (each.level != CRITICAL, each.since, each.key))

    def mute(self, sync: str, until: datetime, *, reason: str = "") -> Mute:
        """Tell nobody of a sync (empty: of anything in this project) until `until`. Raises NotFound, UsageError."""
        project, who = self._workspace.project.id, self._workspace.settings.who
        muting.mute(self._store, project, self._sync_id(sync), until, actor=who, reason=reason)
        return Mute(sync, until, who, reason)

    def unmute(self, sync: str) -> bool:
        """Tell of it again; what is still wrong is told now. Returns whether it was muted. Raises NotFound."""
        return muting.unmute(self._store, self._workspace.project.id, self._sync_id(sync))

    def mutes(self) -> list[Mute]:
        """What is muted now."""
        return mutes_of(self._store, self._workspace.project.id)

    async def test(self, name: str) -> Attempt:
        """Send a test to a channel, once, and tell what came of it.

        Raises NotFound, UsageError (a command of another machine).
        """
        channel = self.channels.row(name)
        if channel.kind == COMMAND and channel.settings["host"] != this_host():
            raise UsageError(
                f"The channel {name} is a command of the machine {channel.settings['host']}.",
                hint="Test it there, or add the command here.",
            )
        at = now()
        with self._store.writing() as connection:
            number = post(connection, channel.id, [], {}, at=at, test=True, claimed_until=at + CLAIM)
        return await send_now(self._store, self._workspace.settings, channel, number)

    def log(self, *, limit: int = 50) -> list[Sent]:
        """The newest messages of this project's channels, the newest first; those of removed channels too."""
        query = (
            select(alert_messages, alert_channels.c.name)
            .join(alert_channels, alert_channels.c.id == alert_messages.c.channel_id)
            .where(alert_channels.c.project_id == self._workspace.project.id)
            .order_by(alert_messages.c.id.desc())
            .limit(limit)
        )
        with self._store.reading() as connection:
            return [_sent(row) for row in connection.execute(query)]

    def _sync_id(self, name: str) -> int | None:
        from hub.sync.rows import SyncRows

        return SyncRows(self._store, self._workspace.project.id).row(name).id if name else None


def _sent(row: Any) -> Sent:
    waits = row.state == looking.WAITING
    return Sent(
        channel=row.name,
        message_id=row.message_id,
        state=row.state,
        test=bool(row.test),
        tries=row.tries,
        answer=row.answer,
        created_at=row.created_at,
        ended_at=row.ended_at,
        next_at=row.next_at if waits else None,
        alerts=tuple(orjson.loads(row.body)["data"]["alerts"]),
    )
