"""Polling Mailchimp's reports, the only source of sends, opens, clicks and bounces.

Every page goes out with the cursor as it was before its campaign was begun; a campaign's own mark moves only when
all of its reports were read. Whoever is stopped in between, or loses a page, reads that campaign again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hub import BatchRefused, Cursor, MessageEvent, PartnerClient, PartnerError, PartnerUnavailable
from hub.clock import now as clock_now
from hub_mailchimp.events import Campaign
from hub_mailchimp.following import Followed, Following
from hub_mailchimp.long_reports import GIVEN_UP, LONG, LongReading, Ordered, Patience, StillWorking, order
from hub_mailchimp.paging import Reading
from hub_mailchimp.refusals import NotThere
from hub_mailchimp.report_kinds import (
    ACTIVITY,
    REPORTS,
    SENT_TO,
    UNSUBSCRIBED,
    count,
    is_before,
    report_path,
    since_params,
    was_there,
)

_REPORT_FIELDS = "id,campaign_title,subject_line,list_id,send_time"


async def pull(
    http: PartnerClient,
    cursor: Cursor,
    *,
    audience: str = "",
    now: Callable[[], datetime] = clock_now,
    long: int = LONG,
    patience: Patience | None = None,
) -> AsyncIterator[tuple[Sequence[MessageEvent], Cursor]]:
    """Message events since `cursor`, page by page, each with the cursor to go on from.

    With `audience`, only campaigns to that Mailchimp audience are read. `now` gives aware UTC. A campaign with more
    than `long` rows to be read is read through batches, for which this pull waits as long as its `patience` says.
    When the reports of one campaign cannot be had, the others are read all the same, and the error is raised at
    the end. Raises the errors of `hub.errors` below PartnerError.
    """
    following, campaigns = await _list(http, Following.of(cursor), audience, now())
    yield [], following.cursor
    patience = patience or Patience()
    failure: PartnerError | None = None
    for name in following.due(now()):
        if name not in campaigns:  # the list moved under us and lacks it; the next one has it
            continue
        reading: CampaignReading | LongReading | None = None
        try:
            reading = await _begun(http, campaigns[name], following, now(), long=long, patience=patience)
            following = following.ordering(name, reading.ordered)
            yield [], following.cursor
            async for events in reading.pages():
                following = following.ordering(name, reading.ordered)
                yield events, following.cursor
        except NotThere:
            following = following.without(name)
        except StillWorking:
            continue
        except (PartnerUnavailable, BatchRefused) as error:
            failure = failure or error
            following = following.ordering(name, reading.ordered if reading else None)
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
        was_there=lambda row: is_before(row.get("send_time"), at),
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


async def _begun(
    http: PartnerClient, campaign: Campaign, following: Following, at: datetime, *, long: int, patience: Patience
) -> CampaignReading | LongReading:
    """The reading of a campaign: that which was ordered before, a new order for a long one, or page by page."""
    followed, ordered = following.campaigns[campaign.id], following.ordered.get(campaign.id)
    if ordered and at - ordered.began < GIVEN_UP:
        return LongReading(http, campaign, ordered, patience)
    # the whole list of recipients is only read when it grew: it has no "since", and may have millions of rows
    recipients = await count(http, campaign, SENT_TO)
    if recipients > long:
        grew = recipients != followed.recipients
        active = await count(http, campaign, ACTIVITY, followed.since)
        if active + recipients * grew > long:
            made = await order(
                http, campaign, began=at, since=followed.since, recipients=recipients, sent=grew, active=active
            )
            return LongReading(http, campaign, made, patience)
    return CampaignReading(http, campaign, followed, at, recipients)


@dataclass
class CampaignReading:
    """One reading of one campaign's three reports. `settled` and `recipients` are right when `pages` is at its end.

    `began` is the time of the clock before the first request.
    """

    http: PartnerClient
    campaign: Campaign
    followed: Followed
    began: datetime
    recipients: int
    settled: bool = True
    ordered: Ordered | None = None

    async def pages(self) -> AsyncIterator[list[MessageEvent]]:
        """The events, page by page. Activity comes first: it has the exact times of bounces."""
        async for events in self._events(ACTIVITY, self._report(ACTIVITY, since_params(self.followed.since))):
            yield events
        if self.recipients != self.followed.recipients:
            sent_to = self._report(SENT_TO)
            async for events in self._events(SENT_TO, sent_to):
                yield events
            self.recipients = sent_to.total
        async for events in self._events(UNSUBSCRIBED, self._report(UNSUBSCRIBED)):
            yield events

    async def _events(self, report: str, reading: Reading) -> AsyncIterator[list[MessageEvent]]:
        async for rows in reading.pages():
            yield [event for row in rows for event in REPORTS[report].events(self.campaign, row)]
        self.settled = self.settled and reading.settled

    def _report(self, report: str, params: Mapping[str, str] | None = None) -> Reading:
        return Reading(
            self.http,
            report_path(self.campaign, report),
            REPORTS[report].rows,
            identity="email_id",
            params=params or {},
            size=REPORTS[report].size,
            was_there=lambda row: was_there(report, row, self.began),
        )
