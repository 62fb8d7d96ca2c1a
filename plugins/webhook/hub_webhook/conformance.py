"""The webhook connector, as the conformance suite is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import httpx
import orjson

from hub import Audience, InboundRequest, signature_headers
from hub.testing.conformance import Subject
from hub.testing.sandbox import Running
from hub_webhook.connector import Webhook
from hub_webhook.sandbox import WebhookSandbox
from hub_webhook.settings import WebhookSettings

INBOUND_SECRET = "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"  # opens nothing
ANOTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"  # opens nothing


def _held(partner: Running, audience: Audience) -> Iterable[str]:
    try:
        members = partner.admin.get(f"/cohorts/{audience.ref['cohort']}/members")["members"]
    except httpx.HTTPStatusError:  # the receiver makes a cohort when its first members come
        return []
    return [member["mixpanel_distinct_id"] for member in members]


def _signed(settings: WebhookSettings, at: datetime) -> InboundRequest:
    about = {"message_id": "m-1", "email": "ann@example.com", "campaign": {"id": "5", "name": "News"}}
    body = orjson.dumps({"type": "message.opened", "timestamp": "2026-11-22T08:26:40Z", "data": about})
    secret = settings.inbound_secret.get_secret_value()
    headers = signature_headers([secret], message_id="msg_1", at=at, body=body)
    return InboundRequest("POST", {**headers, "content-type": "application/json"}, {}, body, at)


WEBHOOK = Subject(
    connector=Webhook,
    sandbox=WebhookSandbox,
    bad_credentials=[{"password": "not the password"}, {"signing_secret": ANOTHER_SECRET}],
    settings={"inbound_secret": INBOUND_SECRET},
    held=_held,
    signed=_signed,
    wrong_keys=[{"inbound_secret": ANOTHER_SECRET}],
)
