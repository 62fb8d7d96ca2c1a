"""Message events: their names, their ids, and what the sandbox's reports become."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import orjson
import pytest

from hub import MessageEvent, PartnerClient, PartnerUnavailable
from hub.connectors.addresses import AddressGuard
from hub.testing.sandbox import Running, running
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.events import MESSAGE_EVENTS, Campaign, activity_events, sent_events, unsubscribe_events
from hub_mailchimp.sandbox import FIRST_LIST, MailchimpSandbox
from hub_mailchimp.settings import MailchimpSettings

CAMPAIGN = Campaign("cb398d21d2", "November news", "a6b5da1054", datetime(2026, 11, 20, 10, tzinfo=UTC))
ANN = {"email_id": "9a9f1d1e0f0e4cb2b1a3b2e0d1c2a3f4", "email_address": "Ann@Example.com "}


def test_the_names_are_the_documented_ones_and_all_are_exempt() -> None:
    assert MESSAGE_EVENTS.source == "mailchimp"
    assert {kind.event: kind.also_known_as for kind in MESSAGE_EVENTS.kinds if kind.also_known_as} == {
        "Mailchimp - Sent To": ("Mailchimp Campaign - Sent",),
        "Mailchimp - Opened Campaign": ("Mailchimp Campaign - Open",),
        "Mailchimp - Clicked Campaign Url": ("Mailchimp Campaign - Click",),
        "Mailchimp - Bounced": ("Mailchimp Campaign - Bounce",),
        "Mailchimp - Unsubscribed": ("Mailchimp Campaign - Unsubscribed",),
    }
    assert all(kind.exempt for kind in MESSAGE_EVENTS.kinds)


def test_a_recipients_activity_becomes_events_with_documented_ids() -> None:
    url = "https://shop.example.com/sale"
    row = ANN | {
        "activity": [
            {"action": "open", "timestamp": "2026-11-20T10:21:07+00:00", "ip": "198.51.100.4"},
            {"action": "click", "timestamp": "2026-11-20T10:21:30+00:00", "url": url},
            {"action": "bounce", "type": "hard", "timestamp": "2026-11-20T10:19:40+00:00"},
            {"action": "something new", "timestamp": "2026-11-20T10:19:40+00:00"},
            {"action": "open", "timestamp": "yesterday"},
        ]
    }
    events = list(activity_events(CAMPAIGN, row))
    assert [event.kind for event in events] == ["open", "click", "bounce"]
    keys = [
        "open|cb398d21d2|9a9f1d1e0f0e4cb2b1a3b2e0d1c2a3f4|2026-11-20T10:21:07+00:00",
        f"click|cb398d21d2|9a9f1d1e0f0e4cb2b1a3b2e0d1c2a3f4|2026-11-20T10:21:30+00:00|{url}",
        "bounce|cb398d21d2|9a9f1d1e0f0e4cb2b1a3b2e0d1c2a3f4",
    ]
    assert [event.id for event in events] == [md5(key.encode()).hexdigest() for key in keys]
    assert {event.match for event in events} == {("$email", "ann@example.com")}
    assert events[0].time == datetime(2026, 11, 20, 10, 21, 7, tzinfo=UTC)
    assert events[1].properties == {"list_id": "a6b5da1054", "$email": "ann@example.com", "url": url}
    assert {(event.origin.id, event.origin.name) for event in events} == {("cb398d21d2", "November news")}
    assert {event.message for event in events} == {"cb398d21d2:9a9f1d1e0f0e4cb2b1a3b2e0d1c2a3f4"}
    assert events[2].properties["bounce_type"] == "hard"


def test_a_recipient_was_sent_the_mail_when_the_campaign_was_and_a_bounce_is_the_same_from_both_reports() -> None:
    sent, bounced = sent_events(CAMPAIGN, ANN | {"status": "soft"})
    assert (sent.kind, sent.time) == ("sent", CAMPAIGN.sent_at)
    assert sent.id == md5(b"sent|cb398d21d2|9a9f1d1e0f0e4cb2b1a3b2e0d1c2a3f4").hexdigest()
    activity = [{"action": "bounce", "type": "soft", "timestamp": "2026-11-20T10:19:40+00:00"}]
    [told_with_time] = activity_events(CAMPAIGN, ANN | {"activity": activity})
    assert bounced.id == told_with_time.id


def test_who_unsubscribed_gave_a_reason() -> None:
    [event] = unsubscribe_events(CAMPAIGN, ANN | {"timestamp": "2026-11-20T10:30:00+00:00", "reason": "Too many"})
    assert event.id == md5(b"unsub|cb398d21d2|9a9f1d1e0f0e4cb2b1a3b2e0d1c2a3f4").hexdigest()
    assert event.properties["reason"] == "Too many"


def test_somebody_who_was_deleted_has_no_address_and_gives_no_event() -> None:
    assert list(sent_events(CAMPAIGN, {"email_id": "9a9f", "email_address": "", "status": "sent"})) == []


def test_a_time_without_a_zone_is_utc_and_another_zone_is_converted() -> None:
    for text in ("2026-11-20T10:30:00", "2026-11-20T12:30:00+02:00", "2026-11-20T10:30:00Z"):
        [event] = unsubscribe_events(CAMPAIGN, ANN | {"timestamp": text})
        assert event.time == datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
        assert event.time.tzinfo is UTC


# against the sandbox


@pytest.fixture(scope="module")
def mailchimp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("mailchimp")
    with running(MailchimpSandbox(home)) as partner:
        yield partner


@pytest.fixture
def partner(mailchimp: Running) -> Running:
    mailchimp.admin.reset()
    mailchimp.admin.clear_faults()
    contacts = [{"email": f"p{number}@example.com", "status": "subscribed"} for number in range(1200)]
    mailchimp.admin.post("/contacts", {"contacts": contacts})
    return mailchimp


@pytest.fixture
async def connector(partner: Running) -> AsyncIterator[Mailchimp]:
    settings = MailchimpSettings.model_validate({**partner.settings, "audience": FIRST_LIST})
    async with PartnerClient(
        Mailchimp.base_url(settings), guard=AddressGuard(allow_private=True), read_attempts=1
    ) as http:
        yield Mailchimp(settings, http)


def send(partner: Running, **order: Any) -> dict[str, Any]:
    rates = {"open": 0.5, "click": 0.3, "bounce": 0.05, "soft_bounce": 0.05, "unsubscribe": 0.05}
    at = datetime.now(UTC) - timedelta(days=3)
    given = {"title": "Autumn", "subject": "Autumn is here", "send_time": at.isoformat(), "rates": rates, **order}
    counts: dict[str, Any] = partner.admin.post("/campaigns", given)
    return counts


async def pulled(connector: Mailchimp, cursor: dict[str, Any]) -> tuple[dict[str, MessageEvent], dict[str, Any]]:
    events: dict[str, MessageEvent] = {}
    async for page, after in connector.pull(cursor):
        for event in page:
            events.setdefault(event.id, event)
        cursor = orjson.loads(orjson.dumps(after))
    return events, cursor


async def test_the_events_of_a_campaign_are_as_many_as_the_report_counts(
    partner: Running, connector: Mailchimp
) -> None:
    counts = send(partner)
    events, _ = await pulled(connector, {})
    assert Counter(event.kind for event in events.values()) == {
        "sent": counts["emails_sent"],
        "open": counts["opens"],
        "click": counts["clicks"],
        "bounce": counts["hard_bounces"] + counts["soft_bounces"],
        "unsubscribe": counts["unsubscribed"],
    }
    assert {event.origin.name for event in events.values()} == {"Autumn"}
    bounces = [event for event in events.values() if event.kind == "bounce"]
    assert all(event.time > datetime.fromisoformat(counts["send_time"]) for event in bounces)  # the activity's time


async def test_a_second_poll_brings_only_what_is_new(partner: Running, connector: Mailchimp) -> None:
    send(partner)
    first, cursor = await pulled(connector, {})
    again, cursor = await pulled(connector, cursor)
    assert again == {}
    second = send(partner, title="Winter", seed=1)
    new, _ = await pulled(connector, cursor)
    assert set(new).isdisjoint(first)
    assert {event.origin.id for event in new.values()} == {second["id"]}


async def test_the_mails_of_automations_are_read_too(partner: Running, connector: Mailchimp) -> None:
    counts = send(partner, type="automation")
    events, _ = await pulled(connector, {})
    assert sum(event.kind == "sent" for event in events.values()) == counts["emails_sent"]


async def test_campaigns_to_another_audience_belong_to_another_connection(
    partner: Running, connector: Mailchimp
) -> None:
    partner.admin.post("/lists", {"id": "ffff000001", "name": "Other"})
    partner.admin.post(
        "/contacts", {"list_id": "ffff000001", "contacts": [{"email": "x@example.com", "status": "subscribed"}]}
    )
    send(partner, list_id="ffff000001")
    events, _ = await pulled(connector, {})
    assert events == {}


async def test_what_was_lost_with_a_failing_page_comes_with_the_next_poll(
    partner: Running, connector: Mailchimp
) -> None:
    counts = send(partner)
    # the first page of recipients passes; the second fails at every size that is tried
    partner.admin.fault(kind="status", status=504, body="<html>", regex="/sent-to", after=2, count=3)
    kept: dict[str, MessageEvent] = {}
    cursor: dict[str, Any] = {}
    with pytest.raises(PartnerUnavailable):
        async for page, after in connector.pull(cursor):
            kept |= {event.id: event for event in page}
            cursor = after
    assert 0 < sum(event.kind == "sent" for event in kept.values()) < counts["emails_sent"]
    rest, _ = await pulled(connector, cursor)
    together = kept | rest
    assert sum(event.kind == "sent" for event in together.values()) == counts["emails_sent"]
    assert sum(event.kind == "unsubscribe" for event in together.values()) == counts["unsubscribed"]


async def test_a_page_that_is_too_large_for_the_gateway_is_asked_for_in_halves(
    partner: Running, connector: Mailchimp
) -> None:
    counts = send(partner)
    partner.admin.fault(kind="status", status=504, body="<html>", regex="/sent-to", after=1, count=2)
    events, _ = await pulled(connector, {})
    assert sum(event.kind == "sent" for event in events.values()) == counts["emails_sent"]
