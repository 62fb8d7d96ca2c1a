"""A block of lines, decoded into a batch of the lake's table `events`. Pure, so that any process can do it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from hub.events.lines import Rejected, decode
from hub.events.record import Event, event_of
from hub.events.report import SAMPLE, Reject
from hub.lake.tables import EVENTS, TIME
from hub.lake.typed import property_columns

_EXCERPT = 200


class Job(msgspec.Struct, frozen=True):
    """What to make of a block whose first line has the number `first`.

    Lines up to `counted` were counted by an earlier run and are left out; lines up to `written` are in the lake already and
    are only counted.
    """

    project_id: int
    received_at: datetime
    first: int
    counted: int
    written: int


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
    events: list[Event] = []
    accepted = 0
    rejects: list[Reject] = []
    reasons: Counter[str] = Counter()
    for number, line in enumerate(data.split(b"\n"), job.first):
        if number <= job.counted:
            continue
        try:
            event = event_of(decode(line))
        except Rejected as error:
            if line and not line.isspace():
                reasons[error.reason] += 1
                note_reject(rejects, number, error.reason, line)
        else:
            accepted += 1
            if number > job.written:
                events.append(event)
    return Tally(accepted, reasons.total(), dict(reasons), rejects), events_batch(
        events, job.project_id, job.received_at
    )


def note_reject(rejects: list[Reject], number: int, reason: str, line: bytes) -> None:
    """Add a rejected line to the sample, unless that is full."""
    if len(rejects) < SAMPLE:
        excerpt = line[:_EXCERPT].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        rejects.append(Reject(number, reason, excerpt))


def events_batch(events: list[Event], project_id: int, received_at: datetime) -> pa.RecordBatch:
    """The rows of the lake's table `events` for some events of one project."""
    size = len(events)
    time = pa.array([event.time for event in events], pa.int64()).cast(TIME)
    text = pa.string()
    columns = [
        pa.repeat(pa.scalar(project_id, pa.int32()), size),
        _months(time),
        pa.array([event.name for event in events], text),
        pa.array([event.distinct_id for event in events], text),
        pa.array([event.device_id for event in events], text),
        pa.array([event.user_id for event in events], text),
        time,
        pa.array([event.insert_id for event in events], text),
        pa.array([event.source for event in events], text),
        pa.repeat(pa.scalar(received_at, TIME), size),
        *property_columns(event.properties for event in events),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=EVENTS.schema)


def _months(time: pa.Array) -> pa.Array:
    """`YYYY-MM` of each instant: formatted once a month, not once an event."""
    months = pc.floor_temporal(time, unit="month").dictionary_encode()
    return pc.strftime(months.dictionary, format="%Y-%m").take(months.indices)
