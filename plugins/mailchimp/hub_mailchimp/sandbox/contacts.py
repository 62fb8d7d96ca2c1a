"""Contacts: who is on an audience, and the rules of what a write may do to somebody."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from hub_mailchimp.sandbox.account import iso, now
from hub_mailchimp.sandbox.merge_fields import MergeField, checked, shown_values
from hub_mailchimp.sandbox.problems import MemberProblem

WRITABLE = frozenset({"subscribed", "unsubscribed", "cleaned", "pending", "transactional"})
ARCHIVED = "archived"
NO_VALUES = "{}"
OPTED_OUT = frozenset({"unsubscribed", "cleaned"})

_ADDRESS = re.compile(r"[^@\s<>(),;:\"]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,}")
MANY_LISTS_DOMAIN = "many-lists.invalid"
"""Addresses at this domain "have signed up to a lot of lists"; any other under `.invalid` "looks fake"."""


class Contact(NamedTuple):
    """A row of the audience, its columns in order. `id` 0 is not stored yet; `merge` is JSON text.

    An archived contact keeps the status it had. A tuple and not a dataclass: a bulk call makes a thousand of them.
    """

    id: int
    list_id: str
    hash: str
    email: str
    status: str
    archived: int
    email_type: str
    merge: str
    created: int
    changed: int

    def values(self) -> dict[str, Any]:
        """The merge fields that were set, by tag."""
        found: dict[str, Any] = {} if self.merge == NO_VALUES else orjson.loads(self.merge)
        return found


def subscriber_hash(email: str) -> str:
    """Mailchimp's id of an address: MD5 of it, trimmed and lower-cased, in hex."""
    return hashlib.md5(email.strip().lower().encode(), usedforsecurity=False).hexdigest()


def valid_address(value: Any) -> str:
    """The address, trimmed. Raises MemberProblem in the API's words."""
    address = value.strip() if isinstance(value, str) else ""
    domain = address.rpartition("@")[2].lower()
    if not _ADDRESS.fullmatch(address) or ".." in address:
        raise MemberProblem("Please provide a valid email address.")
    if domain == MANY_LISTS_DOMAIN:
        raise MemberProblem(
            f"{address} has signed up to a lot of lists very recently; we're not allowing more signups for now"
        )
    if domain.endswith(".invalid"):
        raise MemberProblem(f"{address} looks fake or invalid, please enter a real email address.")
    return address


def after_write(
    item: Mapping[str, Any],
    before: Contact | None,
    digest: str,
    *,
    list_id: str,
    fields: Sequence[MergeField],
    forgotten: bool,
    skip_required: bool,
) -> Contact:
    """The contact that writing `item` makes of `before` (None: not on the audience); `digest` is its address's hash.

    An opted-out contact cannot be set to subscribed, yet its merge fields can be written. A permanently deleted one
    cannot come back. Raises MemberProblem.
    """
    address = valid_address(item.get("email_address", before.email if before else None))
    if forgotten:
        raise MemberProblem(
            f"{address} was permanently deleted and cannot be re-imported. The contact must re-subscribe to get back"
            " on the list.",
            title="Forgotten Email Not Subscribed",
        )
    status, archived = _status(item, before, address)
    email_type = _one_of(item, "email_type", frozenset({"html", "text"}))
    merge = _merged(item.get("merge_fields", {}), before, fields, skip_required=skip_required)
    moment = now()
    if before is None:
        return Contact(0, list_id, digest, address, status, 0, email_type or "html", merge, moment, moment)
    return Contact(
        before.id, list_id, digest, address, status, archived, email_type or before.email_type, merge,
        before.created, moment,
    )  # fmt: skip


def _merged(given: Any, before: Contact | None, fields: Sequence[MergeField], *, skip_required: bool) -> str:
    if given == {} and skip_required:
        return before.merge if before else NO_VALUES
    values = checked(given, before.values() if before else {}, fields, skip_required=skip_required)
    return orjson.dumps(values).decode()


