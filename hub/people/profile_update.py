"""One profile update, from the form of Mixpanel's `/engage` or of its profile export. Pure functions over one
record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import orjson

from hub.events.lines import MAX_BYTES, MAX_TEXT, Rejected, check_container, identifier
from hub.events.record import cut, microseconds

MAX_VALUE_BYTES = 256 * 1024
"""Of one list or object in a profile, as JSON (Mixpanel: data types, limits of a user profile property)."""

Operation = tuple[str, Any]
"""An operator such as `$set`, and what it is given."""


class Update(msgspec.Struct, frozen=True):
    """What one record asks to be done to one profile, in the order in which the record has it.

    `distinct_id` is the id as sent; with `ignore_alias` the profile of exactly that id is meant, whoever it belongs to.
    `seen` is the instant that `$last_seen` moves up to, in microseconds since 1970 UTC; None leaves it alone.
    """

    distinct_id: str
    operations: tuple[Operation, ...]
    ignore_alias: bool = False
    seen: int | None = None


def update_of(record: Any, *, arrived: int | None = None) -> Update:
    """Validate one decoded record: `$distinct_id` and one or more operators, or the `$properties` of an export.

    `arrived` is when it came in through `/engage`, in microseconds since 1970 UTC: the profile is then seen at `$time`
    (epoch seconds or milliseconds), but not later than that, or then when there is no usable `$time`, or not at all
    with `$ignore_time`. None for a file: an import is not a sighting.

    Names of properties and texts are cut at MAX_TEXT characters. Other side fields, such as `$token` and `$ip`, are
    passed over: no place is ever looked up by address. Raises Rejected with the reason.
    """
    if not isinstance(record, dict):
        raise Rejected("The line is not a JSON object.")
    if "event" in record and "$distinct_id" not in record:
        raise Rejected("This is an event, not a profile: use `hub event import`.")
    distinct_id = identifier(record.get("$distinct_id"), "$distinct_id", "$distinct_id")
    if not distinct_id:
        raise Rejected("$distinct_id is missing, or empty.", "$distinct_id")
    operations = tuple(_operation(name, given) for name, given in record.items() if name in _READ)
    if not operations:
        raise Rejected("The line has no operator such as $set, and no $properties.")
    return Update(distinct_id, operations, _is_yes(record.get("$ignore_alias")), _seen(record, arrived))


def _operation(name: str, given: Any) -> Operation:
    return ("$set" if name == "$properties" else name), _READ[name](name, given)


def _object(name: str, given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise Rejected(f"{name} is not an object.", name)
    return {key[:MAX_TEXT]: _value(name, value) for key, value in given.items()}


def _numbers(name: str, given: Any) -> dict[str, Any]:
    numbers = _object(name, given)
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in numbers.values()):
        raise Rejected(f"{name} has a value that is not a number.", name)
    return numbers


def _lists(name: str, given: Any) -> dict[str, Any]:
    values = _object(name, given)
    if any(value is None for value in values.values()):
        raise Rejected(f"{name} has a value that is null.", name)
    return {key: value if isinstance(value, list) else [value] for key, value in values.items()}


def _names(name: str, given: Any) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise Rejected(f"{name} is not a list of names.", name)
    return [item[:MAX_TEXT] for item in given]


def _nothing(_name: str, _given: Any) -> str:
    return ""


def _value(name: str, value: Any) -> Any:
    if not isinstance(value, list | dict):
        return cut(value)
    check_container(value, field=name, most=MAX_BYTES)
    shortened = cut(value)
    if len(orjson.dumps(shortened)) > MAX_VALUE_BYTES:
        raise Rejected("A list or an object is larger than 256 KB.", name)
    return shortened


def _seen(record: dict[str, Any], arrived: int | None) -> int | None:
    if arrived is None or _is_yes(record.get("$ignore_time")):
        return None
    try:
        return min(microseconds(record.get("$time")), arrived)
    except Rejected:  # no reason to lose the update
        return arrived


def _is_yes(given: Any) -> bool:
    """Whether a flag is set: some of the SDKs' own examples send it as a text."""
    return given is True or given == 1 or (isinstance(given, str) and given.lower() in ("true", "1"))


_READ: dict[str, Callable[[str, Any], Any]] = {
    "$set": _object,
    "$set_once": _object,
    "$add": _numbers,
    "$append": _object,
    "$union": _lists,
    "$remove": _object,
    "$unset": _names,
    "$delete": _nothing,
    "$properties": _object,
}
