"""A campaign sent by chance: who opens, clicks, bounces and unsubscribes, the same for the same seed.

Each recipient's fate comes from a digest of the seed and the address, not from the order of the recipients.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub_mailchimp.sandbox.account import FIRST_LIST, Account, iso
from hub_mailchimp.sandbox.contacts import Contact, contact_of

LINKS = ("https://shop.example.com/sale", "https://shop.example.com/new", "https://shop.example.com/account")
BETWEEN_OPENS = 3_600
BETWEEN_CLICKS = 30


class Rates(BaseModel):
    """Chances from 0 to 1. `bounce` and `soft_bounce` are of all recipients, the rest of those who got the mail."""

    model_config = ConfigDict(extra="forbid")

    open: float = Field(0.4, ge=0, le=1)
    click: float = Field(0.1, ge=0, le=1)
    bounce: float = Field(0.02, ge=0, le=1)
    soft_bounce: float = Field(0.0, ge=0, le=1)
    unsubscribe: float = Field(0.01, ge=0, le=1)


class CampaignOrder(BaseModel):
    """What `POST /_sandbox/campaigns` takes."""

    model_config = ConfigDict(extra="forbid")

    list_id: str = FIRST_LIST
    segment_id: int | None = None
    tag: str | None = None
    subject: str = "News"
    title: str = "News"
    type: Literal["regular", "plaintext", "absplit", "rss", "variate", "automation"] = "regular"
    send_time: AwareDatetime
    """ISO 8601 with a zone. Choose the past: what people do is spread over `spread_seconds` after it."""
    spread_seconds: int = Field(172_800, ge=1)
    seed: int = 0
    rates: Rates = Field(default_factory=lambda: Rates.model_validate({}))


@dataclass(frozen=True)
class Fate:
    """What one recipient does. Times are seconds since 1970."""

    status: Literal["sent", "hard", "soft"]
    bounced: int | None
    opens: tuple[int, ...]
    clicks: tuple[tuple[int, str], ...]
    unsubscribed: int | None
    ip: str


def fate(order: CampaignOrder, subscriber: str) -> Fate:
    """What the recipient with this subscriber hash does. A pure function of the order and the hash."""
    dice = _dice(order.seed, subscriber)
    sent, rates = int(order.send_time.timestamp()), order.rates
    ip = f"198.51.100.{int(dice[7] * 254) + 1}"
    if dice[0] < rates.bounce + rates.soft_bounce:
        kind: Literal["hard", "soft"] = "hard" if dice[0] < rates.bounce else "soft"
        return Fate(kind, sent + 1 + int(dice[3] * 60), (), (), None, ip)
    first = sent + 60 + int(dice[3] * order.spread_seconds)
    opens = clicks = 0
    if dice[1] < rates.open:
        opens = 1 + int(dice[2] * 3)
    if dice[1] < rates.click:
        clicks = 1 + int(dice[4] * 2)
    leaves = sent + 120 + int(dice[6] * order.spread_seconds) if dice[5] < rates.unsubscribe else None
    return Fate(
        "sent",
        None,
        tuple(first + BETWEEN_OPENS * time for time in range(opens)),
        tuple(
            (first + BETWEEN_CLICKS * (time + 1), LINKS[(int(dice[4] * 1000) + time) % len(LINKS)])
            for time in range(clicks)
        ),
        leaves,
        ip,
    )


def _dice(seed: int, subscriber: str) -> list[float]:
    digest = hashlib.blake2b(f"{seed}:{subscriber}".encode(), digest_size=32).digest()
    return [number / 2**32 for number in struct.unpack("<8I", digest)]


def send(account: Account, order: CampaignOrder, recipients: list[Contact]) -> dict[str, Any]:
    """Send to `recipients` within the caller's transaction; the counts of what came of it, and the campaign's id.

    Hard bounces are cleaned and those who unsubscribe are unsubscribed at once.
    """
    fates = [fate(order, contact.hash) for contact in recipients]
    counts = _counts(fates)
    campaign_id = _campaign_id(account, order)
    sent = int(order.send_time.timestamp())
    account.db.execute(
        "INSERT INTO campaigns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            campaign_id,
            order.list_id,
            order.segment_id,
            order.type,
            order.subject,
            order.title,
            sent - 3_600,
            sent,
            *counts.values(),
        ),
    )
    _keep(account, campaign_id, recipients, fates)
    return {"id": campaign_id, "send_time": iso(sent), **counts}


def subscribed(account: Account, order: CampaignOrder) -> list[Contact]:
    """The contacts that the order goes to: subscribed, in its tag or on its list."""
    if order.segment_id is None:
        rows = account.db.execute(
            "SELECT * FROM contacts WHERE list_id = ? AND status = 'subscribed' AND archived = 0 ORDER BY id",
            (order.list_id,),
        )
    else:
        rows = account.db.execute(
            "SELECT c.* FROM segment_members m JOIN contacts c ON c.id = m.contact_id"
            " WHERE m.segment_id = ? AND c.status = 'subscribed' AND c.archived = 0 ORDER BY m.contact_id",
            (order.segment_id,),
        )
    return [contact_of(row) for row in rows]


def _counts(fates: list[Fate]) -> dict[str, int]:
    """Counts in the order of the columns of `campaigns`."""

    def how_many(of: Callable[[Fate], int | bool]) -> int:
        return sum(of(each) for each in fates)

    return {
        "emails_sent": len(fates),
        "opens": how_many(lambda each: len(each.opens)),
        "unique_opens": how_many(lambda each: bool(each.opens)),
        "clicks": how_many(lambda each: len(each.clicks)),
        "unique_clicks": how_many(lambda each: bool(each.clicks)),
        "hard_bounces": how_many(lambda each: each.status == "hard"),
        "soft_bounces": how_many(lambda each: each.status == "soft"),
        "unsubscribed": how_many(lambda each: each.unsubscribed is not None),
    }


def _campaign_id(account: Account, order: CampaignOrder) -> str:
    earlier = account.db.execute("SELECT count(*) FROM campaigns").fetchone()[0]
    name = f"{earlier}:{order.list_id}:{order.seed}:{order.title}:{order.send_time.isoformat()}"
    return hashlib.blake2b(name.encode(), digest_size=5).hexdigest()


def _keep(account: Account, campaign_id: str, recipients: list[Contact], fates: list[Fate]) -> None:
    db, both = account.db, list(enumerate(zip(recipients, fates, strict=True)))
    db.executemany(
        "INSERT INTO recipients VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                campaign_id,
                n,
                who.hash,
                who.email,
                who.merge,
                its.status,
                len(its.opens),
                its.opens[-1] if its.opens else None,
            )
            for n, (who, its) in both
        ],
    )
    db.executemany(
        "INSERT INTO activity VALUES (?, ?, ?, ?, ?, ?)",
        [(campaign_id, n, *action, its.ip) for n, (_, its) in both for action in _actions(its)],
    )
    leaving = [(who, its.unsubscribed) for _, (who, its) in both if its.unsubscribed is not None]
    db.executemany(
        "INSERT INTO unsubscribes VALUES (?, ?, ?, ?, ?)",
        [(campaign_id, k, who.hash, who.email, at) for k, (who, at) in enumerate(leaving)],
    )
    change = "UPDATE contacts SET status = ?, changed = ? WHERE id = ?"
    db.executemany(change, [("unsubscribed", at, who.id) for who, at in leaving])
    db.executemany(change, [("cleaned", its.bounced, who.id) for _, (who, its) in both if its.status == "hard"])


def _actions(its: Fate) -> list[tuple[int, str, str]]:
    """Time, action and detail (the URL of a click, the kind of a bounce)."""
    return [
        *((at, "open", "") for at in its.opens),
        *((at, "click", url) for at, url in its.clicks),
        *([(its.bounced, "bounce", its.status)] if its.bounced is not None else []),
    ]
