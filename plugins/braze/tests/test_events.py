"""Currents' events as message events: names, exemption, identity, meaning."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any

import orjson
import pytest

from hub import InboundRequest, MessageEvent, Metric, NotVerified, Origin, Unknown
from hub.people.exemptions import exemptions, shipped_exemptions
from hub_braze.cohorts import BrazeCohorts
from hub_braze.connector import Braze
from hub_braze.events import message_event
from hub_braze.kinds import BY_KIND, EXEMPT, MESSAGE_EVENTS
from hub_braze.sandbox import BrazeSandbox
from hub_braze.sandbox.engagement import one_of_each

OPEN: dict[str, Any] = {
    "event_type": "users.messages.email.Open",
    "id": "a1f0c5d2-7b53-4e0c-9b6e-5c1f0e8d2a77",
    "time": 1763800000,
    "user": {"user_id": "5f8d", "external_user_id": "u-1001", "device_id": None, "timezone": "Europe/Paris"},
    "properties": {
        "campaign_id": "b3f1", "campaign_name": "Trial day 7", "send_id": "5f8d05", "dispatch_id": "1a2b",
        "email_address": "ana@example.com", "machine_open": "true", "is_amp": False,
    },
}  # fmt: skip


def read(told: Any, event_type: str = "") -> MessageEvent | Unknown:
    return message_event(told, external_id_property="$braze_external_id", event_type=event_type)


def event(event_type: str = "email.Open", *, user: dict[str, Any] | None = None, **properties: Any) -> MessageEvent:
    named = event_type if event_type.startswith("users.") else f"users.messages.{event_type}"
    told = {**OPEN, "event_type": named, "user": user or OPEN["user"], "properties": properties}
    found = read(told)
    assert isinstance(found, MessageEvent), found
    return found


def test_the_entry_point_brings_both_connectors_and_the_sandbox():
    [found] = entry_points(group="hub.plugins", name="braze")
    assert found.load().hub_connectors() == [Braze, BrazeCohorts]
    assert found.load().hub_sandboxes() == [BrazeSandbox]


def test_an_event_of_http_becomes_a_message_event():
    assert read(OPEN) == MessageEvent(
        kind="users.messages.email.Open",
        id="braze:a1f0c5d2-7b53-4e0c-9b6e-5c1f0e8d2a77",
        match=("$braze_external_id", "u-1001"),
        time=datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC),
        properties={
            "campaign_id": "b3f1", "campaign_name": "Trial day 7", "send_id": "5f8d05", "dispatch_id": "1a2b",
            "email_address": "ana@example.com", "machine_open": "true", "is_amp": False, "timezone": "Europe/Paris",
            "braze_id": "5f8d",
        },
        origin=Origin("b3f1", "Trial day 7"),
        message="1a2b:5f8d",
        machine=True,
    )  # fmt: skip


def test_a_row_of_a_file_is_the_same_event_flat_or_wrapped():
    flat = {"id": OPEN["id"], "time": OPEN["time"], **OPEN["user"], **OPEN["properties"]}
    wrapped = {
        name: value if name in ("id", "time", "user_id") or value is None
        else {"boolean" if isinstance(value, bool) else "string": value}
        for name, value in flat.items()
    }  # fmt: skip
    assert read(flat, OPEN["event_type"]) == read(wrapped, OPEN["event_type"]) == read(OPEN)


def test_exactly_the_documented_events_are_exempt_by_the_documented_marker():
    assert MESSAGE_EVENTS.marker == "$partner_id"
    assert {kind.event for kind in MESSAGE_EVENTS.kinds if kind.exempt} == EXEMPT
    shipped = {one.event for one in shipped_exemptions() if one.source == "braze"}
    assert shipped == EXEMPT
    in_force = exemptions([MESSAGE_EVENTS])
    assert in_force.cover("braze", "Email Send") and not in_force.cover("braze", "Email Open")


NAMES = {
    "email.Send": ("Email Send", Metric.SENT), "email.Delivery": ("Email Delivery", Metric.DELIVERED),
    "email.Open": ("Email Open", Metric.OPENED), "email.Click": ("Email Click", Metric.CLICKED),
    "email.Bounce": ("Email Bounce", Metric.BOUNCED), "email.SoftBounce": ("Email Soft Bounce", Metric.BOUNCED),
    "email.Deferral": ("Email Deferral", Metric.DEFERRED),
    "email.MarkAsSpam": ("Email Mark As Spam", Metric.COMPLAINED),
    "email.Unsubscribe": ("Email Unsubscribe", Metric.UNSUBSCRIBED),
    "pushnotification.Send": ("Push Notification Send", Metric.SENT),
    "pushnotification.Bounce": ("Push Notification Bounce", Metric.BOUNCED),
    "pushnotification.Open": ("Push Notification Open", Metric.OPENED),
    "pushnotification.IosForeground": ("Push Notification iOS Foreground", Metric.OTHER),
    "sms.Send": ("SMS Send", Metric.SENT), "sms.CarrierSend": ("SMS Send to Carrier", Metric.SENT),
    "sms.Delivery": ("SMS Delivery", Metric.DELIVERED),
    "sms.DeliveryFailure": ("SMS Delivery Failure", Metric.FAILED), "sms.Rejection": ("SMS Rejection", Metric.FAILED),
    "sms.InboundReceive": ("SMS Inbound Receive", Metric.REPLIED),
    "sms.ShortLinkClick": ("SMS Short Link Click", Metric.CLICKED),
    "inappmessage.Impression": ("In-App Message Impression", Metric.OPENED),
    "inappmessage.Click": ("In-App Message Click", Metric.CLICKED),
    "contentcard.Send": ("Content Card Send", Metric.SENT),
    "contentcard.Impression": ("Content Card Impression", Metric.OPENED),
    "contentcard.Click": ("Content Card Click", Metric.CLICKED),
    "contentcard.Dismiss": ("Content Card Dismiss", Metric.OTHER),
    "webhook.Send": ("Webhook Send", Metric.SENT), "webhook.Failure": ("Webhook Failure", Metric.FAILED),
    "whatsapp.Send": ("WhatsApp Send", Metric.SENT), "whatsapp.Delivery": ("WhatsApp Delivery", Metric.DELIVERED),
    "whatsapp.Read": ("WhatsApp Read", Metric.OPENED), "whatsapp.Failure": ("WhatsApp Failure", Metric.FAILED),
    "whatsapp.InboundReceive": ("WhatsApp Inbound Receive", Metric.REPLIED),
    "whatsapp.Click": ("WhatsApp Click", Metric.CLICKED),
    "email.Abort": ("Email Abort", Metric.SKIPPED), "sms.Retry": ("SMS Retry", Metric.DEFERRED),
}  # fmt: skip


def test_every_type_of_the_reference_has_its_name_and_its_meaning():
    found = {
        name: (BY_KIND[f"users.messages.{name}"].event, BY_KIND[f"users.messages.{name}"].metric) for name in NAMES
    }
    assert found == NAMES
    assert BY_KIND["users.canvas.Entry"].event == "Canvas Entry"
    nobody = {"braze_id": "5f", "external_id": "test", "email": "test@example.com"}
    told = [read(each) for each in one_of_each(nobody, 1763800000)]
    assert len(told) > 70 and all(isinstance(each, MessageEvent) for each in told)


@pytest.mark.parametrize(
    ("event_type", "properties", "metric"),
    [
        ("sms.InboundReceive", {"action": "Unsubscribed"}, Metric.UNSUBSCRIBED),
        ("sms.InboundReceive", {"action": "Subscribed"}, Metric.SUBSCRIBED),
        ("sms.InboundReceive", {"action": "None"}, Metric.REPLIED),
        ("users.behaviors.subscription.GlobalStateChange", {"subscription_status": "Opted In"}, Metric.SUBSCRIBED),
        (
            "users.behaviors.subscription.GlobalStateChange",
            {"subscription_status": "Unsubscribed"},
            Metric.UNSUBSCRIBED,
        ),
        ("users.behaviors.subscriptiongroup.StateChange", {"subscription_status": "unsubscribed"}, Metric.UNSUBSCRIBED),
        ("users.behaviors.subscriptiongroup.StateChange", {"subscription_status": "elsewise"}, Metric.OTHER),
    ],
)
def test_what_people_say_of_their_consent_is_in_the_event_not_in_its_type(event_type, properties, metric):
    assert BY_KIND[event(event_type, **properties).kind].metric is metric


NO_EXTERNAL = {"user_id": "5f8d"}


@pytest.mark.parametrize(
    ("user", "properties", "match"),
    [
        ({"user_id": "5f", "external_user_id": "u"}, {"email_address": "A@b.c"}, ("$braze_external_id", "u")),
        ({"user_id": "5f", "external_user_id": "[REDACTED]"}, {"email_address": "A@b.c"}, ("$email", "a@b.c")),
        (NO_EXTERNAL, {"email_address": "[REDACTED]", "to_phone_number": "+4790000001"}, ("$phone", "+4790000001")),
        (NO_EXTERNAL, {"email_address": "f" * 64}, ("$braze_id", "5f8d")),
        (NO_EXTERNAL, {"user_phone_number": "4" * 64}, ("$braze_id", "5f8d")),
        (NO_EXTERNAL, {"user_phone_number": "+15555550101"}, ("$phone", "+15555550101")),
        ({"user_id": "5f", "external_user_id": None}, {}, ("$braze_id", "5f")),
    ],
)
def test_people_are_found_by_external_id_then_address_then_number_else_kept_under_brazes_id(user, properties, match):
    assert event(user=user, **properties).match == match


def test_machines_bounces_canvases_and_late_names_are_told():
    assert not event(machine_open=None).machine
    assert event("email.Click", is_suspected_bot_click=True).machine
    assert not event("email.Click", is_suspected_bot_click=None).machine
    assert not event("email.Send", machine_open="true").machine
    assert event("email.SoftBounce").properties["bounce_type"] == "soft"
    assert event(canvas_id="9e1d", canvas_name=None).origin == Origin("9e1d", "")
    assert event().origin is None
    assert event().message == ""


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("text", "JSON object"),
        ({**OPEN, "event_type": "users.behaviors.CustomEvent"}, "no message event"),
        ({**OPEN, "event_type": "users.messages.hologram.Send"}, "no name"),
        ({**OPEN, "event_type": None}, "event_type"),
        ({**OPEN, "id": ""}, "without an id"),
        ({**OPEN, "time": "soon"}, "without an id, a time"),
        ({**OPEN, "user": {}, "properties": {}}, "anybody"),
    ],
)
def test_what_has_no_name_or_is_no_event_says_why(told, reason):
    found = read(told)
    assert isinstance(found, Unknown) and reason in found.reason and found.payload == told


def receiver(**settings: str) -> Braze:
    from hub import PartnerClient
    from hub.connectors.addresses import AddressGuard

    chosen = Braze.Settings.model_validate({"api_key": "k", "instance": "US-01", **settings})
    return Braze(chosen, PartnerClient(Braze.base_url(chosen), guard=AddressGuard(allow_private=True)))


def request(body: bytes, authorization: str = "") -> InboundRequest:
    headers = {"authorization": authorization} if authorization else {}
    return InboundRequest("POST", headers, {}, body, datetime.now(UTC))


def test_either_of_two_tokens_opens_and_nothing_else_does():
    old, new = "old-token-of-16-letters", "new-token-of-16-letters"
    connector = receiver(currents_tokens=f"{new} {old}")
    for token in (old, new):
        connector.verify(request(b'{"events":[]}', f"Bearer {token}"))
    for wrong in ("", "Bearer", "Bearer x", f"Basic {new}", f"Bearer {new} {old}", new):
        with pytest.raises(NotVerified) as refused:
            connector.verify(request(b'{"events":[]}', wrong))
        assert refused.value.status == 401
    with pytest.raises(NotVerified, match="no token"):
        receiver().verify(request(b"{}", "Bearer "))


def test_a_batch_is_read_event_by_event_and_a_probe_is_a_batch_of_none():
    connector = receiver(external_id_property="distinct_id")
    assert connector.receive(request(b'{"events":[]}')).events == []
    received = connector.receive(request(orjson.dumps({"events": [OPEN, {**OPEN, "event_type": "x"}, 7]})))
    assert [each.match for each in received.events] == [("distinct_id", "u-1001")]
    assert len(received.unknown) == 2
    for senseless in (b"{", b"[]", b'{"events": 1}'):
        with pytest.raises(ValueError, match="The body"):
            connector.receive(request(senseless))
