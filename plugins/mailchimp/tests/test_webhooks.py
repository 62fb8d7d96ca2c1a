"""The audience's webhook: made at Mailchimp by the hub, really sent by the sandbox, proven, decoded, counted once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from hub import InboundRequest, MessageEvent, NotVerified, PartnerClient, SettingsWrong
from hub.connectors.addresses import AddressGuard
from hub.testing.sandbox import Running, running
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.events import MESSAGE_EVENTS
from hub_mailchimp.sandbox import FIRST_LIST, MailchimpSandbox
from hub_mailchimp.settings import MailchimpSettings
from hub_mailchimp.webhooks import decoded, received, signature

SECRET = "0123456789abcdef0123456789abcdef"
AT = datetime(2026, 11, 20, 10, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def mailchimp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    home: Path = tmp_path_factory.mktemp("mailchimp")
    with running(MailchimpSandbox(home, keep_bodies=True, stats_lag=0)) as partner:
        yield partner


@dataclass
class Door:
    """A door that does what the hub's does, in memory: greets, verifies, keeps."""

    url: str = ""
    connector: Mailchimp | None = None
    kept: list[InboundRequest] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    greeted: int = 0
    answers: int = 200

    async def answer(self, request: web.Request) -> web.Response:
        assert self.connector
        came = InboundRequest(
            request.method,
            {name.lower(): value for name, value in request.headers.items()},
            dict(request.query),
            await request.read(),
            datetime.now(UTC),
            secret_path=True,
        )
        if self.connector.greet(came):
            self.greeted += 1
            return web.Response()
        if self.answers != 200:
            return web.Response(status=self.answers)
        try:
            self.connector.verify(came)
        except NotVerified as error:
            self.refused.append(error.message)
            return web.Response(status=error.status)
        self.kept.append(came)
        return web.Response()

    def events(self) -> list[MessageEvent]:
        """What came, decoded by a connector that was restarted meanwhile, each once."""
        assert self.connector
        found = [event for request in self.kept for event in self.connector.receive(request).events]
        return [*{event.id: event for event in found}.values()]


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    app = web.Application()
    app.router.add_route("*", "/in/news/token", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/in/news/token"
    yield made
    await runner.cleanup()


@pytest.fixture
async def client(mailchimp: Running, door: Door) -> AsyncIterator[PartnerClient]:
    mailchimp.admin.reset()
    mailchimp.admin.forget_requests()
    mailchimp.admin.post(
        "/contacts", {"contacts": [{"email": f"p{n}@example.com", "status": "subscribed"} for n in range(40)]}
    )
    async with PartnerClient(
        mailchimp.settings["base_url"], guard=AddressGuard(allow_private=True), read_attempts=1
    ) as http:
        door.connector = Mailchimp(settings(mailchimp), http)
        yield http


def settings(partner: Running, **more: str) -> MailchimpSettings:
    return MailchimpSettings.model_validate({**partner.settings, "audience": FIRST_LIST, **more})


async def listen(partner: Running, door: Door) -> dict[str, str]:
    """Have Mailchimp send to the door, and start the connector anew with what has to be kept."""
    assert door.connector
    kept = dict(await door.connector.listen(door.url))
    door.connector = Mailchimp(settings(partner, **kept), door.connector.http)
    return kept


async def deliver(partner: Running, **how: Any) -> list[int | None]:
    """Have the sandbox send; the door is on this loop, so the asking must not block it."""
    return list((await asyncio.to_thread(partner.admin.post, "/webhooks/deliver", how))["statuses"])


async def test_what_happens_to_contacts_comes_in_signed_in_any_order_and_counts_once(
    mailchimp: Running, door: Door, client: PartnerClient
) -> None:
    kept = await listen(mailchimp, door)
    assert door.greeted == 1
    [made] = (await client.get(f"/lists/{FIRST_LIST}/webhooks"))["webhooks"]
    assert made["sources"] == {"user": True, "admin": True, "api": False}
    assert len(kept["webhook_secret"]) == 32
    assert "signing_secret" not in made  # it is told once

    happen = mailchimp.admin.post
    happen("/contacts/unsubscribe", {"emails": ["p1@example.com"]})
    for kind, more in {
        "subscribe": {"email": "p2@example.com"},
        "profile": {"email": "p3@example.com"},
        "cleaned": {"email": "p4@example.com", "reason": "abuse"},
        "upemail": {"email": "p5@example.com", "old_email": "Was@example.com"},
    }.items():
        assert happen("/webhooks/happen", {"type": kind, **more}) == {"queued": 1}
    assert happen("/webhooks/happen", {"type": "profile", "email": "p3@example.com", "source": "api"})["queued"] == 0
    assert set(await deliver(mailchimp, repeat=2, seed=3)) == {200}
    told = {MESSAGE_EVENTS.event_of(event.kind): event for event in door.events()}
    assert {name: event.match for name, event in told.items()} == {
        "Mailchimp - Unsubscribed": ("$email", "p1@example.com"),
        "Mailchimp - Subscribed": ("$email", "p2@example.com"),
        "Mailchimp - Profile Updated": ("$email", "p3@example.com"),
        "Mailchimp - Marked As Spam": ("$email", "p4@example.com"),
        "Mailchimp - Address Changed": ("$email", "was@example.com"),
    }
    assert told["Mailchimp - Address Changed"].properties["new_email"] == "p5@example.com"
    assert told["Mailchimp - Profile Updated"].properties["merges"]["FNAME"] == ""
    assert len(door.events()) == 5
    assert all(MESSAGE_EVENTS.kind_of(event.kind).exempt for event in told.values())


async def test_a_campaign_that_both_webhook_and_report_tell_of_has_each_event_once(
    mailchimp: Running, door: Door, client: PartnerClient
) -> None:
    await listen(mailchimp, door)
    sent_at = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    rates = {"open": 0, "click": 0, "bounce": 0.3, "unsubscribe": 0.4}
    order = {"send_time": sent_at, "seed": 5, "rates": rates, "spread_seconds": 3600}
    counts = mailchimp.admin.post("/campaigns", order)
    await deliver(mailchimp)
    assert door.connector
    pulled = [event async for events, _ in door.connector.pull({}) for event in events]
    # what is told first is kept: the exact time of a bounce comes before the campaign's
    by_report = {event.id: event for event in reversed(pulled) if event.kind in ("bounce", "unsubscribe")}
    by_hook = {event.id: event for event in door.events()}
    assert counts["unsubscribed"] > 0
    assert counts["hard_bounces"] > 0
    assert by_hook.keys() == by_report.keys()
    assert {id_: (one.kind, one.match, one.time, one.origin and one.origin.id) for id_, one in by_hook.items()} == {
        id_: (one.kind, one.match, one.time, one.origin and one.origin.id) for id_, one in by_report.items()
    }


async def test_a_delivery_that_was_not_taken_comes_again_for_75_minutes_and_410_ends_the_webhook(
    mailchimp: Running, door: Door, client: PartnerClient
) -> None:
    await listen(mailchimp, door)
    mailchimp.admin.post("/webhooks/happen", {"type": "profile", "email": "p3@example.com"})
    door.answers = 503
    assert await deliver(mailchimp) == [503]
    assert await deliver(mailchimp) == []  # not due
    assert [await deliver(mailchimp, ahead=4500) for _ in range(6)] == [[503]] * 5 + [[]]
    assert mailchimp.admin.get("/webhooks")["given_up"] == 1
    door.answers = 410
    mailchimp.admin.post("/webhooks/happen", {"type": "profile", "email": "p3@example.com"})
    assert await deliver(mailchimp) == [410]
    assert mailchimp.admin.get("/webhooks")["webhooks"][0]["disabled"] == 1
    door.answers = 200
    await listen(mailchimp, door)  # made anew, and once
    mailchimp.admin.post("/webhooks/happen", {"type": "profile", "email": "p3@example.com"})
    assert await deliver(mailchimp) == [200]
    await door.connector.stop_listening(door.url) if door.connector else None
    assert mailchimp.admin.get("/webhooks")["webhooks"] == []


async def test_a_webhook_that_is_not_signed_is_known_by_its_secret_address(
    mailchimp: Running, door: Door, client: PartnerClient
) -> None:
    mailchimp.admin.post("/webhooks/signing", {"enabled": False})
    assert (await listen(mailchimp, door))["webhook_secret"] == ""
    mailchimp.admin.post("/webhooks/happen", {"type": "profile", "email": "p3@example.com"})
    assert await deliver(mailchimp) == [200]
    assert door.connector
    with pytest.raises(NotVerified, match="plain address"):
        door.connector.verify(replace(door.kept[0], secret_path=False))
    with pytest.raises(NotVerified, match="no signature"):  # once a secret is known, the address is not enough
        connector().verify(door.kept[0])


async def test_an_address_that_does_not_answer_is_told_without_its_secret(
    mailchimp: Running, door: Door, client: PartnerClient
) -> None:
    assert door.connector
    with pytest.raises(SettingsWrong, match="couldn't verify") as wrong:
        await door.connector.listen(door.url.replace("/news/", "/nobody/"))
    assert "token" not in f"{wrong.value} {wrong.value.hint}"


SIGNED_AT = int(AT.timestamp())
BODY = b"type=unsubscribe&fired_at=2026-11-20+10%3A15%3A00&data%5Baction%5D=unsub&data%5Bemail%5D=Ann%40example.com"


def request(body: bytes = BODY, *, header: str | None = None, late: int = 0) -> InboundRequest:
    signed = signature(SECRET, SIGNED_AT, body) if header is None else header
    return InboundRequest("POST", {"x-mailchimp-signature": signed}, {}, body, AT + timedelta(seconds=late))


def connector(**more: str) -> Mailchimp:
    chosen = MailchimpSettings.model_validate({"api_key": "0" * 32 + "-us6", "webhook_secret": SECRET, **more})
    return Mailchimp(chosen, PartnerClient("https://us6.api.mailchimp.com/3.0", guard=AddressGuard()))


async def test_a_signature_is_of_these_bytes_by_this_secret_within_five_minutes() -> None:
    # computed with `openssl dgst -sha256 -hmac`, so that both sides cannot share a mistake
    assert signature("secret", 1760000000, b"type=ping") == (
        "t=1760000000,v1=cbd4f7bd7c09790d8702a5d62eaf9536b68644e6719377c83ee778d6983aced3"
    )
    proven = connector()
    for late in (-300, 0, 300):
        proven.verify(request(late=late))
    signed = signature(SECRET, SIGNED_AT, BODY)
    wrong = {
        "another byte": replace(request(), body=BODY + b"&"),
        "another secret": request(header=signature(SECRET[::-1], SIGNED_AT, BODY)),
        "another time": request(header=signed.replace("t=1", "t=2", 1)),
        "too late": request(late=301),
        "too early": request(late=-301),
        "no signature": request(header=""),
        "no time": request(header=signed.partition(",")[2]),
        "more than a signature": request(header=f"{signed},v1=0"),
        "none at all": replace(request(), headers={}),
    }
    for what, came in wrong.items():
        with pytest.raises(NotVerified) as refused:
            proven.verify(came)
        assert SECRET not in refused.value.message, what
    assert proven.greet(request()) is None
    assert proven.greet(replace(request(), method="GET")) is not None


def form(text: str) -> InboundRequest:
    return InboundRequest("POST", {}, {}, text.encode(), datetime.fromtimestamp(time.time(), UTC))


def test_a_form_with_brackets_becomes_nested() -> None:
    assert decoded(b"type=subscribe&data%5Bmerges%5D%5BFNAME%5D=%C3%85sa&data[merges][EMAIL]=&x=1&x=2") == {
        "type": "subscribe",
        "data": {"merges": {"FNAME": "Åsa", "EMAIL": ""}},
        "x": "2",
    }


@pytest.mark.parametrize(
    "body",
    [b"", b'{"type":"subscribe","data":{}}', b"type=subscribe&data=1", b"data=1&data[email]=a", b"data[a]=1&data=2",
     b"data[a=1", b"type=\xff", b"&".join(b"data[%d]=1" % n for n in range(2001)), b"data" + b"[a]" * 9 + b"=1"],
)  # fmt: skip
def test_what_is_no_delivery_is_told_in_a_sentence(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[A-Za-z].*\.$"):
        received(InboundRequest("POST", {}, {}, body, AT), "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("type=sms_subscribe&fired_at=2026-11-20 10:15:00&data[phone]=1", "phone number"),
        ("type=replied&fired_at=2026-11-20 10:15:00&data[email]=a@b.co", "no type 'replied'"),
        ("type=subscribe&data[email]=a@b.co", "when it happened"),
        ("type=subscribe&fired_at=yesterday&data[email]=a@b.co", "when it happened"),
        ("type=subscribe&fired_at=2026-11-20 10:15:00&data[email]=", "whose address"),
        ("type=subscribe&fired_at=2026-11-20 10:15:00&data[email]=a@b.co&data[list_id]=other", "audience other"),
    ],
)
def test_what_nobody_has_a_name_for_is_kept_with_a_reason(text: str, reason: str) -> None:
    found = received(form(text), FIRST_LIST)
    assert not found.events
    [unknown] = found.unknown
    assert reason in unknown.reason
    assert unknown.payload["type"] in text


def test_a_campaign_is_about_nobody() -> None:
    text = "type=campaign&fired_at=2026-11-20 10:19:00&data[id]=cb398d21d2&data[list_id]=a6b5da1054&data[status]=sent"
    found = received(form(text), FIRST_LIST)
    assert not found.events
    assert not found.unknown


def test_an_unsubscribe_without_a_campaign_is_told_from_another_by_its_time() -> None:
    text = "type=unsubscribe&fired_at=2026-11-20 10:1{}:00&data[email]=Ann@example.com&data[list_id]=a6b5da1054"
    [first], [second] = (received(form(text.format(minute)), FIRST_LIST).events for minute in (5, 6))
    assert first.id != second.id
    assert first.time == datetime(2026, 11, 20, 10, 15, tzinfo=UTC)
    assert first.id == received(form(text.format(5)), "").events[0].id
