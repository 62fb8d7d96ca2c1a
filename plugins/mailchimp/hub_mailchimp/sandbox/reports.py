"""Campaigns that were sent, and what came of them."""

from __future__ import annotations

import sqlite3
from array import array
from typing import Any

import orjson

from hub_mailchimp.sandbox.account import iso
from hub_mailchimp.sandbox.problems import invalid, not_found
from hub_mailchimp.sandbox.web import Call, Json


def list_campaigns(call: Call) -> Json:
    """GET /campaigns: mails of automations are not among them."""
    page, total = _sent(call, "type <> 'automation'")
    return {"campaigns": [_campaign(row) for row in page], "total_items": total}


def get_campaign(call: Call) -> Json:
    """GET /campaigns/{campaign_id}"""
    return _campaign(_row(call))


def list_reports(call: Call) -> Json:
    """GET /reports: those of automations too."""
    page, total = _sent(call, "1 = 1")
    return {"reports": [_report(row) for row in page], "total_items": total}


def get_report(call: Call) -> Json:
    """GET /reports/{campaign_id}"""
    return _report(_row(call))


def _sent(call: Call, where: str) -> tuple[list[sqlite3.Row], int]:
    """A page of campaigns and how many there are, by the filters that both collections have."""
    count, offset = call.page()
    if call.query.get("status", "sent") != "sent":
        return [], 0
    conditions, values = [where], list[Any]()
    for name, condition in _FILTERS.items():
        value = call.time(name) if name.endswith("_time") else call.query.get(name)
        if value is not None:
            conditions.append(condition)
            values.append(value)
    db, clause = call.account.db, " AND ".join(conditions)
    total = db.execute(f"SELECT count(*) FROM campaigns WHERE {clause}", values).fetchone()[0]
    rows = db.execute(
        f"SELECT * FROM campaigns WHERE {clause} ORDER BY {_order(call)} LIMIT ? OFFSET ?",
        (*values, count, offset),
    )
    return rows.fetchall(), total


_FILTERS = {
    "since_send_time": "send_time > ?",
    "before_send_time": "send_time < ?",
    "since_create_time": "created > ?",
    "before_create_time": "created < ?",
    "list_id": "list_id = ?",
    "type": "type = ?",
}


def _order(call: Call) -> str:
    field, direction = call.query.get("sort_field", "send_time"), call.query.get("sort_dir", "DESC").upper()
    if field not in {"send_time", "create_time"}:
        raise invalid("sort_field", "Value must be one of: create_time, send_time")
    if direction not in {"ASC", "DESC"}:
        raise invalid("sort_dir", "Value must be one of: ASC, DESC")
    return f"{'created' if field == 'create_time' else 'send_time'} {direction}, id {direction}"


def sent_to(call: Call) -> Json:
    """GET /reports/{campaign_id}/sent-to"""
    campaign = _row(call)
    count, offset = call.page()
    rows = _recipients(call, campaign, offset, offset + count)
    page = [{**_person(campaign, row), **_delivery(row)} for row in rows]
    return {"sent_to": page, "campaign_id": campaign["id"], "total_items": campaign["emails_sent"]}


def email_activity(call: Call) -> Json:
    """GET /reports/{campaign_id}/email-activity

    Every recipient, with an empty `activity` if there was none; with `since` only activity after that time, and only
    recipients who have some.
    """
    campaign, since = _row(call), call.time("since")
    count, offset = call.page()
    if since is None:
        total, wanted = campaign["emails_sent"], list(range(offset, min(offset + count, campaign["emails_sent"])))
    else:
        active = _active_since(call, campaign["id"], since)
        total, wanted = len(active), active[offset : offset + count].tolist()
    emails = _with_activity(call, campaign, wanted, since)
    return {"emails": emails, "campaign_id": campaign["id"], "total_items": total}


def _active_since(call: Call, campaign_id: str, since: int) -> array[int]:
    """The numbers of the recipients with activity after `since`, remembered until the next write."""
    key, pages = ("activity", campaign_id, since), call.account.pages
    if key not in pages:
        rows = call.account.db.execute(
            "SELECT DISTINCT n FROM activity WHERE campaign_id = ? AND at > ? ORDER BY n", (campaign_id, since)
        )
        pages[key] = array("q", [row[0] for row in rows])
    return pages[key]


