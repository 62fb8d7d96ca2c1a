"""What an audience's webhook sends: proven by its signature or its address, decoded, told as message events.

Source: https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/. Deliveries are form-encoded with
bracketed keys; they come in any order, repeatedly, and without an id of their own.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from hub import InboundRequest, MessageEvent, NotVerified, Origin, Received, Unknown
from hub_mailchimp.events import event_id, instant, recipient_id
from hub_mailchimp.settings import MailchimpSettings

SIGNATURE = "x-mailchimp-signature"
WINDOW_SECONDS = 300
"""How far the time in a signature may be from ours. A delivery that is tried again is signed again."""

_SIGNED = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
_FIELD = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\]){0,8})")
_PARTS = re.compile(r"\[([^\[\]]*)\]")
_MOST_FIELDS = 2_000
_ABOUT_NOBODY = {"campaign", "batch_operation_completed"}
_SMS = {"sms_subscribe", "sms_unsubscribe", "upsms", "sms_campaign"}

Form = dict[str, Any]


def verify(request: InboundRequest, settings: MailchimpSettings) -> None:
    """Prove that Mailchimp sent this: by the signature when the secret is known, else by the secret in the address.

    Raises NotVerified.
    """
    secret = settings.webhook_secret.get_secret_value()
    if secret:
        _verify_signature(request, secret)
    elif not request.secret_path:
        raise NotVerified(
            "It came to the plain address, and no secret of the audience's webhook is known.",
            hint="Make the webhook with `hub connection listen`, or set webhook_secret.",
        )


def signature(secret: str, at: int, body: bytes) -> str:
    """The header `X-Mailchimp-Signature` of a delivery; `at` in seconds since 1970."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def _verify_signature(request: InboundRequest, secret: str) -> None:
    told = _SIGNED.fullmatch(request.headers.get(SIGNATURE, "").replace(" ", ""))
    if told is None:
        raise NotVerified("It has no signature of Mailchimp's.")
    at = int(told[1])
    expected = signature(secret, at, request.body)
    if not hmac.compare_digest(expected.encode(), f"t={told[1]},v1={told[2]}".encode()):
        raise NotVerified("Its signature is not that of its body.")
    if abs(request.received_at.timestamp() - at) > WINDOW_SECONDS:
        raise NotVerified(f"It was signed more than {WINDOW_SECONDS} seconds before or after it came.")


def received(request: InboundRequest, audience: str) -> Received:
    """The message event in a delivery, if it is about somebody; what has no name here as Unknown.

    With an `audience`, what is about another one is Unknown. Raises ValueError when it is no delivery at all.
    """
    form = decoded(request.body)
    kind, data = form.get("type"), form.get("data")
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise _no_delivery()
    if kind in _ABOUT_NOBODY:  # the reports tell more of a campaign
        return Received()
    listed = _text(data, "list_id")
    if audience and listed and listed != audience:
        return _unknown(f"It is about the audience {listed}, and this connection is to {audience}.", form)
    if kind in _SMS:
        return _unknown(f"{kind!r} is about a phone number, and Mailchimp's people are known by their address.", form)
    if kind not in _READERS:
        return _unknown(f"Mailchimp's webhooks have no type {kind!r} that is known here.", form)
    at = instant(form.get("fired_at"))
    if at is None:
        return _unknown("It does not tell when it happened.", form)
    event = _READERS[kind](_Delivery(kind, listed or audience, at, data))
    return Received([event]) if event else _unknown("It does not tell whose address it is about.", form)


def decoded(body: bytes) -> Form:
    """A form with bracketed keys (`data[merges][FNAME]=Ann`) as nested objects. Raises ValueError when it is none."""
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError("It is not text in UTF-8.") from error
    except ValueError as error:
        raise ValueError(f"It is not a form: {error}.") from error
    form: Form = {}
    for name, value in pairs:
        matched = _FIELD.fullmatch(name)
        if matched is None:
            raise ValueError("It is not a form whose keys have brackets.")
        *path, last = [matched[1], *_PARTS.findall(matched[2])]
        inner = form
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise _both(matched[1])
        if isinstance(inner.get(last), dict):
            raise _both(matched[1])
        inner[last] = value
    return form


def _both(name: str) -> ValueError:
    return ValueError(f"{name} is a value and holds others, too.")


def _no_delivery() -> ValueError:
    return ValueError("It has no type and no data, as a delivery of Mailchimp's webhooks has.")


class _Delivery:
    """A delivery about somebody: what its events have in common."""

    def __init__(self, kind: str, list_id: str, at: Any, data: Mapping[str, Any]) -> None:
        self.kind, self.list_id, self.at, self.data = kind, list_id, at, data

    def text(self, name: str) -> str:
        return _text(self.data, name)

    def event(self, kind: str, address: str, *key: str, campaign: str = "", **properties: Any) -> MessageEvent | None:
        """An event about `address`. Of a campaign, its id is the report's; else the audience and the time are in it."""
        address = address.strip().lower()
        if not address:
            return None
        recipient = recipient_id(address)
        about = {"list_id": self.list_id, "$email": address, **properties}
        natural = (campaign, recipient) if campaign else (self.list_id, recipient, self.at.isoformat(), *key)
        return MessageEvent(
            kind=kind,
            id=event_id(kind, *natural),
            match=("$email", address),
            time=self.at,
            properties={name: value for name, value in about.items() if value not in (None, "", {})},
            origin=Origin(campaign) if campaign else None,
            message=f"{campaign}:{recipient}" if campaign else "",
        )


def _contact(delivery: _Delivery) -> MessageEvent | None:
    merges = delivery.data.get("merges")
    return delivery.event(
        delivery.kind,
        delivery.text("email"),
        email_type=delivery.text("email_type"),
        merges={name: value for name, value in merges.items() if name != "EMAIL"} if isinstance(merges, dict) else {},
    )


def _unsubscribed(delivery: _Delivery) -> MessageEvent | None:
    return delivery.event(
        "unsubscribe",
        delivery.text("email"),
        campaign=delivery.text("campaign_id"),
        action=delivery.text("action"),
        reason=delivery.text("reason"),
    )


def _cleaned(delivery: _Delivery) -> MessageEvent | None:
    """Taken out of the audience: after a bounce, of which the campaign's report tells as well, or a complaint."""
    reason = delivery.text("reason")
    address, campaign = delivery.text("email"), delivery.text("campaign_id")
    if reason == "abuse":
        return delivery.event("complaint", address, campaign=campaign, reason=reason)
    return delivery.event("bounce", address, campaign=campaign, bounce_type=reason or "hard", cleaned=True)


def _new_address(delivery: _Delivery) -> MessageEvent | None:
    """Told of the address that the person had: it is the one that the product knows."""
    new = delivery.text("new_email").lower()
    old = delivery.text("old_email") or new
    return delivery.event("upemail", old, new, new_email=new)


_READERS = {
    "subscribe": _contact,
    "profile": _contact,
    "unsubscribe": _unsubscribed,
    "cleaned": _cleaned,
    "upemail": _new_address,
}


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value.strip() if isinstance(value, str) else ""


def _unknown(reason: str, form: Form) -> Received:
    return Received(unknown=[Unknown(reason, form)])
