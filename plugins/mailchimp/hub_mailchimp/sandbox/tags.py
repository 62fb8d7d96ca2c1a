"""Tags, which are static segments: their names and who is in them."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from hub_mailchimp.sandbox.account import Account, iso, now
from hub_mailchimp.sandbox.contacts import Contact, by_ids, subscriber_hash
from hub_mailchimp.sandbox.problems import MemberProblem, Problem, invalid

NAME_LENGTH = 100


def checked_name(value: Any) -> str:
    """A tag's name, trimmed. Raises Problem 400 when it is empty or too long."""
    name = value.strip() if isinstance(value, str) else ""
    if not name or len(name) > NAME_LENGTH:
        raise invalid("name", f"A tag's name has 1 to {NAME_LENGTH} characters.")
    return name


def tag_names_in(member: Mapping[str, Any]) -> list[str]:
    """The tags of a member in a bulk upsert. Raises MemberProblem."""
    tags = member.get("tags") or []
    names = [tag.strip() for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [""]
    if "" in names or len(names) < len(tags):
        raise MemberProblem("The resource submitted could not be validated.", errors=[("tags", "An array of names")])
    return names


def create(db: sqlite3.Connection, list_id: str, name: str) -> int:
    """Make a tag; its id. Raises Problem 400 when the audience has it, whatever its case."""
    try:
        made = db.execute(
            "INSERT INTO segments (list_id, name, folded, created, updated) VALUES (?, ?, ?, ?, ?)",
            (list_id, name, name.casefold(), now(), now()),
        )
    except sqlite3.IntegrityError as exc:
        raise Problem(400, "Bad Request", "Sorry, that tag already exists.") from exc
    return int(made.lastrowid or 0)


def rename(db: sqlite3.Connection, segment_id: int, name: str) -> None:
    """Give a tag another name. Raises Problem 400 when that is taken."""
    try:
        db.execute("UPDATE segments SET name = ?, folded = ? WHERE id = ?", (name, name.casefold(), segment_id))
    except sqlite3.IntegrityError as exc:
        raise Problem(400, "Bad Request", "Sorry, that tag already exists.") from exc


def tag_with(db: sqlite3.Connection, list_id: str, name: str, contact_ids: Iterable[int]) -> None:
    """Put contacts into the tag of this name, which is made if missing."""
    asked = (list_id, name.casefold())
    row = db.execute("SELECT id FROM segments WHERE list_id = ? AND folded = ?", asked).fetchone()
    add(db, row["id"] if row else create(db, list_id, name), contact_ids)


def add(db: sqlite3.Connection, segment_id: int, contact_ids: Iterable[int]) -> None:
    """Put contacts into a tag; who is there stays there."""
    rows = [(segment_id, contact_id) for contact_id in contact_ids]
    db.executemany("INSERT OR IGNORE INTO segment_members VALUES (?, ?)", rows)
    db.execute("UPDATE segments SET updated = ? WHERE id = ?", (now(), segment_id))


def remove(db: sqlite3.Connection, segment_id: int, contact_ids: Iterable[int]) -> None:
    """Take contacts out of a tag; who is not there is no error."""
    rows = [(segment_id, contact_id) for contact_id in contact_ids]
    db.executemany("DELETE FROM segment_members WHERE segment_id = ? AND contact_id = ?", rows)
    db.execute("UPDATE segments SET updated = ? WHERE id = ?", (now(), segment_id))


def clear(db: sqlite3.Connection, segment_id: int) -> None:
    """Empty a tag."""
    db.execute("DELETE FROM segment_members WHERE segment_id = ?", (segment_id,))


def delete(db: sqlite3.Connection, segment_id: int) -> None:
    """Delete a tag; its contacts stay on the audience."""
    clear(db, segment_id)
    db.execute("DELETE FROM segments WHERE id = ?", (segment_id,))


def drop_tags_of(db: sqlite3.Connection, contact_ids: Iterable[int]) -> None:
    """Take every tag off these contacts."""
    db.executemany("DELETE FROM segment_members WHERE contact_id = ?", [(each,) for each in contact_ids])


def of_contact(db: sqlite3.Connection, contact_id: int) -> list[dict[str, Any]]:
    """The tags of a contact: `id` and `name`."""
    rows = db.execute(
        "SELECT s.id, s.name FROM segment_members m JOIN segments s ON s.id = m.segment_id"
        " WHERE m.contact_id = ? ORDER BY s.id",
        (contact_id,),
    )
    return [dict(row) for row in rows]


class Present(NamedTuple):
    """Somebody on the audience, as much of him as a tag needs."""

    id: int
    hash: str
    email: str
    status: str


def present(db: sqlite3.Connection, list_id: str, addresses: Sequence[Any]) -> tuple[list[Present], list[str]]:
    """Who of the addresses is on the audience (not archived), each once, and the addresses that are not."""
    by_hash = {subscriber_hash(str(address)): str(address) for address in addresses}
    cursor = db.cursor()
    cursor.row_factory = None  # plain tuples: this is the look-up behind every bulk call
    rows = cursor.execute(
        "SELECT id, hash, email, status FROM contacts WHERE archived = 0 AND list_id = ?"
        " AND hash IN (SELECT value FROM json_each(?))",
        (list_id, orjson.dumps(list(by_hash)).decode()),
    )
    there = [Present(*row) for row in rows]
    for found in there:
        del by_hash[found.hash]
    return there, list(by_hash.values())


def member_ids(account: Account, segment_id: int, statuses: Collection[str]) -> array[int]:
    """The row ids of the tag's contacts with these statuses, ascending, archived ones left out.

    Remembered until the next write, so that paging through a large tag looks over it once.
    """
    key = ("tag", segment_id, frozenset(statuses))
    if key not in account.pages:
        rows = account.db.execute(
            "SELECT c.id FROM segment_members m JOIN contacts c ON c.id = m.contact_id"
            " WHERE m.segment_id = ? AND c.archived = 0 AND c.status IN (SELECT value FROM json_each(?))"
            " ORDER BY m.contact_id",
            (segment_id, orjson.dumps(list(statuses)).decode()),
        )
        account.pages[key] = array("q", [row[0] for row in rows])
    return account.pages[key]


def page_of(account: Account, ids: array[int], count: int, offset: int) -> list[Contact]:
    """One page of contacts."""
    return by_ids(account.db, ids[offset : offset + count].tolist())


def shown(account: Account, row: sqlite3.Row) -> dict[str, Any]:
    """A tag as the API shows it. `member_count` counts active subscribers, and may be as old as Mailchimp's."""

    def count() -> int:
        found = account.db.execute(
            "SELECT count(*) FROM segment_members m JOIN contacts c ON c.id = m.contact_id"
            " WHERE m.segment_id = ? AND c.status = 'subscribed' AND c.archived = 0",
            (row["id"],),
        ).fetchone()
        return int(found[0])

    return {
        "id": row["id"],
        "name": row["name"],
        "member_count": account.counts.get(("tag", str(row["id"])), count),
        "type": "static",
        "created_at": iso(row["created"]),
        "updated_at": iso(row["updated"]),
        "list_id": row["list_id"],
    }
