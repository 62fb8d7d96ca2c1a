"""Mailchimp's message events: their names in the hub, and how rows of its reports become events.

Names and exemption: Mixpanel's documentation of its Mailchimp integration; its billing page spells them otherwise,
and both spellings are exempt. Reports: https://mailchimp.com/developer/marketing/api/reports/
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

from hub import MessageEvent, MessageEventKind, MessageEvents, Metric, Origin

log = logging.getLogger(__name__)

Row = dict[str, Any]

MESSAGE_EVENTS = MessageEvents(
    source="mailchimp",
    page="https://docs.mixpanel.com/docs/cohort-sync/integrations/mailchimp",
    kinds=(
        MessageEventKind("sent", "Mailchimp - Sent To", True, ("Mailchimp Campaign - Sent",), Metric.SENT),
        MessageEventKind("open", "Mailchimp - Opened Campaign", True, ("Mailchimp Campaign - Open",), Metric.OPENED),
        MessageEventKind(
            "click", "Mailchimp - Clicked Campaign Url", True, ("Mailchimp Campaign - Click",), Metric.CLICKED
        ),
        MessageEventKind("bounce", "Mailchimp - Bounced", True, ("Mailchimp Campaign - Bounce",), Metric.BOUNCED),
        MessageEventKind(
            "unsubscribe", "Mailchimp - Unsubscribed", True, ("Mailchimp Campaign - Unsubscribed",), Metric.UNSUBSCRIBED
        ),
        # Mixpanel documents none of these. They tell of a contact of the audience and not of anybody's use of the
        # product, and an import of contacts at Mailchimp would make a tracked user of each: exempt, too.
        MessageEventKind("subscribe", "Mailchimp - Subscribed", True, metric=Metric.SUBSCRIBED),
        MessageEventKind("profile", "Mailchimp - Profile Updated", True),
        MessageEventKind("upemail", "Mailchimp - Address Changed", True),
        MessageEventKind("complaint", "Mailchimp - Marked As Spam", True, metric=Metric.COMPLAINED),
    ),
)


@dataclass(frozen=True)
class Campaign:
    """A campaign or automation mail, as the list of reports tells of it. `sent_at` is aware UTC."""

    id: str
    name: str
    list_id: str
    sent_at: datetime

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> Campaign | None:
        """The campaign of one row of `GET /reports`; None while it has no time of sending."""
        sent_at = instant(report.get("send_time"))
        if sent_at is None:
            return None
        name = report.get("campaign_title") or report.get("subject_line") or ""
        return cls(str(report["id"]), str(name), str(report.get("list_id") or ""), sent_at)


def sent_events(campaign: Campaign, row: Row) -> Iterator[MessageEvent]:
    """The events in a row of `sent-to`: sent, and bounced for those whose `status` is hard or soft.

    The report has no time for a person, so both have the campaign's. The activity report tells of the same
    bounce with its own time: it is read first, and the event's id is the same.
    """
    yield from _event(campaign, row, "sent", campaign.sent_at)
    if row.get("status") in ("hard", "soft"):
        yield from _event(campaign, row, "bounce", campaign.sent_at, bounce_type=row["status"])


def activity_events(campaign: Campaign, row: Row) -> Iterator[MessageEvent]:
    """The opens, clicks and bounces in a row of `email-activity`, which is one recipient."""
    for activity in row.get("activity") or ():
        at = instant(activity.get("timestamp"))
        if at is None:
            continue
        match activity.get("action"):
            case "open":
                yield from _event(campaign, row, "open", at, at.isoformat())
            case "click":
                url = str(activity.get("url") or "")
                yield from _event(campaign, row, "click", at, at.isoformat(), url, url=url)
            case "bounce":
                yield from _event(campaign, row, "bounce", at, bounce_type=activity.get("type"))


def unsubscribe_events(campaign: Campaign, row: Row) -> Iterator[MessageEvent]:
    """The event in a row of `unsubscribed`."""
    at = instant(row.get("timestamp"))
    if at is not None:
        yield from _event(campaign, row, "unsubscribe", at, reason=row.get("reason"))


_NATURAL_KEY = {"unsubscribe": "unsub"}
"""The first part of an event's natural key, where it is not the kind."""


def event_id(kind: str, *key: str) -> str:
    """The id of an event, of its natural key: the campaign (or audience), the recipient, and what tells it from others.

    Whoever tells of an event, a report or a webhook, makes its id of the same parts.
    """
    return _md5("|".join((_NATURAL_KEY.get(kind, kind), *key)))


def recipient_id(address: str) -> str:
    """Mailchimp's `email_id` of an address, which its webhooks do not tell: MD5 of it in lower case."""
    return _md5(address.strip().lower())


def _event(
    campaign: Campaign, row: Row, kind: str, at: datetime, *key: str, **properties: Any
) -> Iterator[MessageEvent]:
    address = str(row.get("email_address") or "").strip().lower()
    if not address:  # somebody who was deleted for good is left in the reports without an address
        return
    recipient = str(row.get("email_id") or recipient_id(address))
    about = {
        "list_id": campaign.list_id,
        "$email": address,
        **properties,
    }
    yield MessageEvent(
        kind=kind,
        id=event_id(kind, campaign.id, recipient, *key),
        match=("$email", address),
        time=at,
        properties={name: value for name, value in about.items() if value not in (None, "")},
        origin=Origin(campaign.id, campaign.name),
        message=f"{campaign.id}:{recipient}",
    )


def instant(text: Any) -> datetime | None:
    """A time of Mailchimp's as aware UTC; one without a zone is UTC. None when there is none."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        log.warning("Mailchimp told a time that cannot be read and its event is left out: %r", text)
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
