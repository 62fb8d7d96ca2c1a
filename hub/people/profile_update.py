"""One profile update, from the form of Mixpanel's `/engage` or of its profile export. Pure functions over one
record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hub.events.lines import MAX_BYTES, MAX_TEXT, Rejected, check_container, identifier

Operation = tuple[str, Any]
"""An operator such as `$set`, and what it is given."""


class Update(msgspec.Struct, frozen=True):
    """What one line asks to be done to one profile, in the order in which the line has it."""

    distinct_id: str
    operations: tuple[Operation, ...]


def update_of(record: Any) -> Update:
    """Validate one decoded record: `$distinct_id` and one or more operators, or the `$properties` of an export.

    Side fields such as `$token`, `$time` and `$ip` are passed over. Raises Rejected with the reason.
    """
    if not isinstance(record, dict):
        raise Rejected("The line is not a JSON object.")
    if "event" in record and "$distinct_id" not in record:
        raise Rejected("This is an event, not a profile: use `hub event import`.")
    distinct_id = identifier(record.get("$distinct_id"), "$distinct_id")
    if not distinct_id:
        raise Rejected("$distinct_id is missing, or empty.")
    operations = tuple(_operation(name, given) for name, given in record.items() if name in _CHECKS)
    if not operations:
        raise Rejected("The line has no operator such as $set, and no $properties.")
    return Update(distinct_id, operations)


def _operation(name: str, given: Any) -> Operation:
    _CHECKS[name](name, given)
    return ("$set" if name == "$properties" else name), given


def _object(name: str, given: Any) -> None:
    if not isinstance(given, dict):
        raise Rejected(f"{name} is not an object.")
    if max(map(len, given), default=0) > MAX_TEXT:
        raise Rejected(f"The name of a property is longer than {MAX_TEXT} characters.")
    for value in given.values():
        check_container(value, most=MAX_BYTES)


def _object_of_numbers(name: str, given: Any) -> None:
    _object(name, given)
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in given.values()):
        raise Rejected(f"{name} has a value that is not a number.")


def _object_of_lists(name: str, given: Any) -> None:
    _object(name, given)
    if not all(isinstance(value, list) for value in given.values()):
        raise Rejected(f"{name} has a value that is not a list.")


def _names(name: str, given: Any) -> None:
    if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
        raise Rejected(f"{name} is not a list of names.")


def _anything(_name: str, _given: Any) -> None:
    return


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "$set": _object,
    "$set_once": _object,
    "$add": _object_of_numbers,
    "$append": _object,
    "$union": _object_of_lists,
    "$remove": _object,
    "$unset": _names,
    "$delete": _anything,
    "$properties": _object,
}
