"""Messages that go out to a segment, what becomes of them, and the reporting webhook that tells of it.

What somebody does with a message follows from the seed and the person alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field

from hub_customerio.sandbox.reading import origin_fields
from hub_customerio.sandbox.workspace import Workspace, identifiers, now

Json = dict[str, Any]
Metrics = dict[str, int]

TIMEOUT = 4.0
"""Seconds that Customer.io waits for an answer to a webhook."""
AN_HOUR_FIRST = {400, 401, 402, 403, 404, 405, 410, 429, 500, 502, 521}
"""Answers after which it waits an hour before it tries again. (The sandbox tells them, and waits as it is told to.)"""

_FAILURE = "550 5.1.1 user unknown"


class Order(BaseModel):
    """A message to everybody in a segment who is not suppressed. `rates` are chances; times are seconds."""

    model_config = ConfigDict(extra="forbid")

    segment: str
    type: Literal["email", "push", "sms", "whatsapp", "in_app", "slack", "webhook"] = "email"
    sort: Literal["campaign", "broadcast", "newsletter", "transactional"] = "campaign"
    origin: int = 5
    name: str = "News"
    subject: str = "Hi"
    at: int | None = None
    spread: int = Field(3600, ge=0)
    seed: int = 0
    rates: dict[str, float] = Field(default_factory=lambda: {"opened": 0.5, "clicked": 0.2, "bounced": 0.05})


class Webhook(BaseModel):
    """The reporting webhook: where it sends, whether it tells of every open, and of which events (None: all)."""

    model_config = ConfigDict(extra="forbid")

    url: str
    signing_key: str
    full_resolution: bool = True
    events: list[str] | None = None


class Trip(BaseModel):
    """How hard waiting events are tried: `attempts` for each, `wait` seconds before the second, then twice that."""

    model_config = ConfigDict(extra="forbid")

    attempts: int = Field(5, ge=1)
    wait: float = Field(0.2, ge=0)
    limit: int | None = None
    again: bool = False
    """Send again what was sent already: the same events, which must do no harm."""


def send(workspace: Workspace, order: Order, segment: int) -> Json:
    """Make a delivery for everybody in the segment, and queue the webhook's events. Returns counts by metric."""
    wanted = (workspace.fact("webhook") or {}).get("events")
    at, db = order.at or now() - 3 * order.spread, workspace.db
    db.execute("INSERT OR REPLACE INTO origins VALUES (?, ?, ?, ?)", (order.sort, order.origin, order.name, at))
    workspace.settle()
    people = db.execute(
        "SELECT p.* FROM members m JOIN people p ON p.n = m.person WHERE m.segment = ? AND NOT p.suppressed"
        " AND NOT p.unsubscribed ORDER BY p.n",
        (segment,),
    ).fetchall()
    counts: dict[str, int] = {}
    for person in people:
        dice = random.Random(f"{order.seed}:{order.sort}:{order.origin}:{person['n']}")
        about = f"{order.seed}:{order.sort}:{order.origin}:{person['n']}:{at}"
        delivery = "dgO" + hashlib.blake2b(about.encode(), digest_size=12).hexdigest()
        metrics = _fate(order, at, dice)
        failure = _FAILURE if "bounced" in metrics else None
        row = (delivery, order.type, person["n"], order.sort, order.origin, order.subject, at, failure)
        db.execute(
            "INSERT OR IGNORE INTO deliveries (id, type, person, sort, origin, subject, created, failure, metrics)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, orjson.dumps(metrics).decode()),
        )
        if "unsubscribed" in metrics:
            db.execute("UPDATE people SET unsubscribed = 1 WHERE n = ?", (person["n"],))
        for event in _events(workspace, order, identifiers(person), delivery, metrics, dice):
            if wanted is not None and f"{event['object_type']}_{event['metric']}" not in wanted:
                continue
            db.execute("INSERT INTO outbox (event) VALUES (?)", (orjson.dumps(event).decode(),))
        for metric in metrics:
            counts[metric] = counts.get(metric, 0) + 1
    return {"deliveries": len(people), **counts}


