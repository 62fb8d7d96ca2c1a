"""Reports of long campaigns, read through Mailchimp's batches: no connection is held while Mailchimp works.

What was ordered is in the cursor before anybody waits for it. Whoever is killed, or does not want to wait any longer,
leaves it there; the next pull goes on with it. The campaign's mark moves only when every page was answered and read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from hub import BatchRefused, MessageEvent, PartnerClient, PartnerUnavailable
from hub_mailchimp.batches import FIRST_WAIT, LONGEST_WAIT, Answer, Get, answers, archive_of, submit
from hub_mailchimp.events import Campaign, Row, instant
from hub_mailchimp.refusals import NotThere
from hub_mailchimp.report_kinds import (
    ACTIVITY,
    REPORTS,
    SENT_TO,
    UNSUBSCRIBED,
    count,
    report_path,
    since_params,
    was_there,
)

LONG = 20_000
"""Rows of a campaign's reports, from which on they are read through batches."""
PATIENCE = 600.0
"""Seconds that one pull waits for batches, all together."""
GIVEN_UP = timedelta(days=1)
"""How long after it was ordered a reading is ordered anew: Mailchimp has forgotten it."""

_TRIES = 3
_MISSING = 404
_MAY_PASS = {403, 408, 429}  # a bare 403 is Mailchimp under load


@dataclass(frozen=True)
class Part:
    """One report of an ordered reading: how many rows it had then, and the batches that were asked for them."""

    report: str
    total: int
    batches: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ordered:
    """A reading of a campaign's reports that was handed in. `began` is the clock's time before the first request."""

    began: datetime
    since: datetime | None
    recipients: int
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, told: Any) -> Ordered:
        """Read what `json` wrote."""
        began, since, recipients, parts = told
        return cls(
            datetime.fromisoformat(began),
            instant(since),
            int(recipients),
            tuple(Part(report, int(total), tuple(batches)) for report, total, batches in parts),
        )

    @property
    def json(self) -> list[Any]:
        """For the cursor."""
        parts = [[part.report, part.total, list(part.batches)] for part in self.parts]
        return [self.began.isoformat(), self.since.isoformat() if self.since else None, self.recipients, parts]


@dataclass
class Patience:
    """How long a pull waits for batches; `pause` waits so many seconds."""

    seconds: float = PATIENCE
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _since: float = field(default_factory=monotonic)

    @property
    def is_over(self) -> bool:
        """Whether nobody waits any longer."""
        return monotonic() - self._since >= self.seconds


class StillWorking(Exception):
    """Mailchimp is not done with a batch, and this pull waits no longer: the next one goes on."""


async def order(
    http: PartnerClient, campaign: Campaign, *, began: datetime, since: datetime | None, recipients: int, sent: bool,
    active: int,
) -> Ordered:  # fmt: skip
    """Hand in the reading of a campaign's reports: its `active` rows of activity, its unsubscribes, and, with `sent`,
    its `recipients`."""
    left = await count(http, campaign, UNSUBSCRIBED)
    parts = [Part(ACTIVITY, active), *([Part(SENT_TO, recipients)] if sent else []), Part(UNSUBSCRIBED, left)]
    ordered = Ordered(began, since, recipients, tuple(parts))
    handed = [
        replace(part, batches=tuple(await submit(http, [*_gets(campaign, ordered, part).values()]))) for part in parts
    ]
    return replace(ordered, parts=tuple(handed))


