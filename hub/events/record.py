"""One event, from the form of Mixpanel's import and raw export: `{"event": name, "properties": {...}}`.

Pure functions over one record: file imports and the server take events in through the same rules, which are those of
Mixpanel's import reference.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import orjson

from hub.events.lines import MAX_ITEMS, MAX_TEXT, Rejected, check_container, identifier, is_banned

_EARLIEST = 31_536_000 * 1_000_000  # 1971-01-01, in microseconds
_LATEST = 4_102_444_800 * 1_000_000  # 2100-01-01
_FIRST_MILLISECONDS = 31_536_000_000  # 1971-01-01, in milliseconds


class Event(msgspec.Struct, frozen=True):
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


def event_of(record: Any, *, flat: bool = False) -> Event:
    """Validate one decoded record. The record is not changed. `flat` says that no property is a list or an object.

    Who did it is `distinct_id`, or else `$user_id`, or else `$device:` and `$device_id`. A record without `$insert_id`
    gets one that follows from its contents, so that the same record is the same event however often it comes.
    Raises Rejected with the reason.
    """
    name, sent = _parts(record)
    properties = sent.copy()
    take = properties.pop
    time, distinct_id, insert_id = take("time", None), take("distinct_id", None), take("$insert_id", None)
    device = identifier(take("$device_id", None), "$device_id") or None
    user = identifier(take("$user_id", None), "$user_id") or None
    take("token", None)
    if len(properties) > MAX_ITEMS:
        raise Rejected(f"The event has more than {MAX_ITEMS} properties.")
    if not flat:
        _check_containers(properties)
    return Event(
        name[:MAX_TEXT],
        _distinct_id(distinct_id, user, device),
        microseconds(time),
        _insert_id(insert_id) or _made_insert_id(record),
        device,
        user,
        _source(properties),
        properties,
    )


def is_flat(line: bytes) -> bool:
    """Whether the JSON text of an event can hold no property that is a list or an object. It may miss some that
    don't."""
    return b"[" not in line and line.count(b"{") <= 2


def microseconds(time: Any) -> int:
    """`properties.time` in microseconds since 1970 UTC.

    It is epoch seconds or milliseconds, told apart by size: from 31,536,000,000 on it is milliseconds. That is
    1971-01-01 in milliseconds, the first that is let in, and the year 2969 in seconds: no value can be both.
    Raises Rejected when it is no number, before 1971, or not before 2100.
    """
    if type(time) is not int and type(time) is not float:
        raise Rejected("properties.time is missing." if time is None else "properties.time is not a number.")
    instant = round(time * 1_000_000 if time < _FIRST_MILLISECONDS else time * 1000)
    if instant < _EARLIEST:
        raise Rejected("properties.time is before 1971.")
    if instant >= _LATEST:
        raise Rejected("properties.time is neither seconds nor milliseconds since 1970: it is beyond 2099.")
    return instant


def looks_like_event(record: dict[str, Any]) -> bool:
    """Whether a record is meant to be an event, right or wrong."""
    return "event" in record


def looks_like_profile(record: dict[str, Any]) -> bool:
    """Whether a record is meant to be a profile or an update of one, right or wrong."""
    return "$distinct_id" in record and "event" not in record


def _parts(record: Any) -> tuple[str, dict[str, Any]]:
    if type(record) is not dict:
        raise Rejected("The line is not a JSON object.")
    name, properties = record.get("event"), record.get("properties")
    if type(name) is not str or not name:
        if looks_like_profile(record):
            raise Rejected("This is a profile, not an event: use `hub profile import`.")
        raise Rejected("event is missing." if name is None else "event is not a text, or empty.")
    if type(properties) is not dict:
        raise Rejected("properties is missing." if properties is None else "properties is not an object.")
    if "$ignore" in properties and properties["$ignore"] is True:
        raise Rejected("The event asks to be ignored ($ignore).")
    return name, properties


def _check_containers(properties: dict[str, Any]) -> None:
    """Cut the texts within lists and objects, in place. Raises Rejected for what is too many or too deep."""
    for name, value in properties.items():
        if isinstance(value, dict | list):
            check_container(value)
            properties[name] = _cut(value)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, list):
        return [_cut(item) for item in value]
    if isinstance(value, dict):
        return {name: _cut(item) for name, item in value.items()}
    return value


def _distinct_id(sent: Any, user: str | None, device: str | None) -> str:
    found = identifier(sent, "distinct_id")
    if found:
        return found
    if user:
        return user
    if device:
        return f"$device:{device}"
    if found is None:
        raise Rejected("distinct_id is missing, and so are $user_id and $device_id.")
    return found


def _insert_id(sent: Any) -> str | None:
    if sent is None or sent == "":
        return None
    text = str(sent) if type(sent) is int else sent
    if type(text) is not str or len(text) > 36 or not (text.isascii() and text.replace("-", "").isalnum()):
        raise Rejected("$insert_id is not 1 to 36 letters, digits and hyphens.")
    if is_banned(text):
        raise Rejected("$insert_id is a value that stands for nothing.")
    return text


def _made_insert_id(record: dict[str, Any]) -> str:
    return hashlib.blake2b(orjson.dumps(record, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _source(properties: dict[str, Any]) -> str | None:
    found = properties.get("$source") or properties.get("$partner_id")
    return found[:MAX_TEXT] if type(found) is str else None
