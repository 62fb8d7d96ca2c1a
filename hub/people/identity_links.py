"""Links: what the events themselves say about which ids are one person's. Pure: no state."""

from __future__ import annotations

import re
from typing import NamedTuple

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from hub.events.lines import is_banned

DEVICE_PREFIX = "$device:"
"""What the id of a device begins with."""

DEVICE, IDENTIFY, ALIAS, MERGE = "device", "identify", "alias", "merge"
"""Kinds of links. The first is Simplified ID merge's, the others are Original ID merge's."""

_EVENTS = ("$identify", "$create_alias", "$merge")
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_ANONYMOUS = re.compile(rf"(?:\$device:)?{_UUID}", re.IGNORECASE)
_ANONYMOUS_LENGTHS = (36, 36 + len(DEVICE_PREFIX))

TAKEN, FULL, ALREADY = "taken", "full", "already"
"""Why a link links nobody, found out when it is applied: the device, the anonymous id or the alias is somebody's
already; the person would have too many ids; both ids are one person's without it."""
NOT_UUID, NOBODY, ITSELF = "not uuid", "nobody", "itself"
"""Why a link can never link anybody, whatever else is known."""


class Link(NamedTuple):
    """What one event says. `time` is the event's, in microseconds since 1970 UTC.

    `device`: `one` is a device's id (with `$device:`), `other` the `$user_id` that used it. `identify`: `one` is the
    identified id, `other` the anonymous one. `alias`: `one` is the distinct_id, `other` its alias. `merge`: both are
    equal, and stand in the order of text.
    """

    kind: str
    one: str
    other: str
    time: int

    @property
    def pair(self) -> tuple[str, str, str]:
        """What it says, whenever that was."""
        return self[:3]

    @property
    def place(self) -> tuple[int, str, str, str]:
        """Its place in the order in which links are applied, whatever the order in which they came."""
        return self.time, self.kind, self.one, self.other


def links_of(rows: pa.Table, system: str) -> list[Link]:
    """The links in some rows of the lake's table `events`, each once, with its earliest time.

    `system` is the project's identity system. `simplified`: every row with a `device_id` and a `user_id` is one;
    `$identify`, `$create_alias` and `$merge` are none. `original`: those three are, and nothing else. Whether a link
    links anybody is decided when it is applied.
    """
    return _devices(rows) if system == "simplified" else _identity_events(rows)


def is_anonymous(text: str) -> bool:
    """Whether an id is one that an SDK makes up for somebody unknown: a UUID v4, alone or behind `$device:`."""
    return len(text) in _ANONYMOUS_LENGTHS and _ANONYMOUS.fullmatch(text) is not None


def impossible(link: Link) -> str:
    """Why a link can link nobody, whatever else is known: NOT_UUID, NOBODY or ITSELF; "" for one that may."""
    if link.one == link.other:
        return ITSELF
    if is_banned(link.one) or is_banned(link.other):
        return NOBODY
    return NOT_UUID if link.kind == IDENTIFY and not is_anonymous(link.other) else ""


def _devices(rows: pa.Table) -> list[Link]:
    both = rows.select(["device_id", "user_id", "time"]).drop_null()
    device, user = both["device_id"], both["user_id"]
    # somebody's id is never a device's: the map from ids to people has one step
    linked = pc.and_(pc.not_equal(device, ""), pc.invert(_begins_as_no_user(user)))
    return _earliest(DEVICE, pc.binary_join_element_wise(DEVICE_PREFIX, device, ""), user, both["time"], linked)


def _begins_as_no_user(user: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.or_(pc.equal(user, ""), pc.starts_with(user, DEVICE_PREFIX))


def _identity_events(rows: pa.Table) -> list[Link]:
    wanted = rows.select(["event", "distinct_id", "time", "strings", "numbers", "lists"])
    found = wanted.filter(pc.is_in(wanted["event"], pa.array(_EVENTS)))
    return [*_identified(found), *_aliased(found), *_merged(found)] if found.num_rows else []


def _identified(found: pa.Table) -> list[Link]:
    rows = found.filter(pc.equal(found["event"], "$identify"))
    one = pc.coalesce(_text(rows, "$identified_id"), rows["distinct_id"])
    other = pc.coalesce(_text(rows, "$anon_id"), _text(rows, "$anon_distinct_id"))
    return _earliest(IDENTIFY, one, other, rows["time"])


def _aliased(found: pa.Table) -> list[Link]:
    rows = found.filter(pc.equal(found["event"], "$create_alias"))
    return _earliest(ALIAS, rows["distinct_id"], _text(rows, "alias"), rows["time"])


def _merged(found: pa.Table) -> list[Link]:
    rows = found.filter(pc.equal(found["event"], "$merge"))
    earliest: dict[tuple[str, str], int] = {}
    sent = pc.map_lookup(rows["lists"], pa.scalar("$distinct_ids"), "first").to_pylist()
    for ids, time in zip(sent, _microseconds(rows["time"]).to_pylist(), strict=True):
        texts = sorted(filter(None, map(_id_of, ids or ())))
        if len(texts) == 2:
            pair = (texts[0], texts[1])
            earliest[pair] = min(time, earliest.get(pair, time))
    return [Link(MERGE, *pair, time) for pair, time in earliest.items()]


def _id_of(text: str) -> str:
    """The id that an element of a list is: of a text itself, of a whole number its digits, else ""."""
    value = orjson.loads(text)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if type(value) in (str, int) else ""


def _text(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """A property that holds an id: text as it is, a whole number as its digits; null without one."""
    text = pc.map_lookup(rows["strings"], pa.scalar(name), "first")
    number = pc.map_lookup(rows["numbers"], pa.scalar(name), "first")
    if number.null_count < len(number):
        whole = pc.if_else(pc.equal(number, pc.round(number)), number, None)
        text = pc.coalesce(text, pc.cast(pc.cast(whole, pa.int64(), safe=False), pa.string()))
    return pc.if_else(pc.equal(text, ""), None, text)


def _earliest(
    kind: str, one: pa.ChunkedArray, other: pa.ChunkedArray, time: pa.ChunkedArray, which: pa.ChunkedArray | None = None
) -> list[Link]:
    pairs = pa.table({"one": one, "other": other, "time": _microseconds(time)})
    pairs = (pairs if which is None else pairs.filter(which)).drop_null()
    pairs = pairs.filter(pc.and_(pc.not_equal(pairs["one"], ""), pc.not_equal(pairs["other"], "")))
    first = pairs.group_by(["one", "other"]).aggregate([("time", "min")])
    columns = (first[name].to_pylist() for name in ("one", "other", "time_min"))
    return [Link(kind, *row) for row in zip(*columns, strict=True)]


def _microseconds(time: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.cast(time, pa.int64())
