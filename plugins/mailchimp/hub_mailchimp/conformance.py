"""The Mailchimp connector, as the conformance suite is told of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub import Audience, Member
from hub.testing.conformance import Subject, email
from hub.testing.sandbox import Running
from hub_mailchimp.connector import Mailchimp
from hub_mailchimp.sandbox import FIRST_LIST, MailchimpSandbox

PEOPLE = 3000
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


MAILCHIMP = Subject(
    connector=Mailchimp,
    sandbox=_up_to_date,
    bad_credentials=[{"api_key": "0123456789abcdef0123456789abcdef-us6"}],
    settings={"audience": FIRST_LIST},
    prepare=_contacts,
    refused=Member("stranger@example.com"),
    value=("FNAME", "Ann"),
    held=_held,
    happen=_campaign,
)
