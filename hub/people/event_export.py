"""Events out again, as Mixpanel's raw export has them: one JSON object a line, `{"event": ..., "properties": {...}}`.

Beyond that form: each event is there once, however often it came in; in the order of time; and days are those of the
project's zone. `properties.distinct_id` is the person whom the event belongs to. What comes out can be imported again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import orjson
import pyarrow as pa

from hub.clock import day_start
from hub.errors import UsageError
from hub.lake import deduplicated
from hub.lake.tables import EVENTS
from hub.lake.typed import properties_in
from hub.people.views import owners, with_person

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import Reader
    from hub.lake.snapshot import Filter
    from hub.workspace import Project, Workspace

_LINES = 5_000
"""Events that are in memory as lines."""
_BEFORE_ALL, _AFTER_ALL = 1970, 2100
"""No event is of these years."""


class Span(NamedTuple):
    """From `start` to before `end`; None: from the first, to the last event."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class Wanted:
    """Which events: those of the days from `first` to `last`, both included (None: from the first, to the last one);
    with one of these `names` (none: all); no more than `limit` (None: all)."""

    first: date | None = None
    last: date | None = None
    names: Sequence[str] = ()
    limit: int | None = None


def export_events(workspace: Workspace, wanted: Wanted | None = None) -> Iterator[bytes]:
    """The events of a project as JSON lines, the earliest first, some thousand of them at a time.

    Days are those of the project's zone. What has arrived by now is among them. Goes month by month, so that memory
    stays within what the settings allow. Raises UsageError for days that end before they begin, StoreError when the
    lake cannot be read.
    """
    wanted = wanted or Wanted()
    span = _span(wanted, workspace.project)
    with workspace.reading() as reader:
        left = wanted.limit
        for month in _months(reader, workspace.project, span):
            events = _events(reader, workspace.project, month, wanted.names, span)
            events = events.order_by("time", "insert_id", "event")
            for batch in reader.batches(events if left is None else events.limit(left), size=_LINES):
                yield b"".join(_lines(batch))
                left = None if left is None else left - batch.num_rows
            if left == 0:
                return


def _events(reader: Reader, project: Project, month: str, names: Sequence[str], span: Span) -> ibis.Table:
    def wanted(rows: ibis.Table) -> list[ibis.Value]:
        tests = [] if span.start is None else [rows.time >= span.start]
        tests += [] if span.end is None else [rows.time < span.end]
        return [*tests, rows.event.isin(list(names))] if names else tests

    filters: list[Filter] = [("project_id", "=", str(project.id)), ("month", "=", month)]
    events = deduplicated.events(reader, filters, narrow=wanted)
    tests = wanted(events)
    return with_person(events.filter(*tests) if tests else events, owners(reader, project))


def _months(reader: Reader, project: Project, span: Span) -> list[str]:
    """The months that have events and that any of the days asked for lie in."""
    stored = reader.snapshot(EVENTS).stored([("project_id", "=", str(project.id))])
    there = sorted({file.partition["month"] for file in stored})
    first, last = (instant and f"{instant:%Y-%m}" for instant in span)
    return [month for month in there if (not first or month >= first) and (not last or month <= last)]


def _span(wanted: Wanted, project: Project) -> Span:
    if wanted.first and wanted.last and wanted.last < wanted.first:
        raise UsageError(
            f"The days end on {wanted.last} and begin on {wanted.first}.", hint="Give the earlier one first."
        )
    zone = project.zone
    start = day_start(wanted.first, zone) if wanted.first and wanted.first.year > _BEFORE_ALL else None
    end = day_start(wanted.last + timedelta(days=1), zone) if wanted.last and wanted.last.year < _AFTER_ALL else None
    return Span(start, end)


def _lines(rows: pa.RecordBatch) -> Iterator[bytes]:
    """One line an event. Its time is in seconds, as it is in Mixpanel's; with a fraction when it has one."""
    texts = (rows[name].to_pylist() for name in ("event", "person", "insert_id", "device_id", "user_id"))
    instants = (rows[name].cast(pa.int64()).to_pylist() for name in ("time", "received_at"))
    for event, person, insert_id, device, user, time, received, properties in zip(
        *texts, *instants, properties_in(rows), strict=True
    ):
        seconds, fraction = divmod(time, 1_000_000)
        told = {"time": time / 1_000_000 if fraction else seconds, "distinct_id": person, "$insert_id": insert_id}
        if device is not None:
            told["$device_id"] = device
        if user is not None:
            told["$user_id"] = user
        told.update(properties)
        told["mp_processing_time_ms"] = received // 1000
        yield orjson.dumps({"event": event, "properties": told}, option=orjson.OPT_APPEND_NEWLINE)
