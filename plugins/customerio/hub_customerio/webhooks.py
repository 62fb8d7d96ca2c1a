"""A reporting webhook's request, decoded: one event a request.

Source: https://docs.customer.io/integrations/data-out/webhooks/reporting-webhooks/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from hub import MatchOn, MessageEvent, MessageEventKind, Metric, Received, Unknown
from hub_customerio.kinds import kind_of
from hub_customerio.told import MACHINES, REPEATABLE, instant, origin_of, shared_id, shown, whose

_PASSED_ON = (
    "campaign_id", "broadcast_id", "newsletter_id", "transactional_message_id", "action_id", "parent_action_id",
    "journey_id", "trigger_id", "trigger_event_id", "content_id", "recipient", "recipients", "to", "subject",
    "failure_message", "href", "link_id", "tracked_response", "inbound_event_id", "channel", "content_type",
    "proxied", "prefetched", "synthetic",
)  # fmt: skip
"""Without `content` and `headers`: the message itself is not what happened to it."""


def receive(body: bytes, match_on: Sequence[MatchOn] = ()) -> Received:
    """The event in a body. What is not understood is an Unknown; ValueError is for what is no event at all."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"The body is not JSON: {error}") from error
    if not isinstance(told, dict) or not isinstance(told.get("data"), dict):
        raise ValueError("The body is no event of Customer.io: it has no object `data`.")  # noqa: TRY004 - of the door's contract
    object_type, metric = str(told.get("object_type")), str(told.get("metric"))
    kind = kind_of(object_type, metric)
    if kind is None:
        return _unknown(f"Customer.io had no event {object_type} {metric} when this plugin was written.", told)
    event = _event(kind, metric, told, match_on)
    return Received(events=[event]) if isinstance(event, MessageEvent) else _unknown(event, told)


def _event(
    kind: MessageEventKind, metric: str, told: Mapping[str, Any], match_on: Sequence[MatchOn]
) -> MessageEvent | str:
    """The event, or why there is none."""
    data: Mapping[str, Any] = told["data"]
    time = instant(told.get("timestamp"))
    if time is None:
        return "It has no time that can be read."
    match = whose(_identifiers(data), match_on)
    if match is None:
        return "It names nobody: it has no id, email or cio_id of a person."
    delivery = str(data.get("delivery_id") or "")
    event_id = _id(kind, metric, str(told.get("event_id") or ""), delivery)
    if not event_id:
        return "It has neither an event_id nor a delivery_id, so it could not be told from others."
    properties = shown(data, _PASSED_ON)
    if email := _email(data):
        properties["$email"] = email
    if kind.metric is Metric.BOUNCED:
        properties["bounce_type"] = "hard"  # what bounced for now is `attempted` or `deferred`
    return MessageEvent(
        kind=kind.kind,
        id=event_id,
        match=match,
        time=time,
        properties=properties,
        origin=origin_of(data),
        message=delivery,
        machine=any(data.get(mark) is True for mark in MACHINES),
    )


def _id(kind: MessageEventKind, metric: str, event_id: str, delivery: str) -> str:
    """What happens to a delivery once has the id that the pulled feed gives it, all else Customer.io's own."""
    if delivery and kind.metric not in REPEATABLE and kind.channel:
        return shared_id(delivery, metric)
    return event_id or (shared_id(delivery, metric) if delivery else "")


def _identifiers(data: Mapping[str, Any]) -> Any:
    # `customer_id` is older, and may be an internal id where there are identifiers
    identifiers = data.get("identifiers")
    return identifiers if isinstance(identifiers, dict) else {"id": data.get("customer_id")}


def _email(data: Mapping[str, Any]) -> str:
    identifiers = data.get("identifiers")
    email = (identifiers.get("email") if isinstance(identifiers, dict) else None) or data.get("email_address")
    return email.strip().lower() if isinstance(email, str) else ""


def _unknown(reason: str, told: Any) -> Received:
    return Received(unknown=[Unknown(reason, told)])
