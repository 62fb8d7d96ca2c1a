"""One event, from the form of Mixpanel's import and raw export: `{"event": name, "properties": {...}}`.

Pure functions over one record: file imports and the server take events in through the same rules, which are those of
Mixpanel's import reference.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from hub.events.lines import MAX_ITEMS, MAX_TEXT, Ignored, Rejected, check_container, identifier, is_banned

EARLIEST = 31_536_000 * 1_000_000
"""1971-01-01, in microseconds since 1970 UTC: the first instant that is let in anywhere."""
LATEST = 4_102_444_800 * 1_000_000
"""2100-01-01: from here on nothing is let in."""
IDENTITY_EVENTS = frozenset(("$identify", "$create_alias", "$merge"))
"""Events that say who is who (Original ID merge). The reference's forms of them have no time and no `$insert_id`, and
of `$identify` and `$merge` no distinct_id either."""

_PLAIN = frozenset((str, int, float, bool, type(None)))
_FIRST_SECONDS, _FIRST_MILLISECONDS = 31_536_000, 31_536_000_000  # 1971-01-01
_LAST_MILLISECONDS = 4_102_444_800_000  # 2100-01-01


class Event(msgspec.Struct, frozen=True, array_like=True):
    """An event that is fit for the lake.

    `time` is in microseconds since 1970 UTC. `distinct_id` may be "": such an event belongs to nobody. `properties` are
    those that have no column of their own; their names and texts are cut at
    MAX_TEXT characters on the way into the lake.
    """

    name: str
    distinct_id: str
    time: int
    insert_id: str
    device_id: str | None
    user_id: str | None
    source: str | None
    properties: dict[str, Any]


class Rules(msgspec.Struct, frozen=True):
    """What one way in asks of an event, beyond what all do. Without arguments: a file, under Simplified ID merge.

    Times are in microseconds since 1970 UTC. An event is let in from `earliest` on and before `latest`. `received` is
    when it came in, if that is known; with `clocked`, it is the time of an event that has none or one from `latest` on.
    `nobody` is the distinct_id of an event that has no id at all; None: it is refused. `complete` refuses an event
    without `$insert_id`. `merges` lets `$merge` in.

    Under Simplified ID merge (`simplified`) an event is its `$user_id`'s, else its `$device_id`'s, whatever distinct_id
    came with it; under Original ID merge the distinct_id that was sent stands.
    """

    simplified: bool = True
    earliest: int = EARLIEST
    latest: int = LATEST
    received: int | None = None
    clocked: bool = False
    nobody: str | None = None
    complete: bool = False
    merges: bool = True


FILE = Rules()


def insert_id_of(record: dict[str, Any]) -> str:
    """An `$insert_id` that follows from a record's contents, whatever their order: 32 hexadecimal digits.

    Raises Rejected when something beside the properties nests too deep to be written.
    """
    try:
        contents = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        raise Rejected("The line nests too deep.") from error
    return hashlib.blake2b(contents, digest_size=16).hexdigest()


def event_of(record: Any, rules: Rules = FILE, *, insert_id: Callable[[dict[str, Any]], str] = insert_id_of) -> Event:
    """Validate one decoded record. The record is not changed.

    A record without `$insert_id` gets what `insert_id` makes of it: in a file, the same record is the same event
    however often it comes. Raises Rejected with the reason; Ignored when the event asks for that.
    """
    name, sent = _parts(record, rules)
    properties = sent.copy()
    take = properties.pop
    time, distinct_id, given_id = take("time", None), take("distinct_id", None), take("$insert_id", None)
    device, user = take("$device_id", None), take("$user_id", None)
    take("token", None)
    if device is not None:
        device = identifier(device, "$device_id", "properties.$device_id") or None
    if user is not None:
        user = identifier(user, "$user_id", "properties.$user_id") or None
    if len(properties) > MAX_ITEMS:
        raise Rejected(f"The event has more than {MAX_ITEMS} properties.", "properties")
    if not _PLAIN.issuperset(map(type, properties.values())):
        _check_containers(properties)
    return Event(
        name[:MAX_TEXT],
        _distinct_id(distinct_id, user, device, rules) or _named(name, distinct_id, sent, rules),
        _time(time, name, rules),
        _insert_id(given_id, name, rules) or insert_id(record),
        device,
        user,
        _source(properties),
        properties,
    )


def microseconds(time: Any) -> int:
    """`properties.time` in microseconds since 1970 UTC.

    It is epoch seconds or milliseconds, told apart by size: from 31,536,000,000 on it is milliseconds. That is
    1971-01-01 in milliseconds, the first that is let in, and the year 2969 in seconds: no value can be both.
    Raises Rejected when it is no number, before 1971, or not before 2100.
    """
    instant = _instant(time)
    if instant >= LATEST:
        raise _beyond()
    return instant


def looks_like_event(record: dict[str, Any]) -> bool:
    """Whether a record is meant to be an event, right or wrong."""
    return "event" in record


def looks_like_profile(record: dict[str, Any]) -> bool:
    """Whether a record is meant to be a profile or an update of one, right or wrong."""
    return "$distinct_id" in record and "event" not in record


def _parts(record: Any, rules: Rules) -> tuple[str, dict[str, Any]]:
    if type(record) is not dict:
        raise record if isinstance(record, Rejected) else Rejected("The line is not a JSON object.")
    name, properties = record.get("event"), record.get("properties")
    if type(name) is not str or not name:
        if looks_like_profile(record):
            raise Rejected("This is a profile, not an event: use `hub profile import`.")
        raise Rejected("event is missing." if name is None else "event is not a text, or empty.", "event")
    if type(properties) is not dict:
        problem = "properties is missing." if properties is None else "properties is not an object."
        raise Rejected(problem, "properties")
    if "$ignore" in properties and properties["$ignore"] is True:
        raise Ignored("The event asks to be ignored ($ignore).", "properties.$ignore")
    if "bucket" in properties or "$bucket" in properties:
        found = "bucket" if "bucket" in properties else "$bucket"
        raise Rejected("bucket and $bucket are not allowed as properties.", f"properties.{found}")
    if name == "$merge" and not rules.merges:
        raise Rejected("$merge is taken by /import alone.", "event")
    return name, properties


def _check_containers(properties: dict[str, Any]) -> None:
    """Cut the texts within lists and objects, in place. Raises Rejected for what is too many or too deep."""
    for name, value in properties.items():
        kind = type(value)
        if kind is dict or kind is list:
            check_container(value, field=f"properties.{name[:MAX_TEXT]}")
            properties[name] = cut(value)


def cut(value: Any) -> Any:
    """A value with the texts within it cut at MAX_TEXT characters."""
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, list):
        return [cut(item) for item in value]
    if isinstance(value, dict):
        return {name: cut(item) for name, item in value.items()}
    return value


def _distinct_id(sent: Any, user: str | None, device: str | None, rules: Rules) -> str:
    """Who did it; "" when no id says so."""
    found = identifier(sent, "distinct_id", "properties.distinct_id")
    if found and not (rules.simplified and (user or device)):
        return found
    return user or (f"$device:{device}" if device else "")


def _named(name: str, sent: Any, properties: dict[str, Any], rules: Rules) -> str:
    """Who did it, of an event without ids: "" when that was sent or is `$merge`'s."""
    if sent is not None or name == "$merge":
        return ""
    if name == "$identify":
        found = identifier(properties.get("$identified_id"), "$identified_id", "properties.$identified_id")
        if found:
            return found
    if rules.nobody is None:
        problem = "distinct_id is missing, and so are $user_id and $device_id."
        raise Rejected(problem, "properties.distinct_id")
    return rules.nobody


