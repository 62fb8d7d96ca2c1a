"""Monthly tracked users: people with at least one event in a month that is not exempt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from hub.clock import month_bounds, now, utc_months
from hub.connectors.messages import MessageEvents
from hub.errors import UsageError
from hub.people.exemptions import Exemptions, exemptions

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import Reader
    from hub.workspace import Project, Workspace


@dataclass(frozen=True)
class Mtu:
    """The people of one month (`YYYY-MM`, of the project's zone).

    `mtu` have at least one event that is not exempt; all events of `exempt_only` are exempt. `by_source`, if it was
    asked for, tells how many of `mtu` have such an event of each source marker, `""` being the product itself: a
    person counts under every source that they have, so the sum may be more than `mtu`.
    """

    month: str
    mtu: int
    exempt_only: int
    by_source: Mapping[str, int] | None = None

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub mtu --json`."""
        told = {"month": self.month, "mtu": self.mtu, "exempt_only": self.exempt_only}
        return told if self.by_source is None else {**told, "by_source": dict(self.by_source)}


@dataclass(frozen=True)
class _Month:
    """A calendar month of the project's zone, as UTC instants; `end` is excluded."""

    name: str
    start: datetime
    end: datetime


def mtu(
    workspace: Workspace, month: str = "", message_events: Iterable[MessageEvents] = (), *, by_source: bool = False
) -> Mtu:
    """Count the people of `month` (`YYYY-MM`; empty: the present one), each once.

    `message_events` are those of the installed connectors: what they declare exempt is so, and the settings add and
    remove pairs. Raises UsageError when `month` is not a month.
    """
    return mtu_by_month(workspace, 1, month, message_events, by_source=by_source)[0]


def mtu_by_month(
    workspace: Workspace,
    months: int,
    until: str = "",
    message_events: Iterable[MessageEvents] = (),
    *,
    by_source: bool = False,
) -> list[Mtu]:
    """Count the people of each of the last `months` calendar months, the oldest first, in one scan of the lake.

    `until` (`YYYY-MM`; empty: the present one) is the last of them; a month without events has nobody. Otherwise
    as `mtu`. Raises UsageError when `until` is not a month, or there are not so many before it.
    """
    project = workspace.project
    asked = _months(until or now().astimezone(project.zone).strftime("%Y-%m"), months, project.timezone)
    exempt = workspace_exemptions(workspace, message_events)
    with workspace.reading() as reader:
        seen = _seen(reader, project, asked, exempt, by_source=by_source)
        people, sources = _people(reader, seen), _sources(reader, seen) if by_source else {}
    return [
        Mtu(month.name, *people.get(month.name, (0, 0)), sources.get(month.name, {}) if by_source else None)
        for month in asked
    ]


def workspace_exemptions(workspace: Workspace, message_events: Iterable[MessageEvents] = ()) -> Exemptions:
    """The exemptions in force: shipped, declared by connectors, and what the settings add and remove."""
    settings = workspace.settings
    return exemptions(message_events, add=settings.mtu_exempt_add, remove=settings.mtu_exempt_remove)


def _months(last: str, count: int, zone: str) -> list[_Month]:
    _bounds(last, zone)  # the user's own spelling is the one to complain about
    number = int(last[:4]) * 12 + int(last[5:]) - 1
    names = [f"{each // 12:04}-{each % 12 + 1:02}" for each in range(number - count + 1, number + 1)]
    return [_Month(name, *_bounds(name, zone)) for name in names]


def _bounds(month: str, zone: str) -> tuple[datetime, datetime]:
    try:
        if len(month) != len("2026-11"):
            raise ValueError(month)
        return month_bounds(month, zone)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{month!r} is not a month.", hint="Write it as YYYY-MM, such as 2026-11.") from error


def _seen(
    reader: Reader, project: Project, months: Sequence[_Month], exempt: Exemptions, *, by_source: bool
) -> ibis.Table:
    """Who had events in which month, and whether any was not exempt: `person`, `local_month`, `tracked`.

    With `by_source`, a row for each `source` too, worked out and kept, because two questions are asked of it.
    """
    import ibis

    from hub.people.views import people_events

    events = people_events(reader, project, months=utc_months(months[0].start, months[-1].end))
    edges = _edges(reader, months)
    inside = [events.month == edges.utc_month, events.time >= edges.month_start, events.time < edges.month_end]
    dated = events.join(edges, inside)
    tracked = (~_covered(dated, exempt)).any()
    if not by_source:
        return dated.group_by("local_month", "person").agg(tracked=tracked)
    source = ibis.coalesce(dated.source, "")
    return reader.keep(dated.group_by("local_month", "person", source=source).agg(tracked=tracked))


def _edges(reader: Reader, months: Sequence[_Month]) -> ibis.Table:
    """The edges of the months, a row for each partition (UTC month) that one lies in.

    Events find their month by their partition first: few rows are left to compare instants with, however
    many months are asked for.
    """
    import pyarrow as pa

    from hub.lake.tables import TIME

    rows = [(part, month) for month in months for part in utc_months(month.start, month.end)]
    return reader.rows(
        pa.table(
            {
                "utc_month": pa.array([part for part, _ in rows], pa.string()),
                "local_month": pa.array([month.name for _, month in rows], pa.string()),
                "month_start": pa.array([month.start for _, month in rows], TIME),
                "month_end": pa.array([month.end for _, month in rows], TIME),
            }
        )
    )


def _people(reader: Reader, seen: ibis.Table) -> dict[str, tuple[int, int]]:
    """How many people of each month are tracked, and how many have only exempt events."""
    people = seen
    if "source" in seen.columns:  # a person has several rows in a month only then
        people = seen.group_by("local_month", "person").agg(tracked=seen.tracked.any())
    counted = people.group_by("local_month").agg(
        tracked=people.count(where=people.tracked), others=people.count(where=~people.tracked)
    )
    return {row["local_month"]: (row["tracked"], row["others"]) for row in _rows(reader, counted)}


def _sources(reader: Reader, seen: ibis.Table) -> dict[str, dict[str, int]]:
    """How many people of each month have events of each source that are not exempt, by source in order."""
    tracked = seen.filter(seen.tracked)
    counted = tracked.group_by("local_month", "source").agg(people=tracked.count())
    found: dict[str, dict[str, int]] = {}
    for row in sorted(_rows(reader, counted), key=lambda row: str(row["source"])):
        found.setdefault(row["local_month"], {})[row["source"]] = row["people"]
    return found


def _rows(reader: Reader, table: ibis.Table) -> list[dict[str, Any]]:
    return [row for batch in reader.batches(table) for row in batch.to_pylist()]


def _covered(events: ibis.Table, exempt: Exemptions) -> ibis.Value:
    """Whether each event is exempt; an event without a source only by its name."""
    import ibis

    from_source = [
        events.event.isin(names) if source is None else (events.source == source) & events.event.isin(names)
        for source, names in exempt.by_source().items()
    ]
    nothing = events.event.isnull()  # an event has a name: a column of "no", even when nothing is exempt
    return ibis.coalesce(reduce(or_, from_source, nothing), nothing)
