"""Changing how often a sync runs, and what it sends along. What it sends, and where to, is another sync."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from hub.clock import now
from hub.store.tables import syncs

if TYPE_CHECKING:
    from sqlalchemy import Row

    from hub.store.store import Store


def change(store: Store, row: Row[Any], *, every: timedelta | None, mapping: Mapping[str, str]) -> None:
    """Let a sync (a row of the table) run every so often (None: once) with that mapping (target -> property).

    A one-time sync that has run and is to run on is active again, and due at once. One that is to run once more, and
    not on, is due when it was due anyway.
    """
    values: dict[str, Any] = {"mapping": dict(mapping), "updated_at": now()}
    seconds = None if every is None else int(every.total_seconds())
    if seconds != row.every_seconds:
        values |= {"every_seconds": seconds, **_rescheduled(row, every)}
    with store.writing() as connection:
        connection.execute(syncs.update().where(syncs.c.id == row.id).values(values))


def _rescheduled(row: Row[Any], every: timedelta | None) -> dict[str, Any]:
    if every is None or row.state == "stopped":
        return {}
    if row.state == "done":
        return {"state": "active", "next_run_at": now()}
    due: datetime = row.next_run_at or now()
    return {"next_run_at": min(due, now() + every)}
