"""Partners' message events into the lake: as events, each once, the person found when read.

An event's key is (connection, the partner's event id). Events that the lake has are dropped at the door.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hub.clock import now
from hub.connectors.messages import MessageEvent, MessageEvents
from hub.lake.tables import EVENT_COLUMNS, EVENTS, PROPERTY_MAPS
from hub.lake.typed import property_columns

if TYPE_CHECKING:
    from hub.workspace import Workspace

_NEAR = timedelta(days=31)
"""Partners tell of one event with times that differ a little (a bounce: when sent, or when it came back)."""

CONNECTION = "$connection"
"""The property of a message event that names the connection it came through."""


def match_id(match: tuple[str, str]) -> str:
    """What stands in the place of a distinct_id until the person is found by match key, when the event is read."""
    return f"$match:{match[0]}:{match[1]}"


def store_events(
    workspace: Workspace,
    connection: str,
    known: MessageEvents,
    events: Sequence[MessageEvent],
    *,
    application: str,
    version: int,
) -> int:
    """Append the events that the lake does not have, in one commit. Returns how many those are.

    Harmless when repeated, and when pages overlap. Raises KeyError for a kind that the connector does not declare,
    StoreError when the lake cannot be written.
    """
    fresh = _not_stored(workspace, connection, _distinct(events))
    if not fresh:
        return 0
    rows = _rows(workspace.project.id, connection, known, fresh)
    written = workspace.lake.append(EVENTS, rows, application=application, version=version)
    return len(fresh) if written else 0


def _distinct(events: Sequence[MessageEvent]) -> list[MessageEvent]:
    return [*{event.id: event for event in events}.values()]


def _not_stored(workspace: Workspace, connection: str, events: list[MessageEvent]) -> list[MessageEvent]:
    if not events:
        return []
    months = sorted({_month(event.time + shift) for event in events for shift in (-_NEAR, timedelta(), _NEAR)})
    filters: list[tuple[str, str, Any]] = [("project_id", "=", str(workspace.project.id)), ("month", "in", months)]
    ids = pa.table({"insert_id": [event.id for event in events]})
    with workspace.reading_here() as reader:
        stored = reader.table(EVENTS, filters)
        ours = stored.filter(stored.strings.get(CONNECTION) == connection)
        found = ours.semi_join(reader.rows(ids), "insert_id").select("insert_id").distinct()
        known = {value for batch in reader.batches(found) for value in batch.column(0).to_pylist()}
    return [event for event in events if event.id not in known]


def _rows(project_id: int, connection: str, known: MessageEvents, events: list[MessageEvent]) -> pa.Table:
    received = now()
    columns: dict[str, Any] = {
        "project_id": pa.array([project_id] * len(events), pa.int32()),
        "month": [_month(event.time) for event in events],
        "event": [known.event_of(event.kind) for event in events],
        "distinct_id": [match_id(event.match) for event in events],
        "device_id": pa.nulls(len(events), pa.string()),
        "user_id": pa.nulls(len(events), pa.string()),
        "time": pa.array([event.time for event in events], EVENTS.schema.field("time").type),
        "insert_id": [event.id for event in events],
        "source": [known.source] * len(events),
        "received_at": pa.array([received] * len(events), EVENTS.schema.field("received_at").type),
    }
    properties = [{**_told(event), known.marker: known.source, CONNECTION: connection} for event in events]
    maps = zip((name for name, _ in PROPERTY_MAPS), property_columns(properties), strict=True)
    return pa.table({**columns, **dict(maps)}, schema=EVENT_COLUMNS)


def _told(event: MessageEvent) -> dict[str, Any]:
    """The event's own properties, and what is named alike for all partners."""
    told = dict(event.properties)
    if event.origin:
        told |= {"campaign_id": event.origin.id} | ({"campaign_name": event.origin.name} if event.origin.name else {})
    if event.message:
        told["message_id"] = event.message
    if event.machine:
        told["machine"] = True
    return told


def _month(instant: datetime) -> str:
    return instant.strftime("%Y-%m")