def _time(sent: Any, name: str, rules: Rules) -> int:
    if sent is None and rules.received is not None and (rules.clocked or name in IDENTITY_EVENTS):
        return rules.received
    instant = _instant(sent)
    if rules.earliest <= instant < rules.latest:
        return instant
    if instant < rules.earliest:
        raise Rejected("properties.time is more than 5 days ago: /import takes such events.", "properties.time")
    if rules.clocked and rules.received is not None:
        return rules.received
    raise _beyond() if rules.received is None else _future()


def _instant(time: Any) -> int:
    """An instant from EARLIEST on; LATEST stands for all after it."""
    if type(time) is not int and type(time) is not float:
        problem = "properties.time is missing." if time is None else "properties.time is not a number."
        raise Rejected(problem, "properties.time")
    if time < _FIRST_SECONDS:
        raise Rejected("properties.time is before 1971.", "properties.time")
    if time < _FIRST_MILLISECONDS:
        return round(time * 1_000_000)
    return round(time * 1000) if time < _LAST_MILLISECONDS else LATEST  # a double may be too large to multiply


def _beyond() -> Rejected:
    problem = "properties.time is neither seconds nor milliseconds since 1970: it is beyond 2099."
    return Rejected(problem, "properties.time")


def _future() -> Rejected:
    return Rejected("properties.time is more than 1 hour in the future.", "properties.time")


def _insert_id(sent: Any, name: str, rules: Rules) -> str | None:
    """The `$insert_id` that was sent; None when one has to be made."""
    if sent is None or sent == "":
        if rules.complete and name not in IDENTITY_EVENTS:
            raise Rejected("$insert_id is missing.", "properties.$insert_id")
        return None
    text = str(sent) if type(sent) is int else sent
    if type(text) is not str or len(text) > 36 or not (text.isascii() and text.replace("-", "").isalnum()):
        raise Rejected("$insert_id is not 1 to 36 letters, digits and hyphens.", "properties.$insert_id")
    if is_banned(text):
        raise Rejected("$insert_id is a value that stands for nothing.", "properties.$insert_id")
    return text


def _source(properties: dict[str, Any]) -> str | None:
    found = properties.get("$source") or properties.get("$partner_id")
    return found[:MAX_TEXT] if type(found) is str else None
