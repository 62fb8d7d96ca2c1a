"""What the receiver holds: cohorts with their members, and pages of full copies that wait for the rest."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from hub.testing.sandbox import transaction
from hub_webhook.sandbox.expected import Refused

MOST_MEMBERS = 1000
ACTIONS = ("members", "add_members", "remove_members")

SCHEMA = """
CREATE TABLE IF NOT EXISTS cohorts (
    project TEXT NOT NULL, cohort TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
    PRIMARY KEY (project, cohort)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS members (
    project TEXT NOT NULL, cohort TEXT NOT NULL, distinct_id TEXT NOT NULL, properties TEXT NOT NULL,
    PRIMARY KEY (project, cohort, distinct_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS staged (
    project TEXT NOT NULL, cohort TEXT NOT NULL, session TEXT NOT NULL, page INTEGER NOT NULL,
    total INTEGER NOT NULL, members BLOB NOT NULL,
    PRIMARY KEY (project, cohort, session, page)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, times INTEGER NOT NULL, action TEXT NOT NULL,
    project TEXT NOT NULL, cohort TEXT NOT NULL, session TEXT NOT NULL, page INTEGER NOT NULL,
    total INTEGER NOT NULL, size INTEGER NOT NULL
);
"""
TABLES = ("cohorts", "members", "staged", "deliveries")


@dataclass(frozen=True)
class Message:
    """One request, read. `members` are objects, each with a `mixpanel_distinct_id`."""

    action: str
    project: str
    cohort: str
    name: str
    description: str
    session: str
    page: int
    total: int
    members: list[dict[str, Any]]


def read(body: bytes) -> Message:
    """The request in a body. Raises Refused 400 when the contract does not allow it."""
    try:
        document = orjson.loads(body)
        told = document["parameters"]
        message = Message(
            action=document["action"],
            project=_text(told, "mixpanel_project_id"),
            cohort=_text(told, "mixpanel_cohort_id"),
            name=_text(told, "mixpanel_cohort_name"),
            description=_text(told, "mixpanel_cohort_description"),
            session=_text(told, "mixpanel_session_id"),
            page=told["page_info"]["page_count"],
            total=told["page_info"]["total_pages"],
            members=told["members"],
        )
    except (orjson.JSONDecodeError, KeyError, TypeError) as exc:
        raise Refused(400, f"The body is not what the contract says: {exc}") from exc
    _refuse_unsound(message)
    return message


def _refuse_unsound(message: Message) -> None:
    pages = (message.page, message.total)
    if message.action not in ACTIONS:
        raise Refused(400, f"There is no action {message.action!r}.")
    if not all(isinstance(number, int) for number in pages) or not 1 <= message.page <= message.total:
        raise Refused(400, f"Page {message.page} of {message.total} cannot be.")
    if not isinstance(message.members, list) or len(message.members) > MOST_MEMBERS:
        raise Refused(400, f"A page has at most {MOST_MEMBERS} members.")
    if not all(isinstance(row, dict) and isinstance(row.get("mixpanel_distinct_id"), str) for row in message.members):
        raise Refused(400, "Every member has a mixpanel_distinct_id.")


def _text(told: dict[str, Any], name: str) -> str:
    if not isinstance(told[name], str):
        raise TypeError(f"{name} is a text")
    return str(told[name])


class Cohorts:
    """The cohorts of a receiver that does what the contract asks of it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def take(self, delivery_id: str, message: Message) -> None:
        """Do what a message says, all of it or nothing. One that was taken before is counted, and does nothing."""
        with transaction(self._db):
            again = self._db.execute("UPDATE deliveries SET times = times + 1 WHERE id = ?", (delivery_id,))
            if not again.rowcount:
                self._remember(delivery_id, message)
                self._apply(message)

    def _remember(self, delivery_id: str, message: Message) -> None:
        place = (message.project, message.cohort, message.session, message.page, message.total)
        self._db.execute(
            "INSERT INTO deliveries (id, times, action, project, cohort, session, page, total, size)"
            " VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)",
            (delivery_id, message.action, *place, len(message.members)),
        )

    def _apply(self, message: Message) -> None:
        if message.action == "remove_members":
            self._remove(message)
            return
        self._name(message)
        if message.action == "add_members":
            self._add(message, message.members)
        else:
            self._stage(message)

    def _name(self, message: Message) -> None:
        self._db.execute(
            "INSERT INTO cohorts VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name,"
            " description = excluded.description",
            (message.project, message.cohort, message.name, message.description),
        )

    def _add(self, message: Message, rows: list[dict[str, Any]]) -> None:
        """Take members in. Who is in already keeps the properties that are not told; null clears one."""
        place = (message.project, message.cohort)
        self._db.executemany(
            "INSERT OR IGNORE INTO members VALUES (?, ?, ?, '{}')",
            [(*place, row["mixpanel_distinct_id"]) for row in rows],
        )
        self._db.executemany(
            "UPDATE members SET properties = json_patch(properties, ?)"
            " WHERE project = ? AND cohort = ? AND distinct_id = ?",
            [(orjson.dumps(row).decode(), *place, row["mixpanel_distinct_id"]) for row in rows],
        )

    def _remove(self, message: Message) -> None:
        self._db.executemany(
            "DELETE FROM members WHERE project = ? AND cohort = ? AND distinct_id = ?",
            [(message.project, message.cohort, row["mixpanel_distinct_id"]) for row in message.members],
        )

    def _stage(self, message: Message) -> None:
        """Keep a page of a full copy; when all have come, they replace what was there, in one step."""
        place = (message.project, message.cohort)
        # a sender that begins anew has given its earlier session up
        self._db.execute(
            "DELETE FROM staged WHERE project = ? AND cohort = ? AND session != ?", (*place, message.session)
        )
        self._db.execute(
            "INSERT OR REPLACE INTO staged VALUES (?, ?, ?, ?, ?, ?)",
            (*place, message.session, message.page, message.total, orjson.dumps(message.members)),
        )
        pages = self._db.execute(
            "SELECT members FROM staged WHERE project = ? AND cohort = ? ORDER BY page", place
        ).fetchall()
        if len(pages) < message.total:
            return
        self._db.execute("DELETE FROM members WHERE project = ? AND cohort = ?", place)
        for page in pages:
            self._add(message, orjson.loads(page["members"]))
        self._db.execute("DELETE FROM staged WHERE project = ? AND cohort = ?", place)

    def shown(self) -> list[dict[str, Any]]:
        """Every cohort with its number of members, and the pages of a full copy that wait."""
        rows = self._db.execute(
            "SELECT c.*, (SELECT count(*) FROM members m WHERE m.project = c.project AND m.cohort = c.cohort) AS size,"
            " (SELECT count(*) FROM staged s WHERE s.project = c.project AND s.cohort = c.cohort) AS staged_pages"
            " FROM cohorts c ORDER BY c.project, c.name"
        )
        return [dict(row) for row in rows]

    def members(self, which: str) -> Iterator[dict[str, Any]]:
        """The members of the cohort with this id or name, by distinct_id. Raises KeyError."""
        found = self._db.execute(
            "SELECT project, cohort FROM cohorts WHERE cohort = ? OR name = ? LIMIT 1", (which, which)
        ).fetchone()
        if found is None:
            raise KeyError(which)
        rows = self._db.execute(
            "SELECT properties FROM members WHERE project = ? AND cohort = ? ORDER BY distinct_id", tuple(found)
        )
        return (orjson.loads(row["properties"]) for row in rows)

    def deliveries(self) -> list[dict[str, Any]]:
        """Every message that was taken, oldest first; `times` is how often it came."""
        return [dict(row) for row in self._db.execute("SELECT * FROM deliveries ORDER BY seq")]

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        return {table: self._db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}

    def clear(self) -> None:
        """Hold nothing."""
        with transaction(self._db):
            for table in TABLES:
                self._db.execute(f"DELETE FROM {table}")
