"""The partner's side of the demo, seen through the admin door of its sandbox and never through the hub."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hub.demo.shop import Subscriber
from hub.testing.sandbox import Running

ASKED_AT_ONCE = 5_000


@dataclass(frozen=True)
class Contacts:
    """What the partner holds: how many contacts, and how many of them unsubscribed."""

    all: int
    unsubscribed: int


@dataclass(frozen=True)
class Asked:
    """What the partner was asked in a while: requests, those that write, and the members that those name.

    `members` are addresses to put in, and addresses to take out with a `-` in front.
    """

    requests: int
    writes: int
    members: tuple[str, ...]


class PartnerSide:
    """One sandbox, looked at and acted on as its owner would in a browser."""

    def __init__(self, running: Running) -> None:
        self._admin = running.admin
        self._seen = 0

    def put_contacts(self, subscribers: Iterable[Subscriber]) -> None:
        """Make the shop's newsletter list the partner's audience, those who unsubscribed as such."""
        status = {True: "subscribed", False: "unsubscribed"}
        contacts = [{"email": each.email, "status": status[each.subscribed]} for each in subscribers]
        for first in range(0, len(contacts), ASKED_AT_ONCE):
            self._admin.post("/contacts", {"contacts": contacts[first : first + ASKED_AT_ONCE]})

    def contacts(self) -> Contacts:
        """Count the contacts."""
        by_status: dict[str, int] = self._admin.state()["partner"]["contacts_by_status"]
        return Contacts(sum(by_status.values()), by_status.get("unsubscribed", 0))

    def tagged(self, tag: str, status: str | None = None) -> set[str]:
        """The addresses that have a tag, all or those of one status."""
        asked = {"status": status} if status else {}
        return set(self._admin.get(f"/tags/{tag}/members", **asked)["emails"])

    def asked(self) -> Asked:
        """What was asked since the last time."""
        requests: list[dict[str, Any]] = []
        while page := self._admin.requests(since=self._seen, keys=True):
            self._seen = page[-1]["seq"]
            requests += page
        writes = [each for each in requests if each["writing"]]
        members = tuple(key for each in writes for key in each["keys"] or ())
        return Asked(len(requests), len(writes), members)

    def send_campaign(self, tag: str, sent_at: datetime, *, within: timedelta) -> dict[str, int]:
        """Send a mail to everybody subscribed with a tag; people open it at some time `within` after that.

        Returns how many mails, opens, clicks, bounces and so on came of it, by Mailchimp's own names.
        """
        order = {
            "tag": tag,
            "title": "We miss you",
            "subject": "We miss you: ten per cent off until Sunday",
            "send_time": sent_at.isoformat(),
            "spread_seconds": int(within.total_seconds()),
            "seed": 20,
        }
        counts: dict[str, int] = self._admin.post("/campaigns", order)
        return counts
