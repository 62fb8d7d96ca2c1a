"""What webhooks tell: the form of a delivery, and a queue of deliveries that each is sent from later."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from hub_mailchimp.sandbox.account import now
from hub_mailchimp.sandbox.contacts import Contact, contact_of, outline
from hub_mailchimp.sandbox.merge_fields import fields_of, shown_values


@dataclass(frozen=True)
class Happening:
    """Something that a webhook tells; `at` in seconds since 1970."""

    type: str
    data: Mapping[str, Any]
    at: int

    @property
    def body(self) -> bytes:
        """The body of the delivery: a form with bracketed keys, times in UTC without a zone."""
        fired = datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return urlencode([("type", self.type), ("fired_at", fired), *_flat("data", self.data)]).encode()


def happening(db: sqlite3.Connection, kind: str, contact: Contact, *, at: int | None = None, **more: str) -> Happening:
    """What a webhook of type `kind` tells of a contact; `more` is data on top, such as `reason` and `campaign_id`."""
    return Happening(kind, {**_data(db, kind, contact, more), **more}, now() if at is None else at)


def queue(db: sqlite3.Connection, list_id: str, told: Happening, *, source: str) -> int:
    """Put a delivery into the queue of each webhook of the audience that wants it. Returns how many."""
    wanting = [
        row["id"]
        for row in db.execute("SELECT * FROM webhooks WHERE list_id = ? AND disabled = 0", (list_id,))
        if orjson.loads(row["events"]).get(told.type) and orjson.loads(row["sources"]).get(source)
    ]
    db.executemany(
        "INSERT INTO deliveries (webhook_id, type, body, next_at) VALUES (?, ?, ?, ?)",
        [(webhook_id, told.type, told.body, now()) for webhook_id in wanting],
    )
    return len(wanting)


def queue_campaign(db: sqlite3.Connection, list_id: str, campaign_id: str) -> None:
    """What a campaign that was sent brings about: who unsubscribed, who was cleaned, and that it was sent."""
    if db.execute("SELECT 1 FROM webhooks WHERE list_id = ?", (list_id,)).fetchone() is None:
        return
    row = db.execute("SELECT * FROM campaigns WHERE id = ?", (campaign_id,)).fetchone()
    data = {"id": campaign_id, "list_id": list_id, "subject": row["subject"], "status": "sent", "reason": ""}
    queue(db, list_id, Happening("campaign", data, row["send_time"]), source="admin")
    leaving = (
        "SELECT c.*, u.at FROM unsubscribes u JOIN contacts c ON c.hash = u.hash AND c.list_id = ?"
        " WHERE u.campaign_id = ?"
    )
    for found in db.execute(leaving, (list_id, campaign_id)).fetchall():
        told = happening(db, "unsubscribe", contact_of(found[:-1]), at=found["at"], campaign_id=campaign_id)
        queue(db, list_id, told, source="user")
    bounced = (
        "SELECT c.*, min(a.at) AS at FROM recipients r JOIN activity a ON a.campaign_id = r.campaign_id AND a.n = r.n"
        " JOIN contacts c ON c.hash = r.hash AND c.list_id = ?"
        " WHERE r.campaign_id = ? AND r.status = 'hard' AND a.action = 'bounce' GROUP BY c.id"
    )
    for found in db.execute(bounced, (list_id, campaign_id)).fetchall():
        told = happening(db, "cleaned", contact_of(found[:-1]), at=found["at"], campaign_id=campaign_id, reason="hard")
        queue(db, list_id, told, source="admin")


def _data(db: sqlite3.Connection, kind: str, contact: Contact, more: Mapping[str, str]) -> dict[str, Any]:
    id_there = outline(contact)["unique_email_id"]
    if kind == "upemail":
        return {"list_id": contact.list_id, "new_id": id_there, "new_email": contact.email, "old_email": contact.email}
    if kind == "cleaned":
        return {"list_id": contact.list_id, "campaign_id": "", "reason": "hard", "email": contact.email}
    merges = {"EMAIL": contact.email, **shown_values(contact.values(), fields_of(db, contact.list_id))}
    about = {
        "id": id_there,
        "web_id": str(contact.id),
        "list_id": contact.list_id,
        "email": contact.email,
        "email_type": contact.email_type,
        "ip_signup": "203.0.113.9",
        "merges": merges,
    }
    return {"action": "unsub", "reason": "manual", **about} if kind == "unsubscribe" else about


def _flat(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}[{key}]", inner)
    else:
        yield name, str(value)
