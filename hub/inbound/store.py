"""Partners' message events into the lake: as events, each once, the person found when read.

An event's key is (connection, the partner's event id). Events that the lake has are dropped at the door.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from hub.clock import now, utc_months
from hub.connectors.messages import MessageEvent, MessageEvents
from hub.errors import Busy
from hub.inbound.observed import tell_plugins
from hub.inbound.origins import note_origins
from hub.lake.tables import EVENT_COLUMNS, EVENTS, PROPERTY_MAPS
from hub.lake.typed import property_columns

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import Reader
    from hub.workspace import Workspace

_NEAR = timedelta(days=31)
"""Partners tell of one event with times that differ a little (a bounce: when sent, or when it came back)."""

_ATTEMPTS = 5

CONNECTION = "$connection"
"""The property of a message event that names the connection it came through."""


def match_id(match: tuple[str, str]) -> str:
    """What stands in the place of a distinct_id until the person is found by match key, when the event is read."""
    return f"$match:{match[0]}:{match[1]}"


def store_events(
    workspace: Workspace, connection_id: int, connection: str, known: MessageEvents, events: Sequence[MessageEvent]
) -> Counter[str]:
    """Append the events that the lake does not have, in one commit. Returns how many those are, by the event's name.

    Harmless when repeated, when pages overlap, and when two processes do it at once: whoever is later looks again.
    Raises KeyError for a kind that the connector does not declare, StoreError when the lake cannot be written.
    """
    distinct = _distinct(events)
    if not distinct:
        return Counter()
    names = {kind.kind: kind.event for kind in known.kinds}
    note_origins(workspace.store, connection_id, distinct)
    application = f"message events:{connection_id}"
    for attempt in range(_ATTEMPTS):
        before = workspace.lake.committed(EVENTS, application) or 0
        fresh = _not_stored(workspace, connection, known, distinct)
        if not fresh:
            return Counter()
        rows = _rows(workspace.project.id, connection, known, names, fresh)
        try:
            workspace.lake.append(EVENTS, rows, application=application, version=before + 1, after=before)
        except Busy:
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            break
    tell_plugins(workspace, connection_id, connection, fresh)
    return Counter(names[event.kind] for event in fresh)


def _distinct(events: Sequence[MessageEvent]) -> list[MessageEvent]:
    return [*{event.id: event for event in events}.values()]


def _not_stored(
    workspace: Workspace, connection: str, known: MessageEvents, events: list[MessageEvent]
) -> list[MessageEvent]:
    # all months from a near one to the other: between the 31st of October and the 1st of December lies November
    months = sorted({month for time in _edges(events) for month in utc_months(time - _NEAR, time + _NEAR)})
    filters: list[tuple[str, str, Any]] = [("project_id", "=", str(workspace.project.id)), ("month", "in", months)]
    ids = pa.table({"insert_id": [event.id for event in events]})
    with workspace.reading_here() as reader:
        stored = reader.table(EVENTS, filters)
        of_partner = stored.filter(stored.source == known.source)
        found = _ids(reader, of_partner.semi_join(reader.rows(ids), "insert_id"))
        if found:  # seldom, and only now are the properties read: another connection may have an id, too
            these = of_partner.semi_join(reader.rows(pa.table({"insert_id": [*found]})), "insert_id")
            found = _ids(reader, these.filter(these.strings.get(CONNECTION) == connection))
    return [event for event in events if event.id not in found] if found else events


def _ids(reader: Reader, events: ibis.Table) -> set[str]:
    batches = reader.batches(events.select("insert_id").distinct())
    return {value for batch in batches for value in batch.column(0).to_pylist()}


def _edges(events: list[MessageEvent]) -> set[datetime]:
    """The first and the last of the events' times in each month."""
    edges: dict[tuple[int, int], tuple[datetime, datetime]] = {}
    for event in events:
        time = event.time
        first, last = edges.get(month := (time.year, time.month), (time, time))
        if time <= first or time >= last:
            edges[month] = min(first, time), max(last, time)
    return {time for both in edges.values() for time in both}


def _rows(
    project_id: int, connection: str, known: MessageEvents, names: Mapping[str, str], events: list[MessageEvent]
) -> pa.Table:
    received, size = now(), len(events)
    times = pa.array([event.time for event in events], EVENTS.schema.field("time").type)
    columns: dict[str, Any] = {
        "project_id": pa.repeat(pa.scalar(project_id, pa.int32()), size),
        "month": pc.strftime(times, "%Y-%m"),
        "event": [names[event.kind] for event in events],
        "distinct_id": [match_id(event.match) for event in events],
        "device_id": pa.nulls(size, pa.string()),
        "user_id": pa.nulls(size, pa.string()),
        "time": times,
        "insert_id": [event.id for event in events],
        "source": pa.repeat(known.source, size),
        "received_at": pa.repeat(pa.scalar(received, EVENTS.schema.field("received_at").type), size),
    }
    marks = {known.marker: known.source, CONNECTION: connection}
    maps = zip(
        (name for name, _ in PROPERTY_MAPS), property_columns([_told(event, marks) for event in events]), strict=True
    )
    return pa.table({**columns, **dict(maps)}, schema=EVENT_COLUMNS)


def _told(event: MessageEvent, marks: Mapping[str, str]) -> dict[str, Any]:
    """The event's own properties, what is named alike for all partners, and the marks of partner and connection."""
    told = {**event.properties}
    if event.origin:
        told["campaign_id"] = event.origin.id
        if event.origin.name:
            told["campaign_name"] = event.origin.name
    if event.message:
        told["message_id"] = event.message
    if event.machine:
        told["machine"] = True
    told.update(marks)
    return told
