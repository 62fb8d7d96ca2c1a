"""The webhook connector, as the conformance suite is told of it."""

from __future__ import annotations

from collections.abc import Iterable

import httpx

from hub import Audience
from hub.testing.conformance import Subject
from hub.testing.sandbox import Running
from hub_webhook.connector import Webhook
from hub_webhook.sandbox import WebhookSandbox

ANOTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"  # opens nothing


def _held(partner: Running, audience: Audience) -> Iterable[str]:
    try:
        members = partner.admin.get(f"/cohorts/{audience.ref['cohort']}/members")["members"]
    except httpx.HTTPStatusError:  # the receiver makes a cohort when its first members come
        return []
    return [member["mixpanel_distinct_id"] for member in members]


WEBHOOK = Subject(
    connector=Webhook,
    sandbox=WebhookSandbox,
    bad_credentials=[{"password": "not the password"}, {"signing_secret": ANOTHER_SECRET}],
    held=_held,
    value=("plan", "pro"),
)
