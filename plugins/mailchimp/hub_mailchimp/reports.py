"""Polling Mailchimp's reports, the only source of sends, opens, clicks and bounces.

Every page goes out with the cursor as it was before its campaign was begun; a campaign's own mark moves only when
all of its reports were read. Whoever is stopped in between, or loses a page, reads that campaign again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from hub import BatchRefused, Cursor, MessageEvent, PartnerClient, PartnerError, PartnerUnavailable
from hub.clock import now as clock_now
from hub_mailchimp.events import (
    Campaign,
    Row,
    activity_events,
    instant,
    sent_events,
    unsubscribe_events,
)
from hub_mailchimp.following import Followed, Following
from hub_mailchimp.paging import LARGEST_PAGE, Reading
from hub_mailchimp.refusals import NotThere

ACTIVITY_PAGE = 500
"""Rows of `email-activity` in a page: at 1000 Mailchimp's gateway often gives up."""

_REPORT_FIELDS = "id,campaign_title,subject_line,list_id,send_time"


async def pull(
    http: PartnerClient,
    cursor: Cursor,
    *,
    audience: str = "",
    now: Callable[[], datetime] = clock_now,
) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
    """Message events since `cursor`, page by page, each with the cursor to go on from.

    With `audience`, only campaigns to that Mailchimp audience are read. `now` gives aware UTC.
    When the reports of one campaign cannot be had, the others are read all the same, and the error is raised at
    the end. Raises the errors of `hub.errors` below PartnerError.
    """
    following, campaigns = await _list(http, Following.of(cursor), audience, now())
    yield [], following.cursor
    failure: PartnerError | None = None
    for name in following.due(now()):
        if name not in campaigns:  # the list moved under us and lacks it; the next one has it
            continue
        reading = CampaignReading(http, campaigns[name], following.campaigns[name], began=now())
        try:
            async for events in reading.pages():
                yield events, following.cursor
        except NotThere:
            following = following.without(name)
        except (PartnerUnavailable, BatchRefused) as error:
            failure = failure or error
            continue
        else:
            following = following.read(name, reading.began, reading.recipients, settled=reading.settled)
        yield [], following.cursor
    if failure:
        raise failure


async def _list(
    http: PartnerClient, following: Following, audience: str, at: datetime
) -> tuple[Following, dict[str, Campaign]]:
    # /reports rather than /campaigns, because only it has the mails of automations as well
    reading = Reading(
        http,
        "/reports",
        "reports",
        identity="id",
        was_there=_dated_before(at, "send_time"),
        params={
            "since_send_time": following.window(at).isoformat(timespec="seconds"),
            "fields": ",".join(f"reports.{name}" for name in _REPORT_FIELDS.split(",")) + ",total_items",
        },
    )
    found: dict[str, Campaign] = {}
    async for rows in reading.pages():
        told = [campaign for row in rows if (campaign := Campaign.of(row))]
        found |= {campaign.id: campaign for campaign in told if audience in ("", campaign.list_id)}
    return following.listed(found.values(), at, settled=reading.settled), found


@dataclass
class CampaignReading:
    """One reading of one campaign's three reports. `settled` and `recipients` are right when `pages` is at its end.

    `began` is the time of the clock before the first request.
    """

    http: PartnerClient
    campaign: Campaign
    followed: Followed
    began: datetime
    settled: bool = True
    recipients: int = -1

    async def pages(self) -> AsyncIterator[list[MessageEvent]]:
        """The events, page by page. Activity comes first: it has the exact times of bounces."""
        async for events in self._events(self._activity(), activity_events):
            yield events
        self.recipients = await self._recipients()
        if self.recipients != self.followed.recipients:
            sent_to = self._report("sent-to", "sent_to")
            async for events in self._events(sent_to, sent_events):
                yield events
            self.recipients = sent_to.total
        unsubscribed = self._report("unsubscribed", "unsubscribes", was_there=_dated_before(self.began, "timestamp"))
        async for events in self._events(unsubscribed, unsubscribe_events):
            yield events

    async def _events(
        self, reading: Reading, events_of: Callable[[Campaign, Row], Iterator[MessageEvent]]
    ) -> AsyncIterator[list[MessageEvent]]:
        async for rows in reading.pages():
            yield [event for row in rows for event in events_of(self.campaign, row)]
        self.settled = self.settled and reading.settled

    def _activity(self) -> Reading:
        since = self.followed.since
        params = {"since": since.isoformat(timespec="seconds")} if since else {}
        return self._report(
            "email-activity",
            "emails",
            params=params,
            size=ACTIVITY_PAGE,
            was_there=lambda row: _was_active_before(self.began, row),
        )

    async def _recipients(self) -> int:
        # the whole list of recipients is only read when it grew: it has no "since", and may have millions of rows
        answer = await self.http.get(
            self._path("sent-to"), params={"count": 1, "fields": "sent_to.email_id,total_items"}
        )
        return int(answer["total_items"])

    def _report(self, report: str, key: str, *, size: int = LARGEST_PAGE, **more: Any) -> Reading:
        return Reading(self.http, self._path(report), key, identity="email_id", size=size, **more)

    def _path(self, report: str) -> str:
        return f"/reports/{quote(self.campaign.id, safe='')}/{report}"


def _dated_before(at: datetime, name: str) -> Callable[[Row], bool]:
    return lambda row: _is_before(row.get(name), at)


def _was_active_before(at: datetime, row: Row) -> bool:
    activities = row.get("activity") or ()
    return not activities or any(_is_before(activity.get("timestamp"), at) for activity in activities)


def _is_before(told: Any, at: datetime) -> bool:
    time = instant(told)
    # Mailchimp's times have no fraction: one in this very second may be later than `at`
    return time is None or time < at.replace(microsecond=0)
