"""When something about somebody came in: by the clock of the hub, not by that of the event."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING

from hub.lake.tables import EVENTS, IDENTITY, PROFILES
from hub.people.views import identity_map, with_person

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import Reader
    from hub.lake.snapshot import Filter
    from hub.workspace import Project


def first_arrivals(
    reader: Reader, project: Project, *, after: datetime, until: datetime, events: Collection[str] | None
) -> ibis.Table:
    """Of whom something came in after `after` and up to `until` (aware), and when the first of it did: `person`,
    `since`, each person once.

    What counts are events of these names by when they were received (None: all events), changes of profiles by when
    they were known, and ids that became somebody's. An event that came in twice counts at both times: nobody looks for
    duplicates here, which makes this cheap. It reads two or three columns of the rows that are that new.
    """
    of: list[Filter] = [("project_id", "=", str(project.id))]
    rows = reader.table(EVENTS, of)
    came = rows.filter(rows.received_at > after, rows.received_at <= until, rows.distinct_id != "")
    if events is not None:
        came = came.filter(came.event.isin(sorted(events)))
    parts = [came.select("distinct_id", since=came.received_at)] if events is None or events else []
    profiles = reader.table(PROFILES, of)
    changed = profiles.filter(profiles.known_at > after, profiles.known_at <= until)
    parts.append(changed.select("distinct_id", since=changed.known_at))
    if reader.has(IDENTITY, "id", of):
        links = reader.table(IDENTITY, of)
        linked = links.filter(links.known_from > after, links.known_from <= until)
        parts.append(linked.select(distinct_id=linked.id, since=linked.known_from))
    arrived = reduce(lambda left, right: left.union(right), parts)
    ids = arrived.group_by("distinct_id").agg(since=arrived.since.min())
    people = with_person(ids, identity_map(reader, project))
    return people.group_by("person").agg(since=people.since.min())
