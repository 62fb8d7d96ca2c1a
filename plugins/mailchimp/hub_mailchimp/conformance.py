"""The Mailchimp connector, as the conformance suite is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from hub import Audience, InboundRequest, Member
from hub.testing.conformance import Subject, email
from hub.testing.sandbox import Running
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.sandbox import FIRST_LIST, MailchimpSandbox
from hub_mailchimp.settings import MailchimpSettings
from hub_mailchimp.webhooks import SIGNATURE, WINDOW_SECONDS, signature

PEOPLE = 3000
_SECRET = "3c1f6b0e9a7d4258b6e0c9d1f2a3b4c5"
_HAPPENED = ("emails_sent", "opens", "clicks", "hard_bounces", "soft_bounces", "unsubscribed")


def _up_to_date(folder: Path) -> MailchimpSandbox:
    return MailchimpSandbox(folder, stats_lag=0)


def _contacts(partner: Running) -> None:
    contacts = [{"email": email(number), "status": "subscribed"} for number in range(PEOPLE)]
    partner.admin.post("/contacts", {"contacts": contacts})


def _held(partner: Running, audience: Audience) -> Iterable[str]:
    return list(partner.admin.get(f"/tags/{audience.ref['segment']}/members")["emails"])


def _campaign(partner: Running) -> int:
    """A campaign to twenty people, and what they do."""
    named = [email(number) for number in range(20)]
    partner.admin.post("/contacts", {"contacts": [{"email": each, "status": "subscribed"} for each in named]})
    others = [email(number) for number in range(20, PEOPLE)]
    partner.admin.post("/contacts/unsubscribe", {"emails": others})
    sent = datetime.now(UTC) - timedelta(days=3)
    counts = partner.admin.post("/campaigns", {"send_time": sent.isoformat(), "spread_seconds": 3600})
    return sum(counts[name] for name in _HAPPENED)


def _signed(settings: MailchimpSettings, at: datetime) -> InboundRequest:
    form = {"type": "unsubscribe", "fired_at": "2026-11-20 10:15:00", "data[email]": "ann@example.com"}
    body = urlencode({**form, "data[list_id]": FIRST_LIST, "data[campaign_id]": "cb398d21d2"}).encode()
    signed = signature(settings.webhook_secret.get_secret_value(), int(at.timestamp()), body)
    headers = {"content-type": "application/x-www-form-urlencoded", SIGNATURE: signed}
    return InboundRequest("POST", headers, {}, body, at)


MAILCHIMP = Subject(
    connector=Mailchimp,
    sandbox=_up_to_date,
    bad_credentials=[{"api_key": "0123456789abcdef0123456789abcdef-us6"}],
    settings={"audience": FIRST_LIST, "webhook_secret": _SECRET},
    prepare=_contacts,
    refused=Member("stranger@example.com"),
    value=("FNAME", "Ann"),
    held=_held,
    happen=_campaign,
    signed=_signed,
    wrong_keys=[{"webhook_secret": _SECRET[::-1]}, {"webhook_secret": ""}],
    window=timedelta(seconds=WINDOW_SECONDS),
)
