"""A micro-batch, made ready to be carried out: rows for the lake, and what the control plane does, in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec
import numpy as np
import pyarrow as pa

from hub.errors import StoreError
from hub.events.arriving import microseconds_since_1970
from hub.events.batch import events_batch
from hub.events.record import IDENTITY_EVENTS, Event
from hub.intake.arrival import EVENTS, PROFILES, Rejected, events_in, rejected_in, updates_in
from hub.intake.log import Stored
from hub.intake.position import Position
from hub.lake.tables import EVENT_COLUMNS, TIME
from hub.people.identity import Link, links_of
from hub.people.profile_update import Update
from hub.workspace import Project

CHUNK = 20_000
"""Events that are objects at the same time; more of them than that are Arrow's."""

_RECEIVED_AT = EVENT_COLUMNS.get_field_index("received_at")


@dataclass
class Links:
    """Links that some events of a project hold."""

    project: Project
    links: list[Link]


@dataclass
class Updates:
    """Updates of a project's profiles, each run of them with the entry that it came in."""

    project: Project
    entries: list[tuple[Stored, list[Update]]] = field(default_factory=list)


@dataclass
class Refusals:
    """What was refused of one request for a project."""

    project: Project
    entry: Stored
    rejected: Rejected


Step = Links | Updates | Refusals
"""One thing that the control plane does."""


@dataclass
class Load:
    """Entries of the log up to number `last`, ready to be carried out.

    `rows` are for the lake, with EVENT_COLUMNS; `steps` for the control plane, in this order. `unpublished` are
    projects whose people the control plane may know better than the lake: somebody was stopped on the way.
    """

    last: int
    records: int
    rows: list[pa.RecordBatch] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    unpublished: set[Project] = field(default_factory=set)


def load(stored: Sequence[Stored], position: Position, projects: Mapping[int, Project]) -> Load:
    """Make some entries (at least one, in their order) ready.

    Rows are made of events that are not in the lake at `position`, steps of what is not in the control plane. Of a
    project that there is not, events are moved, and the rest is passed over. Raises StoreError for an entry that cannot
    be read.
    """
    made = Load(stored[-1].id, sum(entry.records for entry in stored))
    by_project: dict[int, list[Stored]] = {}
    for entry in stored:
        by_project.setdefault(entry.project_id, []).append(entry)
    for project_id, entries in by_project.items():
        one = _OfProject(made, position, project_id, projects.get(project_id))
        for entry in entries:
            try:
                one.add(entry)
            except msgspec.MsgspecError as error:
                raise StoreError(
                    f"Entry {entry.id} of the intake log cannot be read: {error}.",
                    hint="If a newer hub wrote it, use that version; nothing after it is moved until then.",
                ) from error
        one.flush()
    return made


class _OfProject:
    """One project's part of a load in the making.

    Profiles of an original project are those of the person whom an id belongs to, so that links and updates keep their
    order among each other. Events that say nothing of who is who may wait for more of them.
    """

    def __init__(self, made: Load, position: Position, project_id: int, project: Project | None) -> None:
        self._made, self._position, self._id, self._project = made, position, project_id, project
        self._chunk: list[tuple[Stored, list[Event]]] = []
        self._size = 0
        self._wanted = (True, True)
        self._says_who = False
        self._updates: Updates | None = None

    def add(self, entry: Stored) -> None:
        position, known = self._position, self._project
        wanted = entry.id > position.written, entry.id > position.applied and known is not None
        if known and entry.id <= position.applied:
            self._made.unpublished.add(known)
        if entry.kind == EVENTS and any(wanted):
            self._events(entry, wanted)
        elif entry.kind == PROFILES and known and wanted[1]:
            self._profiles(known, entry)
        elif entry.kind != EVENTS and known and wanted[1]:
            self._made.steps.append(Refusals(known, entry, rejected_in(entry.payload)))

    def flush(self) -> None:
        """Make rows and links of the events at hand."""
        if not self._chunk:
            return
        rows = _rows(self._chunk, self._id)
        into_lake, linked = self._wanted
        self._chunk, self._size, self._says_who = [], 0, False
        if into_lake:
            self._made.rows.append(rows)
        links = links_of(pa.Table.from_batches([rows]), self._project.identity) if linked and self._project else []
        if links and self._project:
            self._made.steps.append(Links(self._project, links))
            self._updates = None  # what comes from now on is applied after these links

    def _events(self, entry: Stored, wanted: tuple[bool, bool]) -> None:
        events = events_in(entry.payload)
        if self._size + len(events) > CHUNK or wanted != self._wanted:
            self.flush()
        self._wanted = wanted
        self._chunk.append((entry, events))
        self._size += len(events)
        if self._project and self._project.identity == "original" and not self._says_who:
            self._says_who = any(event.name in IDENTITY_EVENTS for event in events)

    def _profiles(self, project: Project, entry: Stored) -> None:
        updates = updates_in(entry.payload)
        if self._says_who:
            self.flush()
        if self._updates is None:
            self._updates = Updates(project)
            self._made.steps.append(self._updates)
        self._updates.entries.append((entry, updates))


def _rows(chunk: Sequence[tuple[Stored, list[Event]]], project_id: int) -> pa.RecordBatch:
    """The rows of some entries of one project, each event with the instant at which its own entry came in."""
    first = chunk[0][0].received_at
    rows = events_batch(chain.from_iterable(events for _, events in chunk), project_id, first)
    received = np.array([microseconds_since_1970(entry.received_at) for entry, _ in chunk], dtype=np.int64)
    repeated = np.repeat(received, [len(events) for _, events in chunk])
    return rows.set_column(_RECEIVED_AT, EVENT_COLUMNS.field(_RECEIVED_AT), pa.array(repeated).cast(TIME))
