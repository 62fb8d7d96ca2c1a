"""What comes in: who is believed, and what is in it. Pure."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from pydantic import ValidationError

from hub import CohortAction, InboundRequest, NotVerified
from hub_webhook.connector import Webhook
from hub_webhook.incoming import received, reply, verify
from hub_webhook.settings import WebhookSettings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
SIGNED_AT = datetime.fromtimestamp(1614265330, UTC)
PUBLISHED = {  # the standard's own example
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
BODY = b'{"test": 2432232314}'
PAGE = b'{"action": "members", "parameters": {"mixpanel_cohort_id": "9", "mixpanel_session_id": "s"}}'


def request(body: bytes = BODY, headers=PUBLISHED, *, at: datetime = SIGNED_AT, secret_path: bool = False):
    return InboundRequest("POST", headers, {}, body, at, secret_path)


def settings(**chosen: str) -> WebhookSettings:
    return WebhookSettings.model_validate(chosen)


def basic(pair: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


@pytest.mark.parametrize("secret", [SECRET, f"{OTHER} {SECRET}", f"{SECRET} {OTHER}"])
@pytest.mark.parametrize("seconds", [0, 299, -299])
def test_the_published_signature_is_believed_within_five_minutes_by_any_of_the_secrets(secret, seconds):
    verify(request(at=SIGNED_AT + timedelta(seconds=seconds)), settings(inbound_secret=secret))
    both = {**PUBLISHED, "webhook-signature": f"v1a,xx v1,AAAA {PUBLISHED['webhook-signature']}"}
    verify(request(headers=both), settings(inbound_secret=secret))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (request(BODY + b" "), "not that of its body"),
        (request(headers={**PUBLISHED, "webhook-id": "msg_another"}), "not that of its body"),
        (request(headers={**PUBLISHED, "webhook-signature": PUBLISHED["webhook-signature"][:-2]}), "not that of"),
        (request(headers={**PUBLISHED, "webhook-signature": "v1,é"}), "not that of its body"),
        (request(at=SIGNED_AT + timedelta(seconds=301)), "more than five minutes"),
        (request(at=SIGNED_AT - timedelta(seconds=301)), "more than five minutes"),
        (request(headers={**PUBLISHED, "webhook-timestamp": "1614265330.0"}), "not a number"),
        (request(headers={**PUBLISHED, "webhook-timestamp": "٣"}), "not a number"),
        (request(headers={**PUBLISHED, "webhook-id": ""}), "no webhook-id"),
        (request(headers={}), "is signed"),
        (request(headers={}, secret_path=True), "is signed"),
        (request(b"\xff", {}, secret_path=True), "is signed"),
        (request(PAGE, {}), "Nothing proves"),
        (request(PAGE, PUBLISHED, secret_path=True), "not that of its body"),
    ],
)
def test_what_is_not_proven_is_refused_without_a_secret_in_the_words(wrong, said):
    with pytest.raises(NotVerified, match=said) as refused:
        verify(wrong, settings(inbound_secret=SECRET))
    assert SECRET[6:] not in str(refused.value)
    with pytest.raises(NotVerified):
        verify(wrong, settings(inbound_secret=OTHER))


def test_a_page_of_a_cohort_is_believed_with_its_login_or_at_the_secret_address():
    login = settings(inbound_username="mixpanel", inbound_password="pass:word")
    verify(request(PAGE, basic("mixpanel:pass:word")), login)
    for wrong in ({}, basic("mixpanel:pass"), basic("mixpanel"), {"authorization": "Basic ÿ"}, {"authorization": "x"}):
        with pytest.raises(NotVerified, match="password"):
            verify(request(PAGE, wrong, secret_path=True), login)
    verify(request(PAGE, {}, secret_path=True), settings())
    with pytest.raises(NotVerified, match="no inbound_secret"):
        verify(request(BODY, PUBLISHED, secret_path=True), settings())
    with pytest.raises(ValidationError, match="belong together"):
        settings(inbound_username="mixpanel")


def test_a_message_event_becomes_one_of_the_hub_and_what_is_strange_is_told():
    event = {
        "type": "message.clicked",
        "timestamp": "2026-11-22T09:26:40+01:00",
        "data": {
            "email": " Ann@Example.com ",
            "message_id": "m1",
            "campaign": {"id": 7, "name": "Spring"},
            "machine": True,
            "channel": "email",
            "properties": {"url": "https://example.com"},
        },
    }
    known = set(WebhookSettings.model_fields)
    assert "inbound_secret" in known
    strange = [
        {**event, "type": "message.teleported"},
        {**event, "timestamp": "2026-11-22T09:26:40"},
        {**event, "timestamp": None},
        {**event, "data": {"message_id": "m1"}},
        {**event, "data": {**event["data"], "campaign": "Spring"}},
        "nothing",
    ]
    found = received(request(orjson.dumps([event, *strange])))

    [clicked] = found.events
    assert (clicked.kind, clicked.match) == ("message.clicked", ("$email", "ann@example.com"))
    assert clicked.id == "msg_p5jXN8AQM9LWM0D4loKWxJek#0"
    assert clicked.time == datetime(2026, 11, 22, 8, 26, 40, tzinfo=UTC)
    assert (clicked.origin.id, clicked.origin.name, clicked.message, clicked.machine) == ("7", "Spring", "m1", True)
    assert clicked.properties == {"channel": "email", "url": "https://example.com"}
    assert len(found.unknown) == len(strange)
    assert received(request(orjson.dumps(event))).events[0].id == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    assert received(request(orjson.dumps(event), {})).unknown[0].reason.startswith("It has neither data.id")
    assert Webhook.message_events.kind_of("message.opened").exempt is False


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (b"7", "no JSON"),
        (b'{"action": "rename", "parameters": {}}', "no action"),
        (b'{"action": "members"}', "parameters"),
        (b'{"action": "members", "parameters": {"mixpanel_cohort_id": "9", "members": {}}}', "list"),
        (b'{"action": "members", "parameters": {"members": []}}', "mixpanel_cohort_id"),
    ],
)
def test_what_is_neither_a_page_nor_an_event_says_so(body, said):
    with pytest.raises(ValueError, match=said):
        received(request(body))


def test_a_page_has_the_hubs_names_and_is_answered_in_the_contracts_words():
    document = orjson.loads(PAGE)
    members = [{"mixpanel_distinct_id": "ann", "email": "a@x.com", "first_name": None, "plan": "pro"}, "nobody"]
    document["parameters"] |= {"mixpanel_project_id": "7", "members": members, "page_info": {"total_pages": 0}}
    [page] = received(request(orjson.dumps({**document, "action": "add_members"}))).pages

    assert (page.cohort, page.action, page.number, page.total) == ("7/9", CohortAction.ADD, 1, 1)
    assert page.members == [{"distinct_id": "ann", "$email": "a@x.com", "$first_name": None, "plan": "pro"}, {}]
    assert orjson.loads(reply(request(PAGE)).body) == {"action": "members", "status": "success"}
    assert reply(request(BODY)).body == b""
