"""What came in through one request to `/track` or `/import`: events that are fit for the lake, and refusals.

Rules: Mixpanel's references of the two endpoints (section 7.1 of the facts, and their contradiction C11). Where they
leave something open, the hub does this.

- A time more than an hour in the future is refused by `/import`. On `/track` it becomes the time of arrival: there it
  comes from a device whose clock is wrong.
- On `/track`, a missing time is the time of arrival, and a time more than five days ago is refused. A missing
  distinct_id is a hash of the client's address, unless the request says `ip=0`.
- A missing `$insert_id` follows from the event's contents and from how many equal ones came before it in its request:
  two equal events in one request are two, and a request that is sent again brings the same events. An event without a
  time is another one each time that it arrives: nothing tells a repetition from a second event.
- `$identify`, `$create_alias` and `$merge` need neither time nor `$insert_id`, on either endpoint: the references and
  mixpanel-python's `alias` and `merge` give them none. `$merge` goes in through `/import` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

import msgspec
import orjson

from hub.events.lines import Ignored, Rejected, excerpt, worded
from hub.events.record import Event, Rules, event_of, insert_id_of
from hub.events.request import Decoded

OLDEST = timedelta(days=5)
"""How old an event may be on `/track`."""
AHEAD = timedelta(hours=1)
"""How far in the future an event may be."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Refusal(msgspec.Struct, frozen=True):
    """A record that did not go in.

    `index` is its place in the request, from 0. `insert_id` and `token` are what it came with, "" if that is none or
    cannot be told. `field` is what is wrong, such as `properties.time`; "" when that is the record as a whole.
    `message` is a sentence without the record's own values, so that it can be counted; `excerpt` is the record's
    beginning.
    """

    index: int
    insert_id: str
    field: str
    message: str
    excerpt: str
    token: str = ""


@dataclass(frozen=True)
class Imported:
    """What became of the records of a request: each is one of `events` or of `refusals`, or counted as `ignored`."""

    events: list[Event]
    refusals: list[Refusal]
    ignored: int


@dataclass(frozen=True)
class Tracked:
    """As Imported; the events by the token that they came with."""

    events: dict[str, list[Event]]
    refusals: list[Refusal]
    ignored: int


def imported(request: Decoded, *, now: datetime, simplified: bool) -> Imported:
    """The events of a request to `/import`, all for one project. `simplified` is its identity system.

    With the flag `strict`, an event without `$insert_id` is refused; without it, one is made. Never raises for what is
    in the records.
    """
    received = microseconds_since_1970(now)
    latest = microseconds_since_1970(now + AHEAD)
    rules = Rules(simplified=simplified, latest=latest, received=received, complete=request.flags.strict)
    made = _InsertIds(received)
    events, refusals, ignored = list[Event](), list[Refusal](), 0
    for index, record in enumerate(request.records):
        try:
            events.append(event_of(record, rules, insert_id=made))
        except Ignored:
            ignored += 1
        except Rejected as error:
            refusals.append(refusal(index, record, error))
    return Imported(events, refusals, ignored)


def tracked(
    request: Decoded, *, now: datetime, client_ip: str | None, simplified: Callable[[str], bool | None]
) -> Tracked:
    """The events of a request to `/track`, each for the project of its own token.

    `simplified` is asked once for each token: whether its project is under Simplified ID merge, or None when it is no
    project's; such events are refused. `client_ip` is the client's address. Never raises for what is in the records.
    """
    by_token: dict[str, tuple[Rules, list[Event]] | None] = {}
    made = _InsertIds(microseconds_since_1970(now))
    nobody = address_hash(client_ip) if client_ip and request.flags.ip is not False else None
    refusals, ignored = list[Refusal](), 0
    for index, record in enumerate(request.records):
        try:
            token = _token(record)
            if token not in by_token:
                system = simplified(token)
                by_token[token] = None if system is None else (_track_rules(now, system, nobody), [])
            known = by_token[token]
            if known is None:
                raise Rejected("The token is no project's.", "properties.token")
            known[1].append(event_of(record, known[0], insert_id=made))
        except Ignored:
            ignored += 1
        except Rejected as error:
            refusals.append(refusal(index, record, error))
    return Tracked({token: known[1] for token, known in by_token.items() if known and known[1]}, refusals, ignored)


def refusal(index: int, record: Any, error: Rejected) -> Refusal:
    """What is told of a record that was rejected: the decoded one, or the Rejected that stands in its place."""
    if isinstance(record, Rejected):
        return Refusal(index, "", record.field, record.reason, record.excerpt)
    fields = record if isinstance(record, dict) else {}
    properties = fields.get("properties")
    sent = properties if isinstance(properties, dict) else {}
    return Refusal(
        index,
        _text(sent.get("$insert_id")),
        error.field,
        worded(error.reason, "record"),
        _beginning(record),
        _text(sent.get("token") or fields.get("$token")),
    )


def address_hash(address: str) -> str:
    """The distinct_id of somebody of whom only the address is known: 32 hexadecimal digits."""
    return blake2b(address.encode(), digest_size=16, person=b"hub client ip").hexdigest()


def microseconds_since_1970(instant: datetime) -> int:
    """An aware instant in the unit of the wire structs."""
    return (instant - _EPOCH) // _MICROSECOND


class _InsertIds:
    """Makes the `$insert_id` of the events of one request that came without."""

    def __init__(self, received: int) -> None:
        self._received = received
        self._equal = Counter[str]()

    def __call__(self, record: dict[str, Any]) -> str:
        contents = insert_id_of(record)
        number = self._equal[contents]
        self._equal[contents] += 1
        timeless = record["properties"].get("time") is None
        if number == 0 and not timeless:
            return contents  # as from a file
        told = f"{contents} {number} {self._received if timeless else ''}"
        return blake2b(told.encode(), digest_size=16).hexdigest()


def _track_rules(now: datetime, simplified: bool, nobody: str | None) -> Rules:
    return Rules(
        simplified=simplified,
        earliest=microseconds_since_1970(now - OLDEST),
        latest=microseconds_since_1970(now + AHEAD),
        received=microseconds_since_1970(now),
        clocked=True,
        nobody=nobody,
        merges=False,
    )


def _token(record: Any) -> str:
    """The token of an event. Raises Rejected when it has none, or is no event at all."""
    try:
        token = record["properties"]["token"]
    except (KeyError, TypeError):
        token = None
    if token and type(token) is str:
        return token
    event_of(record)  # that it is no event comes first
    raise Rejected(
        "properties.token is missing." if token is None else "properties.token is no token.", "properties.token"
    )


def _beginning(record: Any) -> str:
    try:
        return excerpt(orjson.dumps(record))
    except orjson.JSONEncodeError:  # it reads deeper than it writes
        return ""


def _text(value: Any) -> str:
    return value if type(value) is str else ""
