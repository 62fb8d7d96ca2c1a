"""The endpoints of one contact: read, put, changed, archived, erased, tagged."""

from __future__ import annotations

from typing import Any

from hub_mailchimp.sandbox import tags
from hub_mailchimp.sandbox.account import now
from hub_mailchimp.sandbox.contacts import (
    WRITABLE,
    Contact,
    after_write,
    brief,
    by_ids,
    contact_of,
    find,
    forget,
    forgotten_among,
    save,
    subscriber_hash,
)
from hub_mailchimp.sandbox.lists import audience
from hub_mailchimp.sandbox.merge_fields import fields_of
from hub_mailchimp.sandbox.problems import MemberProblem, Problem, invalid, not_found
from hub_mailchimp.sandbox.web import Call, Json

ARCHIVED = "This list member cannot be removed.  Please contact support."


def list_members(call: Call) -> Json:
    """GET /lists/{list_id}/members, `status` filters; without it archived contacts are left out."""
    list_id = audience(call)["id"]
    count, offset = call.page()
    status = call.query.get("status")
    if status not in {None, "archived", *WRITABLE}:
        raise invalid("status", f"Value must be one of: archived, {', '.join(sorted(WRITABLE))}")
    where, values = "list_id = ? AND archived = ?", [list_id, status == "archived"]
    if status not in {None, "archived"}:
        where, values = f"{where} AND status = ?", [*values, status]
    db = call.account.db
    total = db.execute(f"SELECT count(*) FROM contacts WHERE {where}", values).fetchone()[0]
    rows = db.execute(
        f"SELECT * FROM contacts WHERE {where} ORDER BY id LIMIT ? OFFSET ?",
        (*values, count, offset),
    )
    fields = fields_of(db, list_id)
    page = [brief(contact_of(row), fields) for row in rows]
    return {"members": page, "list_id": list_id, "total_items": total}


def create(call: Call) -> Json:
    """POST /lists/{list_id}/members"""
    list_id = audience(call)["id"]
    address = str(call.body.get("email_address", ""))
    before = find(call.account.db, list_id, [subscriber_hash(address)]).get(subscriber_hash(address))
    if before is not None and not before.archived:
        detail = f"{address} is already a list member. Use PUT to insert or update list members."
        raise MemberProblem(detail, title="Member Exists")
    return _stored(call, list_id, call.body, before)


def get(call: Call) -> Json:
    """GET /lists/{list_id}/members/{subscriber_hash}"""
    return _shown(call, _existing(call))


def put(call: Call) -> Json:
    """PUT /lists/{list_id}/members/{subscriber_hash}: changes who is there, else adds with `status_if_new`."""
    list_id = audience(call)["id"]
    before = _named(call)
    if before is None and "email_address" not in call.body:
        raise invalid("email_address", "This value should not be blank.")
    return _stored(call, list_id, call.body, before)


def patch(call: Call) -> Json:
    """PATCH /lists/{list_id}/members/{subscriber_hash}: changes who is there."""
    before = _existing(call)
    return _stored(call, before.list_id, call.body, before)


def archive(call: Call) -> None:
    """DELETE /lists/{list_id}/members/{subscriber_hash}: archived, not forgotten."""
    contact = _existing(call)
    if contact.archived:
        raise Problem(405, "Method Not Allowed", ARCHIVED)
    save(call.account.db, [contact._replace(archived=1, changed=now())])


def delete_permanent(call: Call) -> None:
    """POST /lists/{list_id}/members/{subscriber_hash}/actions/delete-permanent: never to be imported again."""
    forget(call.account.db, _existing(call))


def tag(call: Call) -> None:
    """POST /lists/{list_id}/members/{subscriber_hash}/tags: tags that are not named are left alone."""
    contact, db = _existing(call), call.account.db
    for item in call.rows("tags"):
        name, active = _tag_item(item)
        if active:
            tags.tag_with(db, contact.list_id, name, [contact.id])
            continue
        asked = (contact.list_id, name.casefold())
        row = db.execute("SELECT id FROM segments WHERE list_id = ? AND folded = ?", asked).fetchone()
        if row is not None:
            tags.remove(db, row["id"], [contact.id])


def list_tags(call: Call) -> Json:
    """GET /lists/{list_id}/members/{subscriber_hash}/tags"""
    count, offset = call.page()
    found = tags.of_contact(call.account.db, _existing(call).id)
    return {"tags": found[offset : offset + count], "total_items": len(found)}


def _tag_item(item: Any) -> tuple[str, bool]:
    if not isinstance(item, dict) or item.get("status") not in {"active", "inactive"}:
        raise invalid("tags", "Each tag has a name and a status, active or inactive.")
    return tags.checked_name(item.get("name")), item["status"] == "active"


def _stored(call: Call, list_id: str, item: Json, before: Contact | None) -> Json:
    db = call.account.db
    address = item.get("email_address", before.email if before else "")
    digest = subscriber_hash(address) if isinstance(address, str) else ""
    contact = after_write(
        item,
        before,
        digest,
        list_id=list_id,
        fields=fields_of(db, list_id),
        forgotten=bool(forgotten_among(db, list_id, [digest])),
        skip_required=call.flag("skip_merge_validation"),
    )
    if (before is None or before.hash != contact.hash) and find(db, list_id, [contact.hash]):
        detail = f"{contact.email} is already a list member. Use PUT to insert or update list members."
        raise MemberProblem(detail, title="Member Exists")
    [stored] = save(db, [contact])
    for name in tags.tag_names_in(item) if before is None else ():
        tags.tag_with(db, list_id, name, [stored.id])
    return _shown(call, stored)


def _shown(call: Call, contact: Contact) -> Json:
    own = tags.of_contact(call.account.db, contact.id)
    shown = brief(contact, fields_of(call.account.db, contact.list_id))
    return {**shown, "vip": False, "language": "", "tags_count": len(own), "tags": own}


def _existing(call: Call) -> Contact:
    contact = _named(call)
    if contact is None:
        raise not_found()
    return contact


def _named(call: Call) -> Contact | None:
    """The contact that the path names by hash, address or contact_id."""
    list_id, name = audience(call)["id"], str(call.path["subscriber_hash"])
    digest = subscriber_hash(name) if "@" in name else name.lower()
    found = find(call.account.db, list_id, [digest]).get(digest)
    if found is None and len(name) == 32 and name.startswith("0" * 16):
        found = next((each for each in by_ids(call.account.db, [int(name[16:], 16)]) if each.list_id == list_id), None)
    return found
