"""A campaign's reports: where their rows are, how many fit a page, what they tell, and which were there at a time.

Source: https://mailchimp.com/developer/marketing/api/reports/ and the pages below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hub import MessageEvent, PartnerClient
from hub_mailchimp.events import Campaign, Row, activity_events, instant, sent_events, unsubscribe_events

ACTIVITY, SENT_TO, UNSUBSCRIBED = "email-activity", "sent-to", "unsubscribed"


@dataclass(frozen=True)
class Report:
    """One of a campaign's reports: its rows' key, how many fit a page, and what they tell."""

    name: str
    rows: str
    size: int
    events: Callable[[Campaign, Row], Iterator[MessageEvent]]


REPORTS = {
    report.name: report
    for report in (
        Report(ACTIVITY, "emails", 500, activity_events),  # at 1000 Mailchimp's gateway often gives up
        Report(SENT_TO, "sent_to", 1000, sent_events),
        Report(UNSUBSCRIBED, "unsubscribes", 1000, unsubscribe_events),
    )
}
"""By name. Activity comes first: it has the exact times of bounces."""


async def count(http: PartnerClient, campaign: Campaign, report: str, since: datetime | None = None) -> int:
    """How many rows a report has. Raises NotThere when there is no such campaign any more."""
    params = {"count": 1, "fields": f"{REPORTS[report].rows}.email_id,total_items", **since_params(since)}
    answer = await http.get(report_path(campaign, report), params=params)
    return int(answer["total_items"])


def report_path(campaign: Campaign, report: str) -> str:
    """The path of one of a campaign's reports."""
    return f"/reports/{quote(campaign.id, safe='')}/{report}"


def since_params(since: datetime | None) -> dict[str, str]:
    """The parameter that leaves out what was before; none for all of it."""
    return {"since": since.isoformat(timespec="seconds")} if since else {}


def was_there(report: str, row: Row, began: datetime) -> bool:
    """Whether a row can have been there when a reading began; those that came in since stand for none."""
    if report == ACTIVITY:
        done = row.get("activity") or ()
        return not done or any(is_before(each.get("timestamp"), began) for each in done)
    return report != UNSUBSCRIBED or is_before(row.get("timestamp"), began)


def is_before(told: Any, at: datetime) -> bool:
    """Whether a time of Mailchimp's is before `at`. They have no fraction: one in this very second may be later."""
    time = instant(told)
    return time is None or time < at.replace(microsecond=0)
