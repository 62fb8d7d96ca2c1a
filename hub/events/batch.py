"""A block of lines, decoded into a batch of the lake's table `events`. Pure, so that any process can do it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from hub.events.lines import MAX_TEXT, Rejected, decode, excerpt
from hub.events.record import Event, Rules, event_of
from hub.events.report import SAMPLE, Reject
from hub.events.table import Table, record_of, text_of, unpack
from hub.lake.tables import EVENT_COLUMNS, TIME
from hub.lake.typed import property_columns


class Job(msgspec.Struct, frozen=True):
    """What to make of a block whose first line has the number `first`. With a `table`, its lines are packed rows.

    Lines up to `counted` were counted by an earlier run and are left out; lines up to `written` are in the lake
    already and are only counted. `simplified` is the project's identity system: Simplified ID merge, or Original.
    """

    project_id: int
    received_at: datetime
    first: int
    counted: int
    written: int
    table: Table | None = None
    simplified: bool = True


class Tally(msgspec.Struct, frozen=True):
    """What was found in some lines. `rejects` are the first SAMPLE, `reasons` counts all that were rejected."""

    accepted: int = 0
    rejected: int = 0
    reasons: dict[str, int] = {}
    rejects: list[Reject] = []

    def __add__(self, other: Tally) -> Tally:
        reasons = dict(Counter(self.reasons) + Counter(other.reasons))
        rejects = (self.rejects + other.rejects)[:SAMPLE]
        return Tally(self.accepted + other.accepted, self.rejected + other.rejected, reasons, rejects)


def decode_block(data: bytes, job: Job) -> tuple[Tally, pa.RecordBatch]:
    """Decode the lines of a block. Never raises for what is in them."""
    found = _Found()
    events = _events(data, job, found) if job.table is None else _events_of_rows(data, job, job.table, found)
    batch = events_batch(events, job.project_id, job.received_at)
    return Tally(found.accepted, found.reasons.total(), dict(found.reasons), found.rejects), batch


def events_batch(events: Iterable[Event], project_id: int, received_at: datetime) -> pa.RecordBatch:
    """The rows of the lake's table `events` for some events of one project. `events` is gone through once."""
    times = array("q")
    texts: list[list[str | None]] = [[] for _ in range(6)]

    def properties() -> Iterator[dict[str, Any]]:
        # one event at a time, so that its objects are gone before the next ones are made
        name, distinct_id, device_id, user_id, insert_id, source = (column.append for column in texts)
        time = times.append
        for event in events:
            name(event.name)
            distinct_id(event.distinct_id)
            device_id(event.device_id)
            user_id(event.user_id)
            time(event.time)
            insert_id(event.insert_id)
            source(event.source)
            yield event.properties

    maps = property_columns(properties(), longest=MAX_TEXT)
    size = len(times)
    name, distinct_id, device_id, user_id, insert_id, source = (pa.array(column, pa.string()) for column in texts)
    time = pa.Array.from_buffers(TIME, size, [None, pa.py_buffer(times)])
    project = pa.repeat(pa.scalar(project_id, pa.int32()), size)
    received = pa.repeat(pa.scalar(received_at, TIME), size)
    columns = [project, _months(time), name, distinct_id, device_id, user_id, time, insert_id, source, received, *maps]
    return pa.RecordBatch.from_arrays(columns, schema=EVENT_COLUMNS)


@dataclass
class _Found:
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)

    def reject(self, number: int, reason: str, line: bytes) -> None:
        self.reasons[reason] += 1
        if len(self.rejects) < SAMPLE:
            self.rejects.append(Reject(number, reason, excerpt(line)))


def _events(data: bytes, job: Job, found: _Found) -> Iterator[Event]:
    """The events of a block that are to be written; all that is counted goes to `found`."""
    rules = Rules(simplified=job.simplified)
    for number, line in enumerate(data.split(b"\n"), job.first):
        if number <= job.counted:
            continue
        try:
            event = event_of(decode(line), rules)
        except Rejected as error:
            if line and not line.isspace():
                found.reject(number, error.reason, line)
        else:
            found.accepted += 1
            if number > job.written:
                yield event


def _events_of_rows(data: bytes, job: Job, table: Table, found: _Found) -> Iterator[Event]:
    """As `_events`, for rows."""
    rules = Rules(simplified=job.simplified)
    for number, row in enumerate(unpack(data), job.first):
        if number <= job.counted:
            continue
        try:
            event = event_of(record_of(row, table), rules)
        except Rejected as error:
            found.reject(number, error.reason, text_of(row, table))
        else:
            found.accepted += 1
            if number > job.written:
                yield event


def _months(time: pa.Array) -> pa.Array:
    """`YYYY-MM` of each instant: formatted once a month, not once an event."""
    months = pc.floor_temporal(time, unit="month").dictionary_encode()
    return pc.strftime(months.dictionary, format="%Y-%m").take(months.indices)