class LongReading:
    """What Mailchimp made of an ordered reading. `settled` is right when `pages` is at its end.

    `ordered` grows by the batches that repeat what failed.
    """

    def __init__(self, http: PartnerClient, campaign: Campaign, ordered: Ordered, patience: Patience) -> None:
        self._http = http
        self._campaign = campaign
        self._patience = patience
        self.ordered: Ordered | None = ordered
        self._order = ordered
        self.began = ordered.began
        self.recipients = ordered.recipients
        self.settled = True

    async def pages(self) -> AsyncIterator[list[MessageEvent]]:
        """The events, file by file, and an empty page after each question, so that whoever has to stop can.

        Raises StillWorking; NotThere when the campaign is gone; PartnerUnavailable and BatchRefused when an answer
        cannot be had.
        """
        for index in range(len(self._order.parts)):
            async for events in self._part(index):
                yield events

    async def _part(self, index: int) -> AsyncIterator[list[MessageEvent]]:
        part = self._order.parts[index]
        seen = _Seen(part, self.began)
        missing, walked = _gets(self._campaign, self._order, part), 0
        for _ in range(_TRIES):
            while walked < len(part.batches):
                seconds = FIRST_WAIT
                while not (url := await self._archive(part.batches[walked])):
                    yield []
                    if self._patience.is_over:
                        raise StillWorking
                    await self._patience.pause(seconds)
                    seconds = min(seconds * 2, LONGEST_WAIT)
                async for found in answers(self._http, url):
                    yield self._events(part, found, missing, seen)
                walked += 1
            if not missing:
                self.settled = self.settled and seen.settled
                return
            again = await submit(self._http, [*missing.values()])
            part = replace(part, batches=(*part.batches, *again))
            parts = (*self._order.parts[:index], part, *self._order.parts[index + 1 :])
            self._order = self.ordered = replace(self._order, parts=parts)
            yield []
        raise PartnerUnavailable(f"Mailchimp failed {len(missing)} requests of its batches again and again.")

    async def _archive(self, batch: str) -> str:
        try:
            return await archive_of(self._http, batch)
        except NotThere as error:
            self.ordered = None
            raise PartnerUnavailable(
                f"Mailchimp does not know the batch {batch} any more.", hint="Its campaign is read anew."
            ) from error

    def _events(self, part: Part, found: Sequence[Answer], missing: dict[str, Get], seen: _Seen) -> list[MessageEvent]:
        report = REPORTS[part.report]
        events: list[MessageEvent] = []
        for answer in found:
            if answer.status == _MISSING:
                raise NotThere(f"The campaign {self._campaign.id} is not there any more.")
            if answer.status < 300 and isinstance(answer.body, dict) and isinstance(answer.body.get(report.rows), list):
                rows = answer.body[report.rows]
                seen.take(rows, int(answer.body.get("total_items", 0)))
                missing.pop(answer.name, None)
                events += [event for row in rows for event in report.events(self._campaign, row)]
            elif 400 <= answer.status < 500 and answer.status not in _MAY_PASS:
                detail = answer.body.get("detail") if isinstance(answer.body, dict) else ""
                raise BatchRefused(f"Mailchimp refused {answer.name} of a batch: {detail or answer.status}")
        return events


class _Seen:
    """Which rows of a report were seen; Mailchimp may move them from page to page meanwhile."""

    def __init__(self, part: Part, began: datetime) -> None:
        self._part, self._began = part, began
        self._before, self._all = set[int](), set[int]()  # hashes of the names: there may be millions
        self._read, self._totals = 0, set[int]()

    def take(self, rows: Sequence[Row], total: int) -> None:
        """A page, and how many rows there are in all."""
        self._totals.add(total)
        self._read += len(rows)
        for row in rows:
            self._all.add(hash(row.get("email_id")))
            if was_there(self._part.report, row, self._began):
                self._before.add(hash(row.get("email_id")))

    @property
    def settled(self) -> bool:
        """Whether no row that was there at the beginning can have been missed."""
        nothing_moved = self._totals <= {self._part.total} and self._read == len(self._all)
        return nothing_moved or len(self._before) >= self._part.total


def _gets(campaign: Campaign, ordered: Ordered, part: Part) -> dict[str, Get]:
    """The requests that a part consists of, by name."""
    report = REPORTS[part.report]
    since = since_params(ordered.since) if part.report == ACTIVITY else {}
    path = report_path(campaign, part.report)
    return {
        name: Get(name, path, {"count": str(report.size), "offset": str(offset), **since})
        for offset in range(0, max(part.total, 1), report.size)
        for name in [f"{part.report}:{offset}"]
    }
