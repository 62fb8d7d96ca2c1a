"""What one request brings, as it is kept until it is moved: one kind of records of one project, packed.

The payload is MessagePack of the very structs that decoding made, so that the mover has nothing to check again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from hub.events.arriving import Refusal
from hub.events.record import Event
from hub.people.profile_update import Update

EVENTS, PROFILES, REJECTS = "events", "profiles", "rejects"
"""The kinds of arrivals."""

SOURCES = ("track", "import", "engage")
"""Where what was rejected came in."""

MOST_SAMPLES = 20
"""Samples of rejected records that are kept of one reason."""


@dataclass(frozen=True)
class Arrival:
    """What is to be kept: `records` of one kind (EVENTS, PROFILES, REJECTS), of one project, that came in at
    `received_at`. They are in `payload`; use the functions below to make one."""

    project_id: int
    kind: str
    records: int
    received_at: datetime
    payload: bytes


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """How often something was refused for one reason, and the beginnings of the first MOST_SAMPLES of it."""

    reason: str
    count: int
    excerpts: list[str]


class Rejected(msgspec.Struct, frozen=True, array_like=True):
    """What was refused of one request, by reason. `source` is one of SOURCES."""

    source: str
    reasons: list[Reason]


_pack = msgspec.msgpack.Encoder().encode
_events = msgspec.msgpack.Decoder(list[Event]).decode
_updates = msgspec.msgpack.Decoder(list[Update]).decode
_rejected = msgspec.msgpack.Decoder(Rejected).decode


def events_arrival(project_id: int, events: Sequence[Event], received_at: datetime) -> Arrival:
    """Events of one request; `received_at` is what the lake will say."""
    return Arrival(project_id, EVENTS, len(events), received_at, _pack(events))


def profiles_arrival(project_id: int, updates: Sequence[Update], received_at: datetime) -> Arrival:
    """Updates of profiles of one request, in the order in which they are to be folded."""
    return Arrival(project_id, PROFILES, len(updates), received_at, _pack(updates))


def rejects_arrival(project_id: int, source: str, refusals: Iterable[Refusal], received_at: datetime) -> Arrival:
    """What was refused of one request to `source` (one of SOURCES): counted, with a few samples."""
    by_reason: dict[str, list[str]] = {}
    for refusal in refusals:
        by_reason.setdefault(refusal.message, []).append(refusal.excerpt)
    reasons = [Reason(reason, len(found), found[:MOST_SAMPLES]) for reason, found in by_reason.items()]
    records = sum(reason.count for reason in reasons)
    return Arrival(project_id, REJECTS, records, received_at, _pack(Rejected(source, reasons)))


def events_in(payload: bytes) -> list[Event]:
    """The events of an arrival of EVENTS. Raises msgspec.MsgspecError when it holds none."""
    return _events(payload)


def updates_in(payload: bytes) -> list[Update]:
    """The updates of an arrival of PROFILES. Raises msgspec.MsgspecError when it holds none."""
    return _updates(payload)


def rejected_in(payload: bytes) -> Rejected:
    """What an arrival of REJECTS tells. Raises msgspec.MsgspecError when it tells nothing."""
    return _rejected(payload)
