"""People as the Track API's v2 takes them: identifiers, attributes, items of a batch, bodies that are not too large.

Limits: https://docs.customer.io/integrations/api/track/ and https://docs.customer.io/journeys/limits/. Customer.io
counts in KB without saying which; a thousand bytes is the smaller reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from hub import MappingWrong, Member, Refusal, Value

OWN_ID, EMAIL, CIO_ID = "distinct_id", "$email", "cio_id"
ID_TYPES: Mapping[str, str] = {OWN_ID: "id", EMAIL: "email", CIO_ID: "cio_id"}
"""Kind of match key -> what Customer.io calls it."""

BODY_BYTES, ITEM_BYTES = 500_000, 32_000
ID_BYTES, NAME_BYTES, VALUE_BYTES, MOST_ATTRIBUTES = 150, 150, 1000, 300

_RESERVED = {"id", "cio_id", "unsubscribed", "_update", "_timestamp"}
_PREFERENCES = "cio_subscription_preferences"
_CREATED_AT, _EMAIL_ATTRIBUTE = "created_at", "email"
_BEFORE, _AFTER = b'{"batch":[', b"]}"


def id_type(member: Member) -> str:
    """What Customer.io calls the kind of a member's key: id, email or cio_id."""
    return ID_TYPES[member.match or OWN_ID]


def refuse_targets(targets: Iterable[str]) -> None:
    """Raise MappingWrong for names that are no attributes of their own: the person's ids, and what is theirs to choose.

    `email` and `created_at` have a meaning to Customer.io, and may be written.
    """
    names = list(targets)
    reserved = [name for name in names if name.casefold() in _RESERVED or name.casefold().startswith(_PREFERENCES)]
    if reserved:
        raise MappingWrong(
            f"Customer.io keeps {', '.join(sorted(reserved))} for itself, or for the person to decide.",
            hint="Map it to another name. Who is subscribed to what is never written by a cohort.",
        )
    if long := [name for name in names if not name or _size(name) > NAME_BYTES]:
        raise MappingWrong(f"An attribute's name has 1 to {NAME_BYTES} bytes, and {long[0]!r} has {_size(long[0])}.")
    if len(names) > MOST_ATTRIBUTES:
        raise MappingWrong(f"Customer.io takes {MOST_ATTRIBUTES} attributes of a person, and {len(names)} are mapped.")


def fault_of(member: Member) -> Refusal | None:
    """Why Customer.io would not take this member as it is, or would take something else in its place; else None."""
    words = _fault_of_key(member) or next(filter(None, (_fault(member, *each) for each in member.values.items())), "")
    return Refusal(member.key, words, code="too-large", match=member.match) if words else None


def item(member: Member, *, create: bool, at: int) -> bytes:
    """One person as an item of a batch. `at` is the time of the change, in seconds since 1970.

    Without `create` it changes somebody who is known, and makes nobody.
    """
    attributes = {name: attribute(name, value) for name, value in member.values.items()}
    if id_type(member) == "email":
        attributes.pop(_EMAIL_ATTRIBUTE, None)  # the identifier says it; `fault_of` has seen that it says the same
    if not create:
        attributes["_update"] = True
    person = {"type": "person", "identifiers": {id_type(member): member.key}, "action": "identify", "timestamp": at}
    return orjson.dumps({**person, "attributes": attributes})


def attribute(name: str, value: Value | None) -> Any:
    """A mapped value as it is kept there: whole numbers without a fraction, null for none, `created_at` a number."""
    if name == _CREATED_AT and isinstance(value, str):
        return _seconds(value)
    if isinstance(value, list):
        return [attribute("", each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


@dataclass(frozen=True)
class Body:
    """A request's body, and whose items are in it, in order."""

    content: bytes
    members: Sequence[Member]


def bodies(items: Iterable[tuple[Member, bytes]]) -> Iterator[Body]:
    """The items in as few bodies as fit."""
    size, members, parts = 0, list[Member](), list[bytes]()
    for member, content in items:
        if parts and len(_BEFORE) + size + len(content) + 1 + len(_AFTER) >= BODY_BYTES:
            yield Body(_BEFORE + b",".join(parts) + _AFTER, members)
            size, members, parts = 0, [], []
        size += len(content) + 1
        members.append(member)
        parts.append(content)
    if parts:
        yield Body(_BEFORE + b",".join(parts) + _AFTER, members)


def chosen(members: Sequence[Member], refused: Iterable[Refusal]) -> list[Member]:
    """Those who are not refused."""
    gone = {(refusal.match, refusal.key) for refusal in refused}
    return [member for member in members if (member.match, member.key) not in gone]


def _fault_of_key(member: Member) -> str:
    if not member.key.strip():
        return f"The {id_type(member)} is empty."
    if _size(member.key) > ID_BYTES:
        return f"The {id_type(member)} has {_size(member.key)} bytes; Customer.io takes {ID_BYTES}."
    return ""


def _fault(member: Member, name: str, value: Value | None) -> str:
    if value is None:
        return ""
    if name == _EMAIL_ATTRIBUTE and id_type(member) == "email" and str(value).strip().lower() != member.key:
        return "The mapped email is not the one that the person is known by, and that one stays."
    kept = attribute(name, value)
    if name == _CREATED_AT and not isinstance(kept, int | float):
        return f"created_at is a time, and {str(value)[:40]!r} is none."
    size = _size(kept) if isinstance(kept, str) else len(orjson.dumps(kept))
    return f"The value of {name} has {size} bytes; Customer.io takes {VALUE_BYTES}." if size > VALUE_BYTES else ""


def _seconds(text: str) -> int | str:
    """A time as the product sent it, in seconds since 1970; one without a zone is UTC. What is none stays as it is."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return int(text) if text.isdecimal() else text
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _size(text: str) -> int:
    return len(text.encode())