def _status(item: Mapping[str, Any], before: Contact | None, address: str) -> tuple[str, int]:
    """Status and whether archived, after the write. `status_if_new` counts for who is not there, or archived."""
    asked, if_new = _one_of(item, "status", WRITABLE), _one_of(item, "status_if_new", WRITABLE)
    absent = before is None or before.archived
    wanted = asked or (if_new if absent else None)
    if wanted is None:
        if before is None:
            raise MemberProblem(
                "The resource submitted could not be validated.",
                errors=[("status", "This value is required when the contact is not on the list.")],
            )
        return before.status, before.archived
    if wanted == "subscribed" and before is not None and before.status in OPTED_OUT:
        raise MemberProblem(
            f"{address} is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be"
            " subscribed.",
            title="Member In Compliance State",
        )
    return wanted, 0


def _one_of(item: Mapping[str, Any], name: str, choices: frozenset[str]) -> str | None:
    value = item.get(name)
    if value is None or (isinstance(value, str) and value in choices):
        return value
    message = f"Value must be one of: {', '.join(sorted(choices))}"
    raise MemberProblem("The resource submitted could not be validated.", errors=[(name, message)])


def find(db: sqlite3.Connection, list_id: str, hashes: Iterable[str]) -> dict[str, Contact]:
    """The contacts of an audience with these hashes, archived ones included, by hash."""
    cursor = db.cursor()
    cursor.row_factory = None  # plain tuples: this is the look-up behind every bulk call
    rows = cursor.execute(
        "SELECT * FROM contacts WHERE list_id = ? AND hash IN (SELECT value FROM json_each(?))",
        (list_id, orjson.dumps(list(hashes)).decode()),
    )
    return {row[2]: contact_of(row) for row in rows}


def by_ids(db: sqlite3.Connection, ids: Sequence[int]) -> list[Contact]:
    """The contacts with these row ids, in the order of the ids."""
    rows = db.execute(
        "SELECT * FROM contacts WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (orjson.dumps(list(ids)).decode(),),
    )
    return [contact_of(row) for row in rows]


def forgotten_among(db: sqlite3.Connection, list_id: str, hashes: Iterable[str]) -> set[str]:
    """Those of the hashes that were permanently deleted."""
    rows = db.execute(
        "SELECT hash FROM forgotten WHERE list_id = ? AND hash IN (SELECT value FROM json_each(?))",
        (list_id, orjson.dumps(list(hashes)).decode()),
    )
    return {row["hash"] for row in rows}


def save(db: sqlite3.Connection, contacts: Iterable[Contact]) -> list[Contact]:
    """Store contacts; those that were new get their ids."""
    top = db.execute("SELECT coalesce(max(id), 0) FROM contacts").fetchone()[0]
    stored, new, changed = list[Contact](), list[Contact](), list[tuple[Any, ...]]()
    for contact in contacts:
        if contact.id:
            changed.append((*contact[1:], contact.id))
            stored.append(contact)
        else:
            top += 1
            stored.append(Contact(top, *contact[1:]))
            new.append(stored[-1])
    db.executemany(
        "INSERT INTO contacts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        new,
    )
    db.executemany(
        "UPDATE contacts SET list_id = ?, hash = ?, email = ?, status = ?, archived = ?, email_type = ?, merge = ?,"
        " created = ?, changed = ? WHERE id = ?",
        changed,
    )
    return stored


def forget(db: sqlite3.Connection, contact: Contact) -> None:
    """Delete a contact for good: it is nowhere, and its address cannot be imported again."""
    db.execute("DELETE FROM segment_members WHERE contact_id = ?", (contact.id,))
    db.execute("DELETE FROM contacts WHERE id = ?", (contact.id,))
    db.execute("INSERT OR IGNORE INTO forgotten VALUES (?, ?)", (contact.list_id, contact.hash))


def contact_of(row: Sequence[Any]) -> Contact:
    """A contact from its row."""
    return Contact(*row)


def outline(contact: Contact) -> dict[str, Any]:
    """A contact as bulk answers show it."""
    return {
        "id": contact.hash,
        "email_address": contact.email,
        "unique_email_id": contact.hash[:-11:-1],
        "status": ARCHIVED if contact.archived else contact.status,
        "list_id": contact.list_id,
    }


def brief(contact: Contact, fields: Sequence[MergeField]) -> dict[str, Any]:
    """A contact as pages of contacts show it."""
    return {
        **outline(contact),
        "contact_id": f"{contact.id:032x}",
        "email_type": contact.email_type,
        "merge_fields": shown_values(contact.values(), fields),
        "timestamp_opt": iso(contact.created),
        "last_changed": iso(contact.changed),
    }
