"""The segment endpoints: tags made, found, filled, emptied, renamed, deleted and read."""

from __future__ import annotations

import sqlite3

from hub_mailchimp.sandbox import tags
from hub_mailchimp.sandbox.contacts import brief
from hub_mailchimp.sandbox.lists import audience
from hub_mailchimp.sandbox.merge_fields import fields_of
from hub_mailchimp.sandbox.problems import not_found
from hub_mailchimp.sandbox.web import MOST_IN_BULK, Call, Json

UNKNOWN_ADDRESSES = "Email addresses do not exist in the list"


def list_segments(call: Call) -> Json:
    """GET /lists/{list_id}/segments"""
    list_id = audience(call)["id"]
    count, offset = call.page()
    if call.query.get("type", "static") != "static":
        return {"segments": [], "list_id": list_id, "total_items": 0}
    db = call.account.db
    total = db.execute("SELECT count(*) FROM segments WHERE list_id = ?", (list_id,)).fetchone()[0]
    rows = db.execute(
        "SELECT * FROM segments WHERE list_id = ? ORDER BY id LIMIT ? OFFSET ?", (list_id, count, offset)
    ).fetchall()
    return {"segments": [tags.shown(call.account, row) for row in rows], "list_id": list_id, "total_items": total}


def search(call: Call) -> Json:
    """GET /lists/{list_id}/tag-search: prefix match, case folded."""
    list_id = audience(call)["id"]
    prefix = call.query.get("name", "").casefold()
    rows = call.account.db.execute(
        "SELECT id, name FROM segments WHERE list_id = ? AND substr(folded, 1, ?) = ? ORDER BY id",
        (list_id, len(prefix), prefix),
    )
    found = [dict(row) for row in rows]
    return {"tags": found, "total_items": len(found)}


def create(call: Call) -> Json:
    """POST /lists/{list_id}/segments: addresses that are not on the audience are ignored."""
    list_id = audience(call)["id"]
    name = tags.checked_name(call.body.get("name"))
    addresses = call.rows("static_segment")
    segment_id = tags.create(call.account.db, list_id, name)
    there, _ = tags.present(call.account.db, list_id, addresses)
    tags.add(call.account.db, segment_id, [contact.id for contact in there])
    return tags.shown(call.account, _row(call, segment_id))


def get(call: Call) -> Json:
    """GET /lists/{list_id}/segments/{segment_id}"""
    return tags.shown(call.account, segment(call))


def replace(call: Call) -> Json:
    """PATCH /lists/{list_id}/segments/{segment_id}: a new name, and all members anew if `static_segment` is sent."""
    row, db = segment(call), call.account.db
    if "name" in call.body:
        tags.rename(db, row["id"], tags.checked_name(call.body["name"]))
    if "static_segment" in call.body:
        there, _ = tags.present(db, row["list_id"], call.rows("static_segment"))
        tags.clear(db, row["id"])
        tags.add(db, row["id"], [contact.id for contact in there])
    return tags.shown(call.account, _row(call, row["id"]))


def delete(call: Call) -> None:
    """DELETE /lists/{list_id}/segments/{segment_id}"""
    tags.delete(call.account.db, segment(call)["id"])


def add_and_remove(call: Call) -> Json:
    """POST /lists/{list_id}/segments/{segment_id}: at most 500 addresses in each array, safe to repeat.

    Addresses that are not on the audience are ignored and reported together in one item of `errors`.
    """
    row, db = segment(call), call.account.db
    added, unknown = tags.present(db, row["list_id"], call.rows("members_to_add", MOST_IN_BULK))
    removed, unknown_too = tags.present(db, row["list_id"], call.rows("members_to_remove", MOST_IN_BULK))
    tags.add(db, row["id"], [contact.id for contact in added])
    tags.remove(db, row["id"], [contact.id for contact in removed])
    missing = [*unknown, *unknown_too]
    errors = [{"email_addresses": missing, "error": UNKNOWN_ADDRESSES}] if missing else []
    return {
        "members_added": [_outline(contact) for contact in added],
        "members_removed": [_outline(contact) for contact in removed],
        "errors": errors,
        "total_added": len(added),
        "total_removed": len(removed),
        "error_count": len(errors),
    }


def _outline(member: tags.Present) -> Json:
    return {"id": member.hash, "email_address": member.email, "status": member.status}


def members(call: Call) -> Json:
    """GET /lists/{list_id}/segments/{segment_id}/members: active subscribers, and others by `include_...`."""
    row = segment(call)
    count, offset = call.page()
    others = ("unsubscribed", "cleaned", "transactional")
    statuses = {"subscribed", *(status for status in others if call.flag(f"include_{status}"))}
    ids = tags.member_ids(call.account, row["id"], statuses)
    fields = fields_of(call.account.db, row["list_id"])
    page = [brief(contact, fields) for contact in tags.page_of(call.account, ids, count, offset)]
    return {"members": page, "total_items": len(ids)}


def segment(call: Call) -> sqlite3.Row:
    """The tag that the path names. Raises Problem 404."""
    audience(call)
    return _row(call, int(call.path["segment_id"]))


def _row(call: Call, segment_id: int) -> sqlite3.Row:
    row = call.account.db.execute(
        "SELECT * FROM segments WHERE id = ? AND list_id = ?", (segment_id, call.path["list_id"])
    ).fetchone()
    if row is None:
        raise not_found()
    found: sqlite3.Row = row
    return found
