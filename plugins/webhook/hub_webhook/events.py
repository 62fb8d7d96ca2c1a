"""Message events in the webhook's own form, one JSON object or a list of them:
`{"type": "message.opened", "timestamp": "2026-11-22T08:26:40Z", "data": {...}}`, as Standard Webhooks has payloads.

Names are Mixpanel's own where it has one (https://docs.mixpanel.com/docs/pricing/legacy-mtu-billing): those of its list
do not make anybody a monthly tracked user, whatever their source. What the sender or the network does is exempt; what
a person does counts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hub import InboundRequest, MessageEvent, MessageEventKind, MessageEvents, Metric, Origin, Received, Unknown

PREFIX = "message."

_KINDS = (
    ("sent", "$campaign_delivery", True, Metric.SENT),
    ("delivered", "$campaign_received", True, Metric.DELIVERED),
    ("opened", "$campaign_open", False, Metric.OPENED),
    ("clicked", "Message Clicked", False, Metric.CLICKED),
    ("converted", "Message Converted", False, Metric.CONVERTED),
    ("replied", "Message Replied", False, Metric.REPLIED),
    ("bounced", "$campaign_bounced", True, Metric.BOUNCED),
    ("deferred", "Message Deferred", True, Metric.DEFERRED),
    ("failed", "Message Failed", True, Metric.FAILED),
    ("skipped", "$message_suppressed", True, Metric.SKIPPED),
    ("complained", "$campaign_marked_spam", True, Metric.COMPLAINED),
    ("subscribed", "Message Subscribed", False, Metric.SUBSCRIBED),
    ("unsubscribed", "$unsubscribe", True, Metric.UNSUBSCRIBED),
)

MESSAGE_EVENTS = MessageEvents(
    source="webhook",
    page="https://docs.mixpanel.com/docs/pricing/legacy-mtu-billing",
    kinds=tuple(
        MessageEventKind(PREFIX + kind, event, exempt=exempt, metric=metric, channel="")
        for kind, event, exempt, metric in _KINDS
    ),
)

_TYPES = {kind.kind for kind in MESSAGE_EVENTS.kinds}
_MOST = 1_000


def events_in(document: Any, request: InboundRequest) -> Received:
    """The message events of one request. Raises ValueError when it is none, in words for people."""
    listed = document if isinstance(document, list) else [document]
    if len(listed) > _MOST:
        raise ValueError(f"a request has at most {_MOST:,} message events")
    events: list[MessageEvent] = []
    unknown: list[Unknown] = []
    for number, told in enumerate(listed):
        try:
            events.append(_event(told, _id(request, number, alone=not isinstance(document, list))))
        except ValueError as error:
            unknown.append(Unknown(f"{error}".capitalize() + ".", told))
    return Received(events, unknown)


def _event(told: Any, fallback: str) -> MessageEvent:
    if not isinstance(told, dict) or not isinstance(told.get("data"), dict):
        raise ValueError('a message event is {"type": ..., "timestamp": ..., "data": {...}}')  # noqa: TRY004
    kind, rest = told.get("type"), {**told["data"]}
    if kind not in _TYPES:
        raise ValueError(f"there is no type {kind!r}")
    event_id = _taken(rest, "id") or fallback
    if not event_id:
        raise ValueError("it has neither data.id nor a header webhook-id")
    match, origin, message = _person(rest), _origin(rest.pop("campaign", None)), _taken(rest, "message_id")
    machine, own = rest.pop("machine", None) is True, rest.pop("properties", None)
    if own is not None and not isinstance(own, dict):
        raise ValueError("properties is an object")
    return MessageEvent(
        kind=kind,
        id=event_id,
        match=match,
        time=_instant(told.get("timestamp")),
        properties={**rest, **own} if own else rest,
        origin=origin,
        message=message,
        machine=machine,
    )


def _id(request: InboundRequest, number: int, *, alone: bool) -> str:
    """The id of an event that has none of its own: that of the message, which is the same for every attempt."""
    message = request.headers.get("webhook-id", "")
    if not message:
        return ""
    return message if alone else f"{message}#{number}"


def _person(rest: dict[str, Any]) -> tuple[str, str]:
    distinct_id, email, phone = _taken(rest, "distinct_id"), _taken(rest, "email"), _taken(rest, "phone")
    if distinct_id := distinct_id.strip():
        return "distinct_id", distinct_id
    if email := email.strip():
        return "$email", email.lower()
    if phone := phone.strip():
        return "$phone", phone
    raise ValueError("data tells nobody: it has distinct_id, email or phone")


def _instant(told: Any) -> datetime:
    """ISO 8601 with a zone. Raises ValueError."""
    try:
        instant = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError("timestamp is an instant such as 2026-11-22T08:26:40Z")
    return instant.astimezone(UTC)


def _origin(told: Any) -> Origin | None:
    if told is None:
        return None
    if not isinstance(told, dict) or not told.get("id"):
        raise ValueError('campaign is {"id": ..., "name": ...}')
    campaign = {**told}
    return Origin(_taken(campaign, "id"), _taken(campaign, "name"))


def _taken(rest: dict[str, Any], name: str) -> str:
    """A text out of what is left; empty when it is not there. Raises ValueError when it is none."""
    value = rest.pop(name, None)
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is a text")  # noqa: TRY004
    return str(value)