def _fate(order: Order, at: int, dice: random.Random) -> Metrics:
    """When what happened to one delivery; `sent` and `delivered` or `bounced`, then what the person did."""
    metrics = {"created": at, "sent": at + 10}
    if dice.random() < order.rates.get("bounced", 0):
        return {**metrics, "bounced": at + 12}
    if order.type not in ("in_app", "slack", "webhook"):
        metrics["delivered"] = at + 15
    moment = at + 15
    for metric in ("opened", "clicked", "converted", "unsubscribed", "spammed"):
        if dice.random() < order.rates.get(metric, 0) and (metric != "clicked" or "opened" in metrics):
            moment += 1 + dice.randrange(max(1, order.spread))
            metrics[metric] = moment
    return metrics


def _events(
    workspace: Workspace, order: Order, whose: Json, delivery: str, metrics: Metrics, dice: random.Random
) -> Iterator[Json]:
    webhook = workspace.fact("webhook") or {}
    about = {**origin_fields(order.sort, order.origin), "delivery_id": delivery, "customer_id": whose["id"]}
    about |= {"identifiers": whose, "recipient": whose["email"] or whose["id"], "subject": order.subject}
    for metric, at in metrics.items():
        if metric == "created":
            continue
        yield _event(order.type, metric, at, {**about, **_more(order.type, metric, dice)}, dice)
        if metric == "opened" and webhook.get("full_resolution", True) and dice.random() < 0.3:
            yield _event(order.type, metric, at + 60, {**about, **_more(order.type, metric, dice)}, dice)
        if metric == "unsubscribed":
            person = {"customer_id": whose["id"], "email_address": whose["email"], "identifiers": whose}
            yield _event("customer", "unsubscribed", at, person, dice)


def _more(channel: str, metric: str, dice: random.Random) -> Json:
    if metric == "bounced":
        return {"failure_message": _FAILURE}
    if metric == "clicked":
        machine = {"machine": dice.random() < 0.1} if channel == "email" else {}
        return {"href": "https://shop.example.com/sale", "link_id": 1, **machine}
    if metric == "opened" and channel == "email":
        return {"proxied": False, "prefetched": dice.random() < 0.2, "synthetic": False}
    return {}


def _event(object_type: str, metric: str, at: int, data: Json, dice: random.Random) -> Json:
    ulid = "01" + "".join(dice.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=24))
    return {"event_id": ulid, "object_type": object_type, "metric": metric, "timestamp": at, "data": data}


async def deliver(workspace: Workspace, trip: Trip) -> Json:
    """Send what waits to the webhook, one event a POST, in order: behind one that fails the others wait."""
    webhook = Webhook.model_validate(workspace.fact("webhook"))
    state = "'waiting', 'sent'" if trip.again else "'waiting'"
    rows = workspace.db.execute(
        f"SELECT * FROM outbox WHERE state IN ({state}) ORDER BY seq LIMIT ?", (trip.limit or -1,)
    ).fetchall()
    sent, attempts, answers = 0, 0, dict[str, int]()
    async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
        for row in rows:
            for number in range(trip.attempts):
                if number:
                    await asyncio.sleep(trip.wait * 2 ** (number - 1))
                answer = await _post(http, workspace, webhook, row)
                attempts, answers = attempts + 1, {**answers, answer: answers.get(answer, 0) + 1}
                if answer.startswith("2"):
                    break
            else:
                break
            sent += 1
    waiting = workspace.db.execute("SELECT count(*) FROM outbox WHERE state = 'waiting'").fetchone()[0]
    waits = sorted(answer for answer in answers if answer.isdigit() and int(answer) in AN_HOUR_FIRST)
    return {"sent": sent, "attempts": attempts, "waiting": waiting, "answers": answers, "would_wait_an_hour": waits}


async def _post(http: httpx.AsyncClient, workspace: Workspace, webhook: Webhook, row: Any) -> str:
    """One attempt. The time of the first one is what is signed, also later: the receiver has to allow for that."""
    body, signed = row["event"].encode(), row["signed"] or now()
    given = hmac.new(webhook.signing_key.encode(), f"v0:{signed}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "X-CIO-Timestamp": str(signed), "X-CIO-Signature": given}
    try:
        response = await http.post(webhook.url, content=body, headers=headers)
        answer, state = str(response.status_code), "sent" if response.is_success else "waiting"
    except httpx.HTTPError as error:
        answer, state = type(error).__name__, "waiting"
    workspace.db.execute(
        "UPDATE outbox SET state = ?, attempts = attempts + 1, signed = ?, answer = ? WHERE seq = ?",
        (state, signed, answer, row["seq"]),
    )
    return answer
