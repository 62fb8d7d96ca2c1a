"""Which campaigns' reports are read, how often, and up to where: the cursor of the polling.

Rules (reference: Mailchimp's reports go on changing for weeks after a campaign is sent): every 15 minutes for 48
hours after it was sent, hourly to the seventh day, daily to the thirtieth, once more after that, then never.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hub import Cursor
from hub_mailchimp.events import Campaign, instant
from hub_mailchimp.long_reports import Ordered

OVERLAP = timedelta(hours=1)
"""How far behind the last reading the next one begins: reports lag, and clocks differ."""

CADENCE = (
    (timedelta(hours=48), timedelta(minutes=15)),
    (timedelta(days=7), timedelta(hours=1)),
    (timedelta(days=30), timedelta(days=1)),
)
"""(age of the campaign, how often it is read up to that age)."""

END = CADENCE[-1][0]
_PUNCTUALITY = timedelta(minutes=1)  # a poll that comes a second early still counts as the quarter hour's


@dataclass(frozen=True)
class Followed:
    """One campaign: when it was sent, when the last whole reading of it began, and how many recipients it found."""

    sent_at: datetime
    read_at: datetime | None = None
    recipients: int = -1

    @property
    def is_over(self) -> bool:
        """Whether it was read after its last day."""
        return self.read_at is not None and self.read_at >= self.sent_at + END

    @property
    def since(self) -> datetime | None:
        """From when on activity has to be read; None means all of it."""
        return None if self.read_at is None else self.read_at - OVERLAP

    def is_due(self, at: datetime) -> bool:
        """Whether it has to be read at `at`."""
        if self.read_at is None:
            return True
        age = at - self.sent_at
        every = next((every for until, every in CADENCE if age < until), timedelta(0))
        return at - self.read_at >= every - _PUNCTUALITY


@dataclass(frozen=True)
class Following:
    """Every campaign that is still followed. Its size is that of a month's campaigns, whatever they were sent to.

    `listed_at` is when the last whole list of campaigns was asked for; `ordered` are readings that Mailchimp works on.
    """

    listed_at: datetime | None = None
    campaigns: dict[str, Followed] = field(default_factory=dict)
    ordered: dict[str, Ordered] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: Cursor) -> Following:
        """Read a cursor; an empty one means that nothing was read before."""
        return cls(
            instant(cursor.get("listed_at")),
            {
                name: Followed(_known(sent_at), instant(read_at), int(recipients))
                for name, (sent_at, read_at, recipients) in cursor.get("campaigns", {}).items()
            },
            {name: Ordered.of(told) for name, told in cursor.get("ordered", {}).items()},
        )

    @property
    def cursor(self) -> Cursor:
        """The same as JSON."""
        return {
            "listed_at": _text(self.listed_at),
            "campaigns": {
                name: [_text(one.sent_at), _text(one.read_at), one.recipients] for name, one in self.campaigns.items()
            },
            **({"ordered": {name: each.json for name, each in self.ordered.items()}} if self.ordered else {}),
        }

    def window(self, at: datetime) -> datetime:
        """From which time of sending on campaigns have to be listed: those that are followed, and new ones."""
        return min([self._new_from(at), *(one.sent_at for one in self.campaigns.values())]) - OVERLAP

    def listed(self, found: Iterable[Campaign], at: datetime, *, settled: bool) -> Following:
        """After a list that was asked for at `at`. Only a settled one may tell that a campaign is gone."""
        new_from = self._new_from(at)
        campaigns = {} if settled else dict(self.campaigns)
        for campaign in found:
            known = self.campaigns.get(campaign.id)
            if known:  # an automation mail is sent again and again: its time moves on
                campaigns[campaign.id] = replace(known, sent_at=campaign.sent_at)
            elif campaign.sent_at >= new_from:
                campaigns[campaign.id] = Followed(campaign.sent_at)
        ordered = {name: each for name, each in self.ordered.items() if name in campaigns}
        return Following(at if settled else self.listed_at, campaigns, ordered)

    def due(self, at: datetime) -> list[str]:
        """Whose reports have to be read now; who waited longest comes first."""
        due = [name for name, one in self.campaigns.items() if one.is_due(at)]
        return sorted(due, key=lambda name: _text(self.campaigns[name].read_at) or "")

    def ordering(self, name: str, ordered: Ordered | None) -> Following:
        """After a reading of a campaign was handed in to Mailchimp, or (None) need not be waited for."""
        if self.ordered.get(name) == ordered:
            return self
        others = {key: each for key, each in self.ordered.items() if key != name}
        return replace(self, ordered={**others, **({name: ordered} if ordered else {})})

    def read(self, name: str, began: datetime, recipients: int, *, settled: bool) -> Following:
        """After the reports of a campaign were read to their end, beginning at `began`.

        If rows may have been missed (not `settled`), it stays as it was, to be read again from the same time on.
        """
        done = self.ordering(name, None)
        if not settled:
            return done
        one = replace(self.campaigns[name], read_at=began, recipients=recipients)
        return done.without(name) if one.is_over else replace(done, campaigns={**self.campaigns, name: one})

    def without(self, name: str) -> Following:
        """After a campaign was deleted, or is over."""
        campaigns = {key: one for key, one in self.campaigns.items() if key != name}
        return replace(self.ordering(name, None), campaigns=campaigns)

    def _new_from(self, at: datetime) -> datetime:
        # whoever was away for longer than a month still reads what was sent meanwhile
        return min(at - END, (self.listed_at or at) - OVERLAP)


def _known(text: str) -> datetime:
    at = instant(text)
    if at is None:
        raise ValueError(f"the cursor holds no time but {text!r}")
    return at


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
