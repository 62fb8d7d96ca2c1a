"""The outbox: what waits is sent, by one process at a time, again and again until it has arrived.

A message is claimed before it leaves, so that no two processes send it at once; one whose process dies is free again
after a while and goes out once more, with the same `webhook-id`. So it arrives at least once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, or_, select

from hub.alerts.clocks import CLAIM
from hub.alerts.looking import GIVEN_UP, SENT, WAITING
from hub.alerts.machine import this_host
from hub.alerts.payload import slack_text
from hub.alerts.targets import COMMAND, SLACK, WEBHOOK
from hub.alerts.transports import post_to, run_command
from hub.clock import now
from hub.errors import HubError, NotDelivered
from hub.store.secrets import open_vault
from hub.store.tables import alert_channels, alert_messages

if TYPE_CHECKING:
    from hub.settings import Settings
    from hub.store.store import Store

DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 30, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
"""How long after each attempt the next one is made; after the last a message is given up. They are those that the
standard suggests."""
AT_ONCE = 50
"""So many messages of a channel leave in one go."""


@dataclass(frozen=True)
class Attempt:
    """What came of one attempt at a message."""

    channel: str
    message_id: str
    arrived: bool
    answer: str

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub alert test --json`."""
        return {
            "channel": self.channel,
            "message": self.message_id,
            "arrived": self.arrived,
            "answer": self.answer,
        }


async def send_due(store: Store, settings: Settings) -> list[Attempt]:
    """Send every message whose time has come, of all projects, several channels at a time. Returns what came of it.

    After one that did not arrive the others of its channel wait for the next call. Raises StoreError.
    """
    due = await asyncio.to_thread(_due, store)
    turns = await asyncio.gather(*(_turn(store, settings, *each) for each in due), return_exceptions=True)
    for turn in turns:
        if isinstance(turn, BaseException):
            raise turn
    return [attempt for turn in turns if isinstance(turn, list) for attempt in turn]


async def send_now(store: Store, settings: Settings, channel: Row[Any], message_id: int) -> Attempt:
    """Make one attempt at a message that was claimed when it was posted, and none after it."""
    with store.reading() as connection:
        message = connection.execute(select(alert_messages).where(alert_messages.c.id == message_id)).one()
    return await _attempt(store, settings, channel, message, last=True)


def _due(store: Store) -> list[tuple[Row[Any], list[int]]]:
    """The channels for which something waits, with the numbers of the messages, the oldest first."""
    at = now()
    query = (
        select(alert_messages.c.id, alert_messages.c.channel_id)
        .where(alert_messages.c.state == WAITING, alert_messages.c.next_at <= at, _unclaimed(at))
        .order_by(alert_messages.c.id)
    )
    live = select(alert_channels).where(alert_channels.c.removed_at.is_(None))
    with store.reading() as connection:
        rows = connection.execute(query).all()
        channels = {row.id: row for row in connection.execute(live)} if rows else {}
    of_channel: dict[int, list[int]] = {}
    for row in rows:
        of_channel.setdefault(row.channel_id, []).append(row.id)
    return [
        (channels[number], ids[:AT_ONCE])
        for number, ids in of_channel.items()
        if number in channels and _is_ours(channels[number])
    ]


async def _turn(store: Store, settings: Settings, channel: Row[Any], ids: Sequence[int]) -> list[Attempt]:
    attempts = []
    for number in ids:
        message = await asyncio.to_thread(_claimed, store, number)
        if message is None:
            continue  # somebody else sends it
        attempts.append(await _attempt(store, settings, channel, message))
        if not attempts[-1].arrived:
            break
    return attempts


def _claimed(store: Store, number: int) -> Row[Any] | None:
    at = now()
    claim = (
        alert_messages.update()
        .where(
            alert_messages.c.id == number,
            alert_messages.c.state == WAITING,
            alert_messages.c.next_at <= at,
            _unclaimed(at),
        )
        .values(claimed_until=at + CLAIM)
    )
    with store.writing() as connection:
        if connection.execute(claim).rowcount != 1:
            return None
        return connection.execute(select(alert_messages).where(alert_messages.c.id == number)).first()


async def _attempt(
    store: Store, settings: Settings, channel: Row[Any], message: Row[Any], *, last: bool = False
) -> Attempt:
    after = 0.0
    try:
        answer = await _send(settings, channel, message)
        arrived = True
    except HubError as error:
        arrived, answer = False, f"{error.message} {error.hint}".strip()
        after = error.after if isinstance(error, NotDelivered) else 0.0
    await asyncio.to_thread(_note, store, message, arrived, answer, after, last=last)
    return Attempt(channel.name, message.message_id, arrived, answer)


async def _send(settings: Settings, channel: Row[Any], message: Row[Any]) -> str:
    body = message.body.encode()
    if channel.kind == COMMAND:
        timeout = timedelta(seconds=channel.settings["timeout_seconds"])
        return await run_command(channel.settings["argv"], body, lasts=timeout, folder=settings.home)
    secrets = open_vault(settings).open(channel.secrets)
    if channel.kind == SLACK:
        return await post_to(secrets["url"], slack_text(body), settings)
    assert channel.kind == WEBHOOK
    signed_by = secrets["secrets"].split()
    if "old_until" in channel.settings and datetime.fromisoformat(channel.settings["old_until"]) <= now():
        signed_by = signed_by[:1]
    return await post_to(channel.settings["url"], body, settings, signed_by=signed_by, message_id=message.message_id)


def _note(store: Store, message: Row[Any], arrived: bool, answer: str, after: float, *, last: bool) -> None:
    at, tries = now(), message.tries + 1
    values: dict[str, Any] = {"tries": tries, "tried_at": at, "answer": answer, "claimed_until": None}
    if arrived:
        values |= {"state": SENT, "ended_at": at}
    elif last or tries > len(DELAYS):
        values |= {"state": GIVEN_UP, "ended_at": at}
    else:
        values["next_at"] = at + max(DELAYS[tries - 1], timedelta(seconds=min(after, 24 * 3600)))
    with store.writing() as connection:
        connection.execute(alert_messages.update().where(alert_messages.c.id == message.id).values(**values))


def _unclaimed(at: datetime) -> Any:
    return or_(alert_messages.c.claimed_until.is_(None), alert_messages.c.claimed_until <= at)


def _is_ours(channel: Row[Any]) -> bool:
    """A command is run only on the machine on which somebody set it."""
    return bool(channel.kind != COMMAND or channel.settings["host"] == this_host())
