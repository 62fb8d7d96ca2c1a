"""The one workspace of the sandbox: its credentials, its tables, and what was written but does not show yet."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from hub.testing.sandbox import open_database, transaction

SITE_ID = "5a4d6b8c0e1f2a3b4c5d"
TRACK_KEY = "6e7f8091a2b3c4d5e6f7"
APP_KEY = "0d9e5f4a3b2c1d0e9f8a7b6c5d4e3f2a"
SIGNING_KEY = "sandbox-signing-key-0123456789abcdef0123456789abcdef"
"""The four open nothing but a sandbox."""
ENVIRONMENT = 7
FIRST_FACTS: Mapping[str, Any] = {"region": "us", "unknown_ids": "create", "webhook": None}
"""`unknown_ids`: what becomes of ids in add_customers that nobody has: `create` an empty person, or `ignore` them."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS people (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, email TEXT UNIQUE, attributes TEXT NOT NULL DEFAULT '{}',
    suppressed INTEGER NOT NULL DEFAULT 0, unsubscribed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, description TEXT NOT NULL, type TEXT NOT NULL,
    used INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, updated INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS members (
    segment INTEGER NOT NULL, person INTEGER NOT NULL, PRIMARY KEY (segment, person)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, segment INTEGER NOT NULL, person INTEGER NOT NULL, inside INTEGER NOT NULL,
    due REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS origins (
    sort TEXT NOT NULL, id INTEGER NOT NULL, name TEXT NOT NULL, created INTEGER NOT NULL, PRIMARY KEY (sort, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deliveries (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, person INTEGER NOT NULL,
    sort TEXT NOT NULL, origin INTEGER NOT NULL, subject TEXT NOT NULL, created INTEGER NOT NULL,
    metrics TEXT NOT NULL, failure TEXT
);
CREATE INDEX IF NOT EXISTS deliveries_by_creation ON deliveries (created, n);
CREATE TABLE IF NOT EXISTS outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0, signed INTEGER, answer TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
TABLES = ("people", "segments", "members", "pending", "origins", "deliveries", "outbox")


class Workspace:
    """The tables of the workspace. `lag` is how many seconds a change of a segment takes to show."""

    def __init__(self, db: sqlite3.Connection, lag: float) -> None:
        self.db, self.lag = db, lag

    def fact(self, name: str) -> Any:
        """One of the workspace's facts: `region`, `unknown_ids`, `webhook`."""
        row = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return orjson.loads(row["value"]) if row else FIRST_FACTS[name]

    def state_fact(self, name: str, value: Any) -> None:
        """Change one of them."""
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, orjson.dumps(value).decode()))

    def find(self, id_type: str, keys: Iterable[str]) -> dict[str, sqlite3.Row]:
        """Who has these ids, emails or cio_ids, by key. Emails are folded."""
        wanted = {folded(id_type, key): key for key in keys}
        if id_type == "cio_id":
            numbers = [number for key in wanted if (number := person_number(key)) is not None]
            rows = self._of("n", numbers)
            return {cio_id(row["n"]): row for row in rows}
        return {wanted[row[id_type]]: row for row in self._of(id_type, list(wanted))}

    def _of(self, column: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        query = f"SELECT * FROM people WHERE {column} IN (SELECT value FROM json_each(?))"
        return self.db.execute(query, (orjson.dumps(list(values)).decode(),)).fetchall()

    def make(self, id_type: str, keys: Iterable[str]) -> None:
        """Make people with nothing but a key."""
        rows = [(folded(id_type, key),) for key in keys]
        self.db.executemany(f"INSERT OR IGNORE INTO people ({id_type}) VALUES (?)", rows)

    def move(self, segment: int, people: Iterable[int], *, inside: bool) -> None:
        """Put people into a segment or take them out; it shows after the lag."""
        due = time.time() + self.lag
        rows = [(segment, person, inside, due) for person in people]
        self.db.executemany("INSERT INTO pending (segment, person, inside, due) VALUES (?, ?, ?, ?)", rows)
        if not self.lag:
            self.settle()

    def settle(self, *, all_of_it: bool = False) -> None:
        """Let the changes show whose time has come, in their order."""
        until = float("inf") if all_of_it else time.time()
        rows = self.db.execute("SELECT * FROM pending WHERE due <= ? ORDER BY seq", (until,)).fetchall()
        for row in rows:
            place = (row["segment"], row["person"])
            if row["inside"]:
                self.db.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", place)
            else:
                self.db.execute("DELETE FROM members WHERE segment = ? AND person = ?", place)
        if rows:
            self.db.execute("DELETE FROM pending WHERE seq <= ? AND due <= ?", (rows[-1]["seq"], until))

    def segment(self, number: int) -> sqlite3.Row | None:
        """One segment."""
        row: sqlite3.Row | None = self.db.execute("SELECT * FROM segments WHERE id = ?", (number,)).fetchone()
        return row

    def wipe(self) -> None:
        """Hold nothing, as at first start."""
        with transaction(self.db):
            for table in (*TABLES, "facts"):
                self.db.execute(f"DELETE FROM {table}")
            self.db.execute("DELETE FROM sqlite_sequence")


def opened(path: Any, lag: float) -> Workspace:
    """The workspace in the SQLite file at `path`."""
    return Workspace(open_database(path, SCHEMA), lag)


def cio_id(number: int) -> str:
    """The cio_id of person `number`."""
    return f"a3{number:010x}"


def person_number(text: str) -> int | None:
    """The person with this cio_id; None when it cannot be one."""
    try:
        return int(text[2:], 16) if text.startswith("a3") and len(text) == 12 else None
    except ValueError:
        return None


def folded(id_type: str, key: str) -> str:
    """The form in which two spellings of a key are one."""
    return key.strip().lower() if id_type == "email" else key


def identifiers(row: Mapping[str, Any]) -> dict[str, Any]:
    """A person's three identifiers, as Customer.io tells them."""
    return {"email": row["email"], "id": row["id"], "cio_id": cio_id(int(row["n"]))}


def now() -> int:
    """The present time in seconds since 1970."""
    return int(time.time())
