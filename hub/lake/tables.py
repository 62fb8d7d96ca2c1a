"""The tables of the lake: their columns and partitions. Documented, so that other tools can read them.

Times are UTC, to the microsecond. Properties are typed maps: a property is in the map of the type that it was
sent with, so that no comparison ever crosses types.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

TIME = pa.timestamp("us", tz="UTC")

PROPERTY_MAPS: tuple[tuple[str, pa.DataType], ...] = (
    ("strings", pa.map_(pa.string(), pa.string())),
    ("numbers", pa.map_(pa.string(), pa.float64())),
    ("booleans", pa.map_(pa.string(), pa.bool_())),
    ("times", pa.map_(pa.string(), TIME)),
    ("lists", pa.map_(pa.string(), pa.list_(pa.string()))),
    ("nested", pa.string()),
)
"""The typed maps. `strings` holds every text as it was sent; `times` holds, beside it, the instant of a text
that is an ISO 8601 date or time. The elements of `lists` are JSON texts. `nested` is a JSON object of what is left:
objects."""


TAIL = "tail"
"""The partition column of rows that are compacted later, and the name of the application transaction that counts the
generations. Above 0 it is the generation in which a row was appended; 0 and below: compacted (`hub.lake.slices`)."""


@dataclass(frozen=True)
class TableLayout:
    """One table: its columns, and the columns that partition its files."""

    name: str
    schema: pa.Schema
    partition_by: tuple[str, ...]

    @property
    def has_tail(self) -> bool:
        """Whether appended rows are marked with their generation, for a compaction that appends may overlap with."""
        return TAIL in self.partition_by

    @cached_property
    def columns(self) -> pa.Schema:
        """The columns that writers bring: all but `tail`, which `Lake.append` fills in."""
        return pa.schema([column for column in self.schema if column.name != TAIL])


EVENTS = TableLayout(
    "events",
    pa.schema(
        [
            ("project_id", pa.int32()),
            ("month", pa.string()),  # of `time`, in UTC: 2026-11
            (TAIL, pa.int32()),
            ("event", pa.string()),
            ("distinct_id", pa.string()),
            ("device_id", pa.string()),
            ("user_id", pa.string()),
            ("time", TIME),
            ("insert_id", pa.string()),
            ("source", pa.string()),  # $source, or $partner_id
            ("received_at", TIME),
            *PROPERTY_MAPS,
        ]
    ),
    ("project_id", "month", TAIL),
)

EVENT_COLUMNS: pa.Schema = EVENTS.columns
"""The columns of `events` that writers bring."""

PROFILES = TableLayout(
    "profiles",
    pa.schema(
        [
            ("project_id", pa.int32()),
            ("distinct_id", pa.string()),
            ("seq", pa.int64()),  # the profile's newest row has the highest
            ("known_at", TIME),
            ("deleted", pa.bool_()),
            *PROPERTY_MAPS,
        ]
    ),
    ("project_id",),
)

IDENTITY = TableLayout(
    "identity",
    pa.schema(
        [
            ("project_id", pa.int32()),
            ("id", pa.string()),
            ("person", pa.string()),
            ("known_from", TIME),
            ("known_to", TIME),  # null: still true
        ]
    ),
    ("project_id",),
)

HELD = TableLayout(
    "held",
    pa.schema(
        [
            ("connection_id", pa.int32()),
            ("audience_id", pa.int32()),
            ("key", pa.string()),
            ("person", pa.string()),
            (
                "mapped",
                pa.map_(pa.string(), pa.string()),
            ),  # target -> typed text, as hub.sync.values writes it
            ("since", TIME),
            ("certain", pa.bool_()),  # false: sent, and no answer came back; it may or may not be there
            ("run_id", pa.int64()),  # the newest row of a key is the truth
            ("gone", pa.bool_()),  # taken out by that run
        ]
    ),
    ("audience_id",),
)

DELIVERIES = TableLayout(
    "deliveries",
    pa.schema(
        [
            ("project_id", pa.int32()),
            ("connection_id", pa.int32()),
            ("audience_id", pa.int32()),
            ("sync_id", pa.int32()),
            ("run_id", pa.int64()),
            ("batch", pa.int32()),
            ("action", pa.string()),  # add, update, remove
            ("person", pa.string()),
            ("key", pa.string()),
            ("outcome", pa.string()),  # acknowledged, rejected, owed
            ("reason", pa.string()),  # the partner's words
            ("at", TIME),
        ]
    ),
    ("project_id",),
)

COHORT_MEMBERS = TableLayout(
    "cohort_members",
    pa.schema(
        [
            ("project_id", pa.int32()),
            ("cohort_id", pa.int32()),
            ("change", pa.int64()),  # of the control plane's member_changes; the newest row of a key is the truth
            ("key", pa.string()),
            ("gone", pa.bool_()),  # taken out by that change
            *PROPERTY_MAPS,
        ]
    ),
    ("cohort_id", "change"),
)

MEMBERSHIP_CHANGES = TableLayout(
    "membership_changes",
    pa.schema(
        [
            ("project_id", pa.int32()),
            ("cohort_id", pa.int32()),
            ("version", pa.int32()),  # of the cohort's definition
            ("person", pa.string()),
            ("entered", pa.bool_()),  # false: left
            ("at", TIME),  # as of when the cohort was evaluated
            ("evaluation", pa.int64()),  # of the cohort; the newest row of a person is the truth
            ("merged", pa.bool_()),  # nobody entered or left: the person has another id from now on
        ]
    ),
    ("project_id", "cohort_id"),
)

KNOWN_EXTRAS = TableLayout(
    "known_extras",
    pa.schema(
        [
            ("audience_id", pa.int32()),
            ("key", pa.string()),
            ("since", TIME),
            ("run_id", pa.int64()),  # the run of the decision
        ]
    ),
    ("audience_id",),
)

LAYOUTS: tuple[TableLayout, ...] = (
    EVENTS,
    PROFILES,
    IDENTITY,
    HELD,
    DELIVERIES,
    KNOWN_EXTRAS,
    COHORT_MEMBERS,
    MEMBERSHIP_CHANGES,
)
