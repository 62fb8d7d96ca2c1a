"""The account, audiences, and the bulk upsert into one."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hub_mailchimp.sandbox.account import ACCOUNT, Account, iso
from hub_mailchimp.sandbox.contacts import (
    Contact,
    after_write,
    find,
    forgotten_among,
    outline,
    save,
    subscriber_hash,
)
from hub_mailchimp.sandbox.merge_fields import MergeField, fields_of
from hub_mailchimp.sandbox.problems import MemberProblem, invalid, not_found
from hub_mailchimp.sandbox.tags import drop_tags_of, tag_names_in, tag_with
from hub_mailchimp.sandbox.web import MOST_IN_BULK, Call, Json


def ping(call: Call) -> Json:
    """GET /ping"""
    return {"health_status": "Everything's Chimpy!"}


def root(call: Call) -> Json:
    """GET /"""
    rows = call.account.db.execute("SELECT id FROM lists").fetchall()
    subscribers = sum(_stats(call.account, row["id"])["member_count"] for row in rows)
    return {**ACCOUNT, "total_subscribers": subscribers}


def list_audiences(call: Call) -> Json:
    """GET /lists"""
    count, offset = call.page()
    rows = call.account.db.execute("SELECT * FROM lists ORDER BY created, id").fetchall()
    page = [_shown(call.account, row) for row in rows[offset : offset + count]]
    return {"lists": page, "total_items": len(rows)}


def get_audience(call: Call) -> Json:
    """GET /lists/{list_id}"""
    return _shown(call.account, audience(call))


def audience(call: Call) -> sqlite3.Row:
    """The audience that the path names. Raises Problem 404."""
    row = call.account.db.execute("SELECT * FROM lists WHERE id = ?", (call.path["list_id"],)).fetchone()
    if row is None:
        raise not_found()
    found: sqlite3.Row = row
    return found


def _shown(account: Account, row: sqlite3.Row) -> Json:
    return {
        "id": row["id"],
        "web_id": int(row["id"][:6], 36) % 1_000_000,
        "name": row["name"],
        "date_created": iso(row["created"]),
        "email_type_option": False,
        "double_optin": bool(row["double_optin"]),
        "marketing_permissions": False,
        "visibility": "prv",
        "stats": _stats(account, row["id"]),
    }


def _stats(account: Account, list_id: str) -> Json:
    """Counts by status, as old as Mailchimp's cached ones may be."""

    def count() -> Json:
        counts: Counter[str] = Counter()
        asked = "SELECT status, archived, count(*) FROM contacts WHERE list_id = ? GROUP BY status, archived"
        for status, archived, number in account.db.execute(asked, (list_id,)):
            counts["archived" if archived else status] += number
        fields = account.db.execute("SELECT count(*) FROM merge_fields WHERE list_id = ?", (list_id,)).fetchone()
        return {
            "member_count": counts["subscribed"],
            "total_contacts": sum(counts.values()) - counts["archived"],
            "unsubscribe_count": counts["unsubscribed"],
            "cleaned_count": counts["cleaned"],
            "merge_field_count": fields[0],
        }

    stats: Json = account.counts.get(("list", list_id), count)
    return stats


def bulk_upsert(call: Call) -> Json:
    """POST /lists/{list_id}: at most 500 members, each with an outcome of its own; 200 even when all failed.

    `update_existing` false makes existing contacts errors; `sync_tags` replaces all tags of a contact and needs
    `update_existing`. An address that is there twice fails unless `skip_duplicate_check` (then the first one wins).
    """
    list_id = audience(call)["id"]
    members = call.rows("members", MOST_IN_BULK)
    if not members:
        raise invalid("members", "This value should not be blank.")
    updating, syncing = call.body.get("update_existing") is True, call.body.get("sync_tags") is True
    if syncing and not updating:
        raise invalid("sync_tags", "sync_tags needs update_existing to be true.")
    work = _Bulk(call, list_id, members, updating=updating)
    work.decide()
    work.save(sync_tags=syncing)
    return work.result()


class _Bulk:
    """One bulk upsert on its way: what is to be written, and the errors by item."""

    def __init__(self, call: Call, list_id: str, members: Sequence[Any], *, updating: bool) -> None:
        self._db = call.account.db
        self._list_id = list_id
        self._updating = updating
        self._skip_duplicates = call.flag("skip_duplicate_check")
        self._fields: list[MergeField] = fields_of(self._db, list_id)
        nothing_required = not any(field.required for field in self._fields)
        self._skip_required = nothing_required or call.flag("skip_merge_validation")
        self._members = [(member, _hash_in(member)) for member in members]
        self._times: Counter[str] = Counter(digest for _, digest in self._members)
        self._known = find(self._db, list_id, self._times)
        self._forgotten = forgotten_among(self._db, list_id, self._times)
        self._written: dict[str, tuple[Contact, Sequence[Any]]] = {}
        self._stored: list[Contact] = []
        self._errors: list[Json] = []

    def decide(self) -> None:
        """Decide on each member, in order."""
        for member, digest in self._members:
            self._take(member, digest)

    def _take(self, member: Any, digest: str) -> None:
        if digest in self._written and self._skip_duplicates:
            return
        try:
            if not isinstance(member, dict):
                raise MemberProblem("Schema describes object, something else found instead")
            if self._times[digest] > 1 and not self._skip_duplicates:
                raise MemberProblem("Duplicate items found: this address is in the request more than once.")
            contact = self._decided(member, digest)
            self._written[digest] = contact, tag_names_in(member)
        except MemberProblem as problem:
            self._errors.append(_error(member, problem))

    def _decided(self, member: Json, digest: str) -> Contact:
        before = self._known.get(digest)
        if before is not None and not before.archived and not self._updating:
            raise MemberProblem(
                f"{member.get('email_address')} is already a list member, do you want to update? please provide"
                " update_existing:true in the request body",
                code="ERROR_CONTACT_EXISTS",
            )
        return after_write(
            member,
            before,
            digest,
            list_id=self._list_id,
            fields=self._fields,
            forgotten=digest in self._forgotten,
            skip_required=self._skip_required,
        )

    def save(self, *, sync_tags: bool) -> None:
        """Store all that was decided, and the tags."""
        self._stored = save(self._db, [contact for contact, _ in self._written.values()])
        if sync_tags:
            drop_tags_of(self._db, [contact.id for contact in self._stored])
        by_tag: dict[str, list[int]] = {}
        for contact in self._stored:
            for tag in self._written[contact.hash][1]:
                by_tag.setdefault(tag, []).append(contact.id)
        for tag, ids in by_tag.items():
            tag_with(self._db, self._list_id, tag, ids)

    def result(self) -> Json:
        """The answer."""
        new, updated = list[Json](), list[Json]()
        for contact in self._stored:
            before = self._known.get(contact.hash)
            absent = before is None or (before.archived and not contact.archived)
            (new if absent else updated).append(outline(contact))
        return {
            "new_members": new,
            "updated_members": updated,
            "errors": self._errors,
            "total_created": len(new),
            "total_updated": len(updated),
            "error_count": len(self._errors),
        }


def _hash_in(member: Any) -> str:
    address = member.get("email_address") if isinstance(member, dict) else None
    return subscriber_hash(address if isinstance(address, str) else "")


def _error(member: Any, problem: MemberProblem) -> Json:
    field, message = problem.errors[0] if problem.errors else ("", "")
    return {
        "email_address": member.get("email_address") if isinstance(member, dict) else None,
        "error": problem.detail,
        "error_code": problem.code,
        "field": field,
        "field_message": message,
    }
