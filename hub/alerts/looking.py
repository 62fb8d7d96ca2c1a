"""One look at a hub: what is wrong is compared with what was seen before, and what changed is put into the outbox.

Several processes look, on several machines. States and outbox are written in one transaction of which there is one at a
time, so each change is told once. What only one machine can see (its disk, its plugins) only that machine judges.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, select

from hub.alerts.changes import Kept, is_forgotten, seen, to_tell
from hub.alerts.clocks import follow_clock, is_ahead
from hub.alerts.conditions import conditions
from hub.alerts.machine import machine_conditions, this_host
from hub.alerts.model import Change, Condition, rank
from hub.alerts.muting import Mutes, mutes_at
from hub.alerts.payload import document
from hub.clock import now
from hub.store.tables import alert_channels, alert_messages, alert_states, projects

if TYPE_CHECKING:
    from hub.connectors.plugins import Plugins
    from hub.settings import Settings
    from hub.store.store import Store

WAITING, SENT, GIVEN_UP = "waiting", "sent", "given up"
"""What becomes of a message."""

KEPT = timedelta(days=30)
"""How long the log keeps messages."""


def look(store: Store, settings: Settings, plugins: Plugins, *, at: datetime | None = None) -> list[Change]:
    """Look at everything, keep what is seen, and put what changed into the outbox of every channel that wants it.

    Returns the changes that are told. Writes nothing when nothing has changed. Raises StoreError.
    """
    at = at or now()
    here = machine_conditions(settings, plugins, at)
    with store.reading() as connection:
        if not is_ahead(connection, at) and not _looked(connection, here, at).writes:
            return []
    with store.writing() as connection:  # asked anew: another process may have told it by now
        follow_clock(connection, at)
        found = _looked(connection, here, at)
        _keep(connection, found)
        _post(connection, found.told, at)
        connection.execute(alert_messages.delete().where(alert_messages.c.ended_at < at - KEPT))
    return [each.change for each in found.told]


@dataclass(frozen=True)
class _Told:
    """A change, and the channels that it goes to."""

    change: Change
    channels: Sequence[Row[Any]]


@dataclass(frozen=True)
class _Look:
    """What a look found: rows to write by whether they are new, keys to forget, and what is told."""

    new: Sequence[Kept]
    other: Sequence[Kept]
    forgotten: Sequence[str]
    told: Sequence[_Told]

    @property
    def writes(self) -> bool:
        return bool(self.new or self.other or self.forgotten)


def _looked(connection: Transaction, here: Sequence[Condition], at: datetime) -> _Look:
    found = {each.key: each for each in (*conditions(connection, at), *here)}
    query = select(alert_states).where(alert_states.c.host.in_(("", this_host())))
    known = {row.key: _kept(row) for row in connection.execute(query)}
    channels = connection.execute(select(alert_channels).where(alert_channels.c.removed_at.is_(None))).all()
    mutes = mutes_at(connection, at)
    new, other, forgotten, told = list[Kept](), list[Kept](), list[str](), list[_Told]()
    for key in {**known, **found}:
        before = known.get(key)
        kept = seen(before, found.get(key), at)
        if is_forgotten(kept, at):
            forgotten.append(key)
            continue
        change = to_tell(kept, at)
        listening = _listening(channels, kept, mutes) if change else ()
        if change and listening:
            kept = replace(kept, told=kept.level)
            told.append(_Told(change, [each for each in listening if _wants(each, change)]))
        if before is None:
            new.append(kept)
        elif kept != before:
            other.append(kept)
    return _Look(new, other, forgotten, told)


def _listening(channels: Iterable[Row[Any]], kept: Kept, mutes: Mutes) -> list[Row[Any]]:
    """The channels that are there to be told. While there is none a change waits, and is told to the first."""
    if kept.sync_id is not None and mutes.of_sync(kept.sync_id):
        return []
    return [
        each
        for each in channels
        if kept.project_id in (None, each.project_id) and not mutes.of_project(each.project_id)
    ]


def _wants(channel: Row[Any], change: Change) -> bool:
    """Whether a change reaches a channel's level, going up or coming down."""
    return max(rank(change.before), rank(change.after)) >= rank(channel.level)


def _keep(connection: Transaction, found: _Look) -> None:
    for kept in found.new:
        connection.execute(alert_states.insert().values(**_values(kept)))
    for kept in found.other:
        connection.execute(alert_states.update().where(alert_states.c.key == kept.key).values(**_values(kept)))
    for key in found.forgotten:
        connection.execute(alert_states.delete().where(alert_states.c.key == key))


def _post(connection: Transaction, told: Sequence[_Told], at: datetime) -> None:
    """One message a channel, with all that changed for it."""
    names = {row.id: row.name for row in connection.execute(select(projects.c.id, projects.c.name))}
    by_channel: dict[int, list[Change]] = {}
    for each in told:
        for channel in each.channels:
            by_channel.setdefault(channel.id, []).append(each.change)
    for channel_id, changes in by_channel.items():
        post(connection, channel_id, changes, names, at=at)


def post(
    connection: Transaction,
    channel_id: int,
    changes: Sequence[Change],
    names: Mapping[int, str],
    *,
    at: datetime,
    test: bool = False,
    claimed_until: datetime | None = None,
) -> int:
    """Put a message into the outbox of a channel, and return its number. `names` are those of projects."""
    body = document(changes, names, host=this_host(), at=at, test=test)
    made = alert_messages.insert().values(
        channel_id=channel_id,
        message_id=f"msg_{uuid.uuid4().hex}",
        test=int(test),
        body=body.decode(),
        state=WAITING,
        created_at=at,
        next_at=at,
        claimed_until=claimed_until,
    )
    return int(connection.execute(made.returning(alert_messages.c.id)).scalar_one())


def _kept(row: Row[Any]) -> Kept:
    values = {**row._mapping, "raised": [datetime.fromisoformat(each) for each in row.raised]}
    return Kept(**values)


def _values(kept: Kept) -> dict[str, Any]:
    return {**asdict(kept), "figures": dict(kept.figures), "raised": [each.isoformat() for each in kept.raised]}
