"""Admin endpoints about webhooks: what waits to be delivered, and the sending of it.

Nothing is sent by itself, so that a test decides when. Retries as Mailchimp's: at growing intervals for 75 minutes,
then no more; an answer of 410 disables the webhook for good.
"""

from __future__ import annotations

import hashlib
import hmac
import random
import sqlite3
from typing import Any

import httpx
import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hub.testing.sandbox import refuse_admin, transaction
from hub_mailchimp.sandbox.account import FIRST_LIST, Account, now
from hub_mailchimp.sandbox.contacts import find, subscriber_hash
from hub_mailchimp.sandbox.happenings import happening, queue
from hub_mailchimp.sandbox.webhooks import EVENTS, PATIENCE, SOURCES

RETRY_AFTER = (60, 240, 600, 1_200, 2_400)
"""Seconds from a failed attempt to the next; together 75 minutes."""


class WebhookAdmin:
    """The endpoints, on one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._db = account.db

    def routes(self) -> list[Route]:
        """The routes below `/_sandbox`."""
        return [
            Route("/_sandbox/webhooks", self.show),
            Route("/_sandbox/webhooks/happen", self.happen, methods=["POST"]),
            Route("/_sandbox/webhooks/deliver", self.deliver, methods=["POST"]),
            Route("/_sandbox/webhooks/signing", self.signing, methods=["POST"]),
            Route("/_sandbox/batches/fail", self.fail, methods=["POST"]),
            Route("/_sandbox/batches/slow", self.slow, methods=["POST"]),
            Route("/_sandbox/oauth/revoke", self.revoke, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The webhooks, and how many deliveries wait, were taken, and were given up."""
        hooks = self._db.execute("SELECT id, list_id, url, disabled, secret <> '' AS signed FROM webhooks")
        counts = self._db.execute(
            "SELECT count(*) FILTER (WHERE next_at IS NOT NULL) AS waiting,"
            " count(*) FILTER (WHERE status BETWEEN 200 AND 299) AS taken,"
            " count(*) FILTER (WHERE next_at IS NULL AND coalesce(status, 0) NOT BETWEEN 200 AND 299) AS given_up"
            " FROM deliveries"
        ).fetchone()
        return _answer({"webhooks": [dict(row) for row in hooks], **dict(counts)})

    async def happen(self, request: Request) -> Response:
        """Something happens to a contact: {type, email, list_id?, source?, at?, reason?, ...}."""
        given = await _json(request)
        kind, list_id = str(given.pop("type", "")), str(given.pop("list_id", FIRST_LIST))
        source, email = str(given.pop("source", "user")), str(given.pop("email", ""))
        at = given.pop("at", None)
        if kind not in EVENTS or source not in SOURCES:
            raise refuse_admin(f"type is one of {', '.join(EVENTS)}; source one of {', '.join(SOURCES)}")
        contact = find(self._db, list_id, [subscriber_hash(email)]).get(subscriber_hash(email))
        if contact is None:
            raise refuse_admin(f"no contact {email!r} on {list_id}", 404)
        told = happening(self._db, kind, contact, at=at, **{name: str(value) for name, value in given.items()})
        with transaction(self._db):
            queued = queue(self._db, list_id, told, source=source)
        return _answer({"queued": queued})

    async def deliver(self, request: Request) -> Response:
        """Send what is due: {ahead?: seconds later, repeat?: times each, seed?: shuffled}; what was answered."""
        given = await _json(request)
        due = self._db.execute(
            "SELECT d.*, w.url, w.secret FROM deliveries d JOIN webhooks w ON w.id = d.webhook_id"
            " WHERE d.next_at <= ? AND w.disabled = 0 ORDER BY d.id",
            (now() + int(given.get("ahead", 0)),),
        ).fetchall()
        due = [row for row in due for _ in range(int(given.get("repeat", 1)))]
        if "seed" in given:
            random.Random(given["seed"]).shuffle(due)
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client:
            statuses = [await self._send(client, row) for row in due]
        return _answer({"sent": len(due), "statuses": statuses})

    async def signing(self, request: Request) -> Response:
        """Whether webhooks that are made from now on are signed: {enabled}."""
        self._account.signs = bool((await _json(request)).get("enabled", True))
        return _answer({"enabled": self._account.signs})

    async def fail(self, request: Request) -> Response:
        """Operations of batches are to fail: {contains: part of the operation's id, status, count?: how many}."""
        given = await _json(request)
        fault = {
            "contains": str(given["contains"]),
            "status": int(given["status"]),
            "count": int(given.get("count", 1)),
        }
        self._account.batch_faults.append(fault)
        return _answer(fault)

    async def revoke(self, request: Request) -> Response:
        """The account's owner takes back every consent: no token is good any more."""
        with transaction(self._db):
            gone = self._db.execute("DELETE FROM tokens").rowcount
        return _answer({"revoked": gone})

    async def slow(self, request: Request) -> Response:
        """How long batches are worked on from now on: {seconds}."""
        self._account.batch_seconds = float((await _json(request)).get("seconds", 0))
        return _answer({"seconds": self._account.batch_seconds})

    async def _send(self, client: httpx.AsyncClient, row: sqlite3.Row) -> int | None:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "MailChimp"}
        if row["secret"]:
            headers["X-Mailchimp-Signature"] = signed(row["secret"], now(), row["body"])
        try:
            status = (await client.post(row["url"], content=row["body"], headers=headers)).status_code
        except httpx.HTTPError:
            status = None
        taken = status is not None and 200 <= status < 300
        more = not taken and row["attempts"] < len(RETRY_AFTER)
        with transaction(self._db):
            self._db.execute(
                "UPDATE deliveries SET attempts = attempts + 1, status = ?, next_at = ? WHERE id = ?",
                (status, now() + RETRY_AFTER[row["attempts"]] if more else None, row["id"]),
            )
            if status == 410:
                self._db.execute("UPDATE webhooks SET disabled = 1 WHERE id = ?", (row["webhook_id"],))
        return status


def signed(secret: str, at: int, body: bytes) -> str:
    """The header `X-Mailchimp-Signature`."""
    return f"t={at},v1={hmac.new(secret.encode(), b'%d.%s' % (at, body), hashlib.sha256).hexdigest()}"


async def _json(request: Request) -> dict[str, Any]:
    body = await request.body()
    try:
        given = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError as exc:
        raise refuse_admin(f"not JSON: {exc}") from exc
    if not isinstance(given, dict):
        raise refuse_admin("a JSON object is wanted")
    return given


def _answer(content: Any) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
