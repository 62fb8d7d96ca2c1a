"""The App API: segments, who is in them, who is known, messages, and what messages are sent for."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from typing import Any

import orjson

from hub_customerio.sandbox.web import Call, Json, Refused, app_errors
from hub_customerio.sandbox.workspace import cio_id, identifiers, now

MOST_MEMBERS, MOST_MESSAGES, MOST_PEOPLE = 30_000, 1000, 100
WINDOW = 184 * 86_400
SORTS = ("campaign", "broadcast", "newsletter", "transactional")


def list_segments(call: Call) -> Json:
    """GET /v1/segments."""
    return {"segments": [_segment(row) for row in call.workspace.db.execute("SELECT * FROM segments ORDER BY id")]}


def make_segment(call: Call) -> Json:
    """POST /v1/segments: a manual one. Two may have one name."""
    given = call.json().get("segment")
    if not isinstance(given, dict) or not str(given.get("name") or "").strip():
        raise Refused(400, app_errors("segment.name is required", 400))
    row = (str(given["name"]), str(given.get("description") or ""), "manual", now(), now())
    made = call.workspace.db.execute(
        "INSERT INTO segments (name, description, type, created, updated) VALUES (?, ?, ?, ?, ?)", row
    )
    found = call.workspace.segment(int(made.lastrowid or 0))
    assert found is not None
    return {"segment": _segment(found)}


def get_segment(call: Call) -> Json:
    """GET /v1/segments/{id}."""
    return {"segment": _segment(_found(call))}


def delete_segment(call: Call) -> None:
    """DELETE /v1/segments/{id}: 409 while a campaign uses it."""
    segment = _found(call)
    if segment["used"]:
        raise Refused(409, app_errors("segment is in use", 409))
    for table, column in (("segments", "id"), ("members", "segment"), ("pending", "segment")):
        call.workspace.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (segment["id"],))


def count(call: Call) -> Json:
    """GET /v1/segments/{id}/customer_count."""
    segment = _found(call)
    call.workspace.settle()
    query = "SELECT count(*) FROM members WHERE segment = ?"
    return {"count": call.workspace.db.execute(query, (segment["id"],)).fetchone()[0]}


def membership(call: Call) -> Json:
    """GET /v1/segments/{id}/membership: `limit` up to 30,000, `start` is the `next` of the page before."""
    segment, limit = _found(call), call.number("limit", 1000, MOST_MEMBERS)
    call.workspace.settle()
    rows = call.workspace.db.execute(
        "SELECT p.* FROM members m JOIN people p ON p.n = m.person WHERE m.segment = ? AND m.person > ?"
        " ORDER BY m.person LIMIT ?",
        (segment["id"], _place(call), limit + 1),
    ).fetchall()
    shown = rows[:limit]
    return {
        "identifiers": [identifiers(row) for row in shown],
        "ids": [row["id"] or "" for row in shown],
        "next": _cursor(shown[-1]["n"]) if len(rows) > limit else "",
    }


def people(call: Call) -> Json:
    """POST /v1/customers/attributes?id_type=: up to 100 people; who is not there is left out."""
    keys, id_type = call.json().get("ids"), call.query.get("id_type", "id")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MOST_PEOPLE or id_type not in ("id", "email", "cio_id"):
        raise Refused(400, app_errors(f"ids has 1 to {MOST_PEOPLE} elements of id_type id, email or cio_id", 400))
    found = call.workspace.find(id_type, map(str, keys)).values()
    return {"customers": [{"customer": _person(row)} for row in found]}


def messages(call: Call) -> Json:
    """GET /v1/messages: rows of deliveries by the time when they were made, newest first, `limit` up to 1000."""
    limit, until = call.number("limit", 50, MOST_MESSAGES), call.number("end_ts", now(), 2**40)
    since = call.number("start_ts", max(1, until - WINDOW), 2**40)
    if until - since > WINDOW:
        raise Refused(422, app_errors("the window has at most six months", 422))
    rows = call.workspace.db.execute(
        "SELECT d.*, p.id AS person_id, p.email, p.n AS person_n FROM deliveries d JOIN people p ON p.n = d.person"
        " WHERE d.created >= ? AND d.created <= ? AND d.n < ? ORDER BY d.n DESC LIMIT ?",
        (since, until, _place(call, default=2**62), limit + 1),
    ).fetchall()
    shown = rows[:limit]
    return {"messages": [_message(row) for row in shown], "next": _cursor(shown[-1]["n"]) if len(rows) > limit else ""}


def names(sort: str, field: str) -> Any:
    """GET of what messages are sent for, with names."""

    def listed(call: Call) -> Json:
        query = "SELECT id, name, created, created AS updated FROM origins WHERE sort = ? ORDER BY id"
        return {field: [dict(row) for row in call.workspace.db.execute(query, (sort,))]}

    return listed


def origin_fields(sort: str, number: int) -> Json:
    """What names the origin of a message, as both feeds have it."""
    if sort == "newsletter":
        return {"newsletter_id": number, "content_id": 3}
    if sort == "transactional":
        return {"transactional_message_id": number}
    return {f"{sort}_id": number, "action_id": 96, **({"trigger_id": 1} if sort == "broadcast" else {})}


def _found(call: Call) -> sqlite3.Row:
    segment = call.workspace.segment(int(call.path["segment"]))
    if segment is None:
        raise Refused(404, app_errors("segment not found", 404))
    return segment


def _segment(row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "deduplicate_id": f"{row['id']}:{row['updated']}",
        "name": row["name"],
        "description": row["description"],
        "state": "events",
        "progress": None,
        "type": row["type"],
        "tags": None,
        "created_at": row["created"],
        "updated_at": row["updated"],
    }


def _person(row: sqlite3.Row) -> Json:
    told = {**orjson.loads(row["attributes"]), "cio_id": cio_id(row["n"])}
    told |= {name: row[name] for name in ("id", "email") if row[name]}
    attributes = {
        name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in told.items()
    }
    person = {"id": row["id"] or "", "attributes": attributes, "unsubscribed": bool(row["unsubscribed"])}
    return {**person, "timestamps": {}, "devices": []}


def _message(row: sqlite3.Row) -> Json:
    nothing = dict.fromkeys(("campaign_id", "newsletter_id", "broadcast_id", "action_id", "content_id"))
    whose = {"id": row["person_id"], "email": row["email"], "cio_id": cio_id(row["person_n"])}
    metrics = orjson.loads(row["metrics"])
    return {
        "id": row["id"],
        "deduplicate_id": f"{row['id']}:{max(metrics.values())}",
        "msg_template_id": 43,
        **nothing,
        **origin_fields(row["sort"], row["origin"]),
        "parent_action_id": None,
        "type": "twilio" if row["type"] == "sms" else row["type"],
        "customer_id": row["person_id"] or "",
        "customer_identifiers": whose,
        "recipient": row["email"] or "",
        "subject": row["subject"],
        "created": row["created"],
        "failure_message": row["failure"],
        "forgotten": False,
        "metrics": metrics,
    }


def _place(call: Call, default: int = 0) -> int:
    text = call.query.get("start")
    if not text:
        return default
    try:
        return int(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise Refused(400, app_errors("start is not a cursor", 400)) from error


def _cursor(place: int) -> str:
    return base64.b64encode(str(place).encode()).decode()
