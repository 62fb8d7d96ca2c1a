"""An event of Currents, however it comes, as a message event: from HTTP, from a line of JSON, from a row of Avro.

Source of the shapes: https://www.braze.com/docs/user_guide/data/distribution/braze_currents/event_delivery_semantics/
and the custom HTTP connector's page. HTTP nests `user` and `properties`; files are flat, and their path names the type.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from hub import MessageEvent, Metric, Origin, Unknown
from hub_braze.kinds import (
    BOUNCE_TYPES,
    BY_KIND,
    GLOBAL_STATE,
    GROUP_STATE,
    MESSAGES,
    SMS_ANSWER,
    SUBSCRIBED,
    UNSUBSCRIBED,
    WHATSAPP_ANSWER,
)

REDACTED = "[REDACTED]"
"""What stands in a field that the customer hides."""

_WRAPPERS = {"string", "int", "long", "float", "double", "boolean", "bytes", "array", "map"}
"""Names of Avro's types, by which its JSON form wraps a value that may be null."""
_ENVELOPE = {"event_type", "id", "time", "user", "properties", "user_id", "external_user_id"}
_EMAILS = ("email_address", "channel_identifier")
_PHONES = ("to_phone_number", "user_phone_number", "channel_identifier")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
_PHONE = re.compile(r"\+?\d{7,15}")
_NOT_MESSAGES = re.compile(r"users\.(behaviors|canvas|canvasstep|campaigns)\.")
_STATES = {"unsubscribed": UNSUBSCRIBED, "subscribed": SUBSCRIBED, "opted in": SUBSCRIBED}


def message_event(told: Any, *, external_id_property: str, event_type: str = "") -> MessageEvent | Unknown:
    """One event of Currents. What has no name here, or is no event, is an Unknown that says why.

    `event_type` is the type of an event that does not tell it itself. The person is found by the external id, then by
    e-mail address, then by phone number; else the event is kept under Braze's own id (`$braze_id`).
    """
    if not isinstance(told, dict):
        return Unknown("An event is a JSON object.", told)
    event = _flat(told)
    named = str(event.get("event_type") or event_type)
    kind = _kind(named, event)
    if kind is None:
        return Unknown(_reason(named), told)
    at = _instant(event.get("time"))
    match = _match(event, external_id_property)
    if not event.get("id") or at is None or match is None:
        return Unknown(f"An event of type {named} without an id, a time, or anybody whom it is about.", told)
    return MessageEvent(
        kind=kind,
        id=f"braze:{event['id']}",
        match=match,
        time=at,
        properties=_properties(event, named),
        origin=_origin(event),
        message=_message(event),
        machine=_is_of_a_machine(kind, event),
    )


def message_events(
    told: Iterable[Any], *, external_id_property: str, event_type: str = ""
) -> tuple[list[MessageEvent], list[Unknown]]:
    """As `message_event`, of many: those with a name, and the others."""
    read = [message_event(one, external_id_property=external_id_property, event_type=event_type) for one in told]
    events = [event for event in read if isinstance(event, MessageEvent)]
    return events, [event for event in read if isinstance(event, Unknown)]


def _flat(told: Mapping[str, Any]) -> dict[str, Any]:
    nested = [told.get(part) for part in ("user", "properties")]
    flat = {**told, **{name: value for part in nested if isinstance(part, dict) for name, value in part.items()}}
    for name in ("event_type", "id", "time"):  # a property must not take the envelope's place
        if name in told:
            flat[name] = told[name]
    return {name: _unwrapped(value) for name, value in flat.items()}


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict) and len(value) == 1 and (name := next(iter(value))) in _WRAPPERS:
        return value[name]
    return value


def _kind(named: str, event: Mapping[str, Any]) -> str | None:
    suffix = ""
    if named in (SMS_ANSWER, WHATSAPP_ANSWER):
        suffix = _STATES.get(str(event.get("action") or "").lower(), "")
    if named in (GLOBAL_STATE, GROUP_STATE):
        suffix = _STATES.get(str(event.get("subscription_status") or "").lower(), "")
    return named + suffix if named + suffix in BY_KIND else None


def _reason(named: str) -> str:
    if not named:
        return "Neither the event nor its file's path tells its event_type."
    if _NOT_MESSAGES.match(named):
        return f"{named} is no message event. Leave it out of the Current in Braze."
    return f"The connector has no name for events of type {named} yet."


def _instant(told: Any) -> datetime | None:
    if isinstance(told, datetime):
        return told.astimezone(UTC) if told.tzinfo else told.replace(tzinfo=UTC)
    try:
        return datetime.fromtimestamp(float(told), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _match(event: Mapping[str, Any], external_id_property: str) -> tuple[str, str] | None:
    if (external_id := _text(event, "external_user_id")) is not None:
        return external_id_property, external_id
    for name in _EMAILS:  # a hash, or what was hidden, is no address
        if (address := _text(event, name)) is not None and _EMAIL.fullmatch(address):
            return "$email", address.lower()
    for name in _PHONES:
        if (number := _text(event, name)) is not None and _PHONE.fullmatch(number):
            return "$phone", number
    own = _text(event, "user_id")
    return None if own is None else ("$braze_id", own)


def _text(event: Mapping[str, Any], name: str) -> str | None:
    told = event.get(name)
    text = str(told).strip() if isinstance(told, str | int) else ""
    return text if text and text != REDACTED else None


def _properties(event: Mapping[str, Any], named: str) -> dict[str, Any]:
    about = {name: value for name, value in event.items() if name not in _ENVELOPE and value is not None}
    if (own := _text(event, "user_id")) is not None:
        about["braze_id"] = own
    if named in BOUNCE_TYPES:
        about["bounce_type"] = BOUNCE_TYPES[named]
    return about


def _origin(event: Mapping[str, Any]) -> Origin | None:
    for what in ("campaign", "canvas"):
        if (known := _text(event, f"{what}_id")) is not None:
            return Origin(known, _text(event, f"{what}_name") or "")  # the name may be null after an edit
    return None


def _message(event: Mapping[str, Any]) -> str:
    # a scheduled message has one dispatch for all its people
    dispatch, person = _text(event, "dispatch_id"), _text(event, "user_id")
    return f"{dispatch}:{person}" if dispatch and person else ""


def _is_of_a_machine(kind: str, event: Mapping[str, Any]) -> bool:
    metric = BY_KIND[kind].metric
    if metric is Metric.OPENED and kind.startswith(MESSAGES):
        return str(event.get("machine_open")).lower() == "true"  # a text, or nothing
    return metric is Metric.CLICKED and str(event.get("is_suspected_bot_click")).lower() == "true"
