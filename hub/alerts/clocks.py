"""What a clock wrote that stood in the future: once it is set back, that is dated by the clock which is right.

Otherwise a message would wait, a mute last and a sync count as fresh for as long as the clock was ahead. A row is of
such a clock when it says that something happened later than now; by less than `SKEW` the clocks of several machines may
differ. What is kept of conditions is mended where it is judged (`hub.alerts.changes`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, func, or_, select
from sqlalchemy import Connection as Transaction

from hub.store.tables import alert_messages, alert_mutes, sync_freshness

SKEW = timedelta(minutes=5)
"""By so much clocks of machines that share a hub may differ."""
CLAIM = timedelta(minutes=6)
"""How long a message is nobody else's: longer than any attempt at it may take."""


def is_ahead(connection: Transaction, at: datetime) -> bool:
    """Whether a clock that was ahead of `at` has written something that `follow_clock` would mend."""
    mended = ((alert_messages, _messages(at)), (alert_mutes, _mutes(at)), (sync_freshness, _freshness(at)))
    return any(
        connection.execute(select(next(iter(table.primary_key))).where(rows).limit(1)).first() for table, rows in mended
    )


def follow_clock(connection: Transaction, at: datetime) -> None:
    """Date by `at` what a clock wrote that was ahead of it.

    Messages go out at once, and free of a claim that nobody can hold any more. Mutes last as long as they were meant
    to, from now on. What was delivered to a sync counts as delivered now.
    """
    messages = alert_messages.c
    connection.execute(
        alert_messages.update()
        .where(_messages(at))
        .values(
            created_at=case((messages.created_at > at, at), else_=messages.created_at),
            tried_at=case((messages.tried_at > at, at), else_=messages.tried_at),
            next_at=at,
            claimed_until=None,
        )
    )
    for row in connection.execute(select(alert_mutes).where(_mutes(at))).all():
        until = at + (row.until - row.created_at)
        connection.execute(
            alert_mutes.update().where(alert_mutes.c.id == row.id).values(created_at=at, until=until),
        )
    connection.execute(sync_freshness.update().where(_freshness(at)).values(delivered_to=at))


def _messages(at: datetime) -> ColumnElement[bool]:
    messages = alert_messages.c
    tried: Any = func.coalesce(messages.tried_at, messages.created_at, type_=messages.created_at.type)
    return messages.ended_at.is_(None) & or_(tried > at + SKEW, messages.claimed_until > at + CLAIM + SKEW)


def _mutes(at: datetime) -> ColumnElement[bool]:
    return alert_mutes.c.created_at > at + SKEW


def _freshness(at: datetime) -> ColumnElement[bool]:
    return sync_freshness.c.delivered_to > at + SKEW