def _with_activity(call: Call, campaign: sqlite3.Row, wanted: list[int], since: int | None) -> list[Json]:
    if not wanted:
        return []
    numbers = orjson.dumps(wanted).decode()
    actions: dict[int, list[Json]] = {n: [] for n in wanted}
    for row in call.account.db.execute(
        "SELECT * FROM activity WHERE campaign_id = ? AND n IN (SELECT value FROM json_each(?)) AND at > ?"
        " ORDER BY n, at",
        (campaign["id"], numbers, -1 if since is None else since),
    ):
        actions[row["n"]].append(_action(row))
    recipients = _recipients(call, campaign, wanted[0], wanted[-1] + 1)
    return [{**_person(campaign, row), "activity": actions[row["n"]]} for row in recipients if row["n"] in actions]


def unsubscribed(call: Call) -> Json:
    """GET /reports/{campaign_id}/unsubscribed"""
    campaign = _row(call)
    count, offset = call.page()
    rows = call.account.db.execute(
        "SELECT * FROM unsubscribes WHERE campaign_id = ? AND n >= ? AND n < ? ORDER BY n",
        (campaign["id"], offset, offset + count),
    )
    page = [
        {**_person(campaign, row), "vip": False, "timestamp": iso(row["at"]), "reason": "None given"} for row in rows
    ]
    return {"unsubscribes": page, "campaign_id": campaign["id"], "total_items": campaign["unsubscribed"]}


def _recipients(call: Call, campaign: sqlite3.Row, begin: int, end: int) -> list[sqlite3.Row]:
    return call.account.db.execute(
        "SELECT * FROM recipients WHERE campaign_id = ? AND n >= ? AND n < ? ORDER BY n", (campaign["id"], begin, end)
    ).fetchall()


def _row(call: Call) -> sqlite3.Row:
    asked = (call.path["campaign_id"],)
    row = call.account.db.execute("SELECT * FROM campaigns WHERE id = ?", asked).fetchone()
    if row is None:
        raise not_found()
    found: sqlite3.Row = row
    return found


def _campaign(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "type": row["type"],
        "create_time": iso(row["created"]),
        "status": "sent",
        "emails_sent": row["emails_sent"],
        "send_time": iso(row["send_time"]),
        "recipients": {
            "list_id": row["list_id"],
            "list_is_active": True,
            "recipient_count": row["emails_sent"],
            "segment_opts": {"saved_segment_id": row["segment_id"]} if row["segment_id"] else {},
        },
        "settings": {"subject_line": row["subject"], "title": row["title"]},
    }


def _report(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "campaign_title": row["title"],
        "type": row["type"],
        "list_id": row["list_id"],
        "list_is_active": True,
        "subject_line": row["subject"],
        "emails_sent": row["emails_sent"],
        "abuse_reports": 0,
        "unsubscribed": row["unsubscribed"],
        "send_time": iso(row["send_time"]),
        "bounces": {"hard_bounces": row["hard_bounces"], "soft_bounces": row["soft_bounces"], "syntax_errors": 0},
        "opens": {"opens_total": row["opens"], "unique_opens": row["unique_opens"]},
        "clicks": {"clicks_total": row["clicks"], "unique_subscriber_clicks": row["unique_clicks"]},
    }


def _person(campaign: sqlite3.Row, row: sqlite3.Row) -> Json:
    return {
        "campaign_id": campaign["id"],
        "list_id": campaign["list_id"],
        "list_is_active": True,
        "email_id": row["hash"],
        "email_address": row["email"],
    }


def _delivery(row: sqlite3.Row) -> Json:
    return {
        "merge_fields": orjson.loads(row["merge"]),
        "vip": False,
        "status": row["status"],
        "open_count": row["open_count"],
        "last_open": iso(row["last_open"]),
        "absplit_group": "",
        "gmt_offset": 0,
    }


def _action(row: sqlite3.Row) -> Json:
    action = {"action": row["action"], "timestamp": iso(row["at"])}
    if row["action"] == "bounce":
        return {**action, "type": row["detail"]}
    if row["action"] == "click":
        action["url"] = row["detail"]
    return {**action, "ip": row["ip"]}
