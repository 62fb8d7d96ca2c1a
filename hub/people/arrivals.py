"""When something about somebody came in: by the clock of the hub, not by that of the event."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa

from hub.lake.tables import EVENTS, IDENTITY, PROFILES, TIME
from hub.people.views import identity_map, with_person

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import Reader
    from hub.lake.snapshot import Filter
    from hub.lake.tables import TableLayout
    from hub.workspace import Project


def first_arrivals(
    reader: Reader, project: Project, *, after: datetime, until: datetime, events: Collection[str] | None
) -> ibis.Table:
    """Of whom something came in after `after` and up to `until` (aware), and when the first of it did: `person`,
    `since`, each person once.

    What counts are events of these names by when they were received (None: all events), changes of profiles by when
    they were known, and ids that became somebody's. An event that came in twice counts at both times: nobody looks for
    duplicates here, which makes this cheap. It reads two or three columns of the files that may have rows so new.
    """
    of: list[Filter] = [("project_id", "=", str(project.id))]
    parts = []
    if (events is None or events) and (came := _newer(reader, EVENTS, "received_at", after, until, of)) is not None:
        named = [] if events is None else [came.event.isin(sorted(events))]
        parts.append(came.filter(came.distinct_id != "", *named).select("distinct_id", since=came.received_at))
    if (changed := _newer(reader, PROFILES, "known_at", after, until, of)) is not None:
        parts.append(changed.select("distinct_id", since=changed.known_at))
    if (linked := _newer(reader, IDENTITY, "known_from", after, until, of)) is not None:
        parts.append(linked.select(distinct_id=linked.id, since=linked.known_from))
    if not parts:
        return reader.rows(pa.schema([("person", pa.string()), ("since", TIME)]).empty_table())
    arrived = reduce(lambda left, right: left.union(right), parts)
    ids = arrived.group_by("distinct_id").agg(since=arrived.since.min())
    people = with_person(ids, identity_map(reader, project))
    return people.group_by("person").agg(since=people.since.min())


def _newer(
    reader: Reader, layout: TableLayout, column: str, after: datetime, until: datetime, of: Sequence[Filter]
) -> ibis.Table | None:
    """The rows of a table whose instant in `column` lies after `after`, up to `until`; None when the log tells that
    there are none. Files without any are not opened."""
    files = reader.snapshot(layout).newer(column, after, of)
    if not files:
        return None
    rows = reader.of_files(layout, files)
    return rows.filter(rows[column] > after, rows[column] <= until)
