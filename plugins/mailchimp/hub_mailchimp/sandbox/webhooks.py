"""The webhooks of an audience: made, listed, changed and deleted. Their secret is told once, when they are made.

Mailchimp asks an address for an answer (GET) before it takes it: https://mailchimp.com/developer/marketing/api/list-webhooks/
"""

from __future__ import annotations

import secrets
import sqlite3
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from hub_mailchimp.sandbox.lists import audience
from hub_mailchimp.sandbox.problems import Problem, invalid, not_found
from hub_mailchimp.sandbox.web import Call, Json

EVENTS = ("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign")
SOURCES = ("user", "admin", "api")
VALIDATOR = "MailChimp.com WebHook Validator"
PATIENCE = 10.0
"""Seconds that a receiver has to answer."""


def list_webhooks(call: Call) -> Json:
    """GET /lists/{list_id}/webhooks"""
    list_id = audience(call)["id"]
    rows = call.account.db.execute("SELECT * FROM webhooks WHERE list_id = ? ORDER BY rowid", (list_id,)).fetchall()
    return {"webhooks": [_shown(row) for row in rows], "list_id": list_id, "total_items": len(rows)}


def create(call: Call) -> Json:
    """POST /lists/{list_id}/webhooks: an address that answers a GET, and that the audience does not have yet."""
    list_id, url = audience(call)["id"], str(call.body.get("url") or "")
    _validate(call, list_id, url)
    webhook_id, secret = secrets.token_hex(5), secrets.token_hex(16) if call.account.signs else ""
    call.account.db.execute(
        "INSERT INTO webhooks (id, list_id, url, events, sources, secret) VALUES (?, ?, ?, ?, ?, ?)",
        (webhook_id, list_id, url, _flags(call, "events", EVENTS), _flags(call, "sources", SOURCES), secret),
    )
    made = _shown(_row(call, webhook_id))
    return {**made, "signing_secret": secret} if secret else made


def get(call: Call) -> Json:
    """GET /lists/{list_id}/webhooks/{webhook_id}"""
    return _shown(_named(call))


def change(call: Call) -> Json:
    """PATCH /lists/{list_id}/webhooks/{webhook_id}"""
    row = _named(call)
    url = str(call.body.get("url") or row["url"])
    if url != row["url"]:
        _validate(call, row["list_id"], url)
    events = _flags(call, "events", EVENTS) if "events" in call.body else row["events"]
    sources = _flags(call, "sources", SOURCES) if "sources" in call.body else row["sources"]
    call.account.db.execute(
        "UPDATE webhooks SET url = ?, events = ?, sources = ?, disabled = 0 WHERE id = ?",
        (url, events, sources, row["id"]),
    )
    return _shown(_row(call, row["id"]))


def delete(call: Call) -> None:
    """DELETE /lists/{list_id}/webhooks/{webhook_id}"""
    call.account.db.execute("DELETE FROM webhooks WHERE id = ?", (_named(call)["id"],))


def _validate(call: Call, list_id: str, url: str) -> None:
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise invalid("url", "Please enter a valid URL.")
    rows = call.account.db.execute("SELECT url FROM webhooks WHERE list_id = ?", (list_id,))
    if any(_without_query(row["url"]) == _without_query(url) for row in rows):
        raise Problem(400, "Invalid Resource", "Sorry, you can't set up multiple WebHooks for one URL.")
    try:
        answer = httpx.get(url, headers={"User-Agent": VALIDATOR}, timeout=PATIENCE, trust_env=False)
    except (httpx.HTTPError, httpx.InvalidURL):
        answer = None
    if answer is None or answer.status_code != 200:
        raise invalid("url", "We couldn't verify that this URL answers. Please check it and try again.")


def _without_query(url: str) -> str:
    return urlsplit(url)._replace(query="").geturl()


def _flags(call: Call, name: str, known: tuple[str, ...]) -> str:
    given = call.body.get(name, {})
    if not isinstance(given, dict) or any(not isinstance(value, bool) for value in given.values()):
        raise invalid(name, "Schema describes an object of booleans")
    return orjson.dumps({each: bool(given.get(each, False)) for each in known}).decode()


def _named(call: Call) -> sqlite3.Row:
    audience(call)
    return _row(call, str(call.path["webhook_id"]))


def _row(call: Call, webhook_id: str) -> sqlite3.Row:
    row = call.account.db.execute(
        "SELECT * FROM webhooks WHERE id = ? AND list_id = ?", (webhook_id, call.path["list_id"])
    ).fetchone()
    if row is None:
        raise not_found()
    found: sqlite3.Row = row
    return found


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "url": row["url"],
        "events": orjson.loads(row["events"]),
        "sources": orjson.loads(row["sources"]),
        "list_id": row["list_id"],
        "signing_enabled": bool(row["secret"]),
    }
