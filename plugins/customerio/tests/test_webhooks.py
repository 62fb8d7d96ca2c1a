"""Reporting webhooks: what is the partner's, and what is in it."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from hub import InboundRequest, MessageEvent, Metric, NotVerified
from hub.connectors.matching import MatchOn
from hub_customerio.kinds import MESSAGE_EVENTS
from hub_customerio.signature import verify
from hub_customerio.webhooks import receive

KEY, OLD = b"d3f5c2a1b0", b"0a1b2c3d4e"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
ANN = {"id": "42", "email": "Ann@Example.com", "cio_id": "d9c106000001"}


def request(body: bytes, *, key: bytes = KEY, age: timedelta = timedelta(), **headers: str) -> InboundRequest:
    signed = str(int((NOW - age).timestamp()))
    given = hmac.new(key, b"v0:" + signed.encode() + b":" + body, hashlib.sha256).hexdigest()
    return InboundRequest("POST", {"x-cio-timestamp": signed, "x-cio-signature": given, **headers}, {}, body, NOW)


BODY = b'{"event_id":"01E","object_type":"email","metric":"sent","timestamp":1,"data":{}}'


def test_a_signature_is_an_hmac_over_version_time_and_raw_bytes() -> None:
    # computed apart: openssl dgst -sha256 -hmac d3f5c2a1b0 over v0:1700000000:{"a": 1}
    at = datetime.fromtimestamp(1_700_000_000, UTC)
    given = "d331477633002abcea6c055e50d31f72599fe6c12cbeb3e9c89d1094a4afba63"
    headers = {"x-cio-timestamp": "1700000000", "x-cio-signature": given}
    verify(InboundRequest("POST", headers, {}, b'{"a": 1}', at), [KEY])


@pytest.mark.parametrize("age", [timedelta(), timedelta(days=7), timedelta(minutes=-4)])
def test_a_retry_of_a_week_is_taken_by_either_key(age: timedelta) -> None:
    verify(request(BODY, age=age), [KEY])
    verify(request(BODY, age=age, key=OLD), [KEY, OLD])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (request(BODY, key=b"another"), "not by this connection's signing key"),
        (InboundRequest("POST", request(BODY).headers, {}, BODY + b" ", NOW), "the body is not what was signed"),
        (request(BODY, age=timedelta(days=7, hours=3)), "more than seven days ago"),
        (request(BODY, age=timedelta(minutes=-6)), "ahead of this machine's clock"),
        (request(BODY, **{"x-cio-timestamp": "1"}), "not by this connection's signing key"),
        (request(BODY, **{"x-cio-timestamp": "soon"}), "no time in seconds"),
        (request(BODY, **{"x-cio-timestamp": "²"}), "no time in seconds"),
        (request(BODY, **{"x-cio-timestamp": "9" * 13}), "no time in seconds"),
        (request(BODY, **{"x-cio-signature": "é"}), "not by this connection's signing key"),
        (InboundRequest("POST", {}, {}, BODY, NOW), "is not signed"),
    ],
)
def test_what_is_not_proven_is_refused(wrong: InboundRequest, words: str) -> None:
    with pytest.raises(NotVerified, match=words) as refused:
        verify(wrong, [KEY, OLD])
    assert KEY.decode() not in f"{refused.value} {refused.value.hint}"


def test_without_a_signing_key_nothing_is_taken() -> None:
    with pytest.raises(NotVerified, match="has no signing key"):
        verify(request(BODY), [])


def told(object_type: str, metric: str, **data: Any) -> bytes:
    about = {"delivery_id": "RPI", "identifiers": ANN, "customer_id": "internal", **data}
    event = {"event_id": "01JD5A9Z7M3T1Q8V0K2N4P6R8S", "object_type": object_type, "metric": metric}
    return orjson.dumps({**event, "timestamp": 1763633000, "data": about})


def one(body: bytes, match_on: tuple[MatchOn, ...] = ()) -> MessageEvent:
    received = receive(body, match_on)
    assert not received.unknown
    [event] = received.events
    return event


# the reference's list of kinds, and the names that Customer.io sends to other tools
REFERENCE = {
    "email": "Drafted Attempted Deferred Sent Delivered Opened Clicked=Link_Clicked Converted Unsubscribed Bounced"
    " Dropped=Suppressed Spammed=Marked_as_Spam Failed Undeliverable",
    "push": "Drafted Attempted Sent Delivered Opened Clicked=Link_Clicked Converted Bounced Dropped=Suppressed Failed"
    " Undeliverable",
    "sms": "Drafted Attempted Sent Delivered Clicked=Link_Clicked Converted Bounced Dropped=Suppressed Failed"
    " Undeliverable Replied",
    "whatsapp": "Drafted Attempted Sent Delivered Opened Clicked=Link_Clicked Converted Bounced Dropped=Suppressed"
    " Failed Undeliverable Replied",
    "in_app": "Drafted Attempted Sent Opened Clicked Converted Failed Undeliverable",
    "slack": "Drafted Attempted Sent Clicked=Link_Clicked Converted Failed Undeliverable",
    "webhook": "Drafted Attempted Sent Clicked=Link_Clicked Converted Failed Undeliverable",
}
LABELS = {
    "email": "Email",
    "push": "Push",
    "sms": "SMS",
    "whatsapp": "WhatsApp",
    "in_app": "In-App",
    "slack": "Slack",
    "webhook": "Webhook",
}


def test_every_kind_of_the_reference_has_its_documented_name_and_only_what_people_did_counts() -> None:
    expected = {}
    for channel, words in REFERENCE.items():
        for word in words.split():
            metric, _, name = word.partition("=")
            expected[f"{channel}_{metric.lower()}"] = f"{LABELS[channel]} {(name or metric).replace('_', ' ')}"
    expected["customer_subscribed"] = "Subscribed"
    expected["customer_unsubscribed"] = "Unsubscribed"
    expected["customer_cio_subscription_preferences_changed"] = "Subscription Preferences Changed"

    assert {kind.kind: kind.event for kind in MESSAGE_EVENTS.kinds} == expected
    assert MESSAGE_EVENTS.source == "customer.io"
    counted = {kind.kind.split("_")[-1] for kind in MESSAGE_EVENTS.kinds if not kind.exempt}
    assert counted == {"opened", "clicked", "converted"}
    for channel, words in REFERENCE.items():
        for word in words.split():
            metric = word.partition("=")[0].lower()
            event = one(told(channel, metric))
            assert MESSAGE_EVENTS.kind_of(event.kind).channel == channel


def test_an_event_is_told_in_the_hubs_words() -> None:
    event = one(
        told("email", "clicked", campaign_id=5, action_id=96, href="https://shop.example", link_id=1, machine=True)
    )

    assert (event.kind, event.id, event.match) == ("email_clicked", "01JD5A9Z7M3T1Q8V0K2N4P6R8S", ("distinct_id", "42"))
    assert event.time == datetime(2025, 11, 20, 10, 3, 20, tzinfo=UTC)
    assert event.origin and (event.origin.id, event.origin.name) == ("campaign:5", "")
    assert (event.message, event.machine) == ("RPI", True)
    assert event.properties == {
        "campaign_id": 5, "action_id": 96, "href": "https://shop.example", "link_id": 1, "$email": "ann@example.com",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        ({"campaign_id": 5, "action_id": 96}, "campaign:5"),
        ({"broadcast_id": 9, "trigger_id": 1, "action_id": 42}, "broadcast:9"),
        ({"newsletter_id": 10, "content_id": 3}, "newsletter:10"),
        ({"transactional_message_id": 22}, "transactional:22"),
    ],
)
def test_each_origin_is_told(fields: dict[str, Any], origin: str) -> None:
    event = one(told("email", "sent", **fields))
    assert event.origin and event.origin.id == origin


def test_what_happens_once_to_a_delivery_has_the_id_that_the_pulled_feed_gives_it() -> None:
    once = hashlib.md5(b"RPI|delivered").hexdigest()
    assert one(told("sms", "delivered")).id == once
    for repeatable in ("opened", "clicked"):
        assert one(told("email", repeatable)).id == "01JD5A9Z7M3T1Q8V0K2N4P6R8S"
    assert one(told("customer", "unsubscribed")).id == "01JD5A9Z7M3T1Q8V0K2N4P6R8S"


@pytest.mark.parametrize(
    ("marks", "machine"),
    [
        ({"prefetched": True, "proxied": False}, True),
        ({"prefetched": False, "proxied": True}, True),
        ({"prefetched": False, "proxied": False, "synthetic": True}, False),
        ({}, False),
    ],
)
def test_opens_of_machines_are_marked(marks: dict[str, bool], machine: bool) -> None:
    assert one(told("email", "opened", **marks)).machine is machine


def test_people_are_found_by_the_connections_own_keys_first() -> None:
    by_mail = (MatchOn("$email", "work_email", "email", "$email:"),)
    assert one(told("email", "sent"), by_mail).match == ("work_email", "ann@example.com")
    only_mail = {"id": None, "email": "Ann@Example.com", "cio_id": "d9"}
    assert one(told("email", "sent", identifiers=only_mail)).match == ("$email", "ann@example.com")
    assert one(told("email", "sent", identifiers={"cio_id": "d9"})).match == ("cio_id", "d9")
    assert one(told("email", "sent", identifiers=None)).match == ("distinct_id", "internal")


def test_a_change_of_a_subscription_is_the_persons_whatever_channel_it_came_by() -> None:
    assert one(told("email", "cio_subscription_preferences_changed")).kind == (
        "customer_cio_subscription_preferences_changed"
    )
    assert one(told("customer", "subscription_preferences_changed")).kind == (
        "customer_cio_subscription_preferences_changed"
    )
    assert one(told("sms", "unsubscribed")).kind == "customer_unsubscribed"
    assert one(told("email", "unsubscribed")).kind == "email_unsubscribed"


def test_a_bounce_is_hard_and_a_push_tells_its_devices() -> None:
    devices = [{"device_id": "tok-1", "device_platform": "ios", "failure_message": "Unregistered"}]
    event = one(told("push", "bounced", recipients=devices))
    assert (event.properties["bounce_type"], event.properties["recipients"]) == ("hard", devices)
    assert MESSAGE_EVENTS.kind_of(event.kind).metric is Metric.BOUNCED


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (told("carrier_pigeon", "sent"), "had no event carrier_pigeon sent"),
        (told("email", "levitated"), "had no event email levitated"),
        (told("whatsapp", "replied", identifiers={}, customer_id=None), "names nobody"),
        (told("email", "sent").replace(b"1763633000", b'"soon"'), "no time"),
        (told("email", "sent").replace(b"1763633000", b"1e300"), "no time"),
        (told("email", "opened", delivery_id="").replace(b"01JD5A9Z7M3T1Q8V0K2N4P6R8S", b""), "told from others"),
    ],
)
def test_what_is_not_known_is_kept_and_no_error(body: bytes, reason: str) -> None:
    received = receive(body)
    assert received.events == ()
    [unknown] = received.unknown
    assert reason in unknown.reason
    assert unknown.payload == orjson.loads(body)


@pytest.mark.parametrize("body", [b"", b"<xml/>", b"[]", b'{"data": 3}'])
def test_what_is_no_event_at_all_cannot_be_read(body: bytes) -> None:
    with pytest.raises(ValueError, match="The body is"):
        receive(body)
