"""The one workspace of the sandbox: its users, its cohorts, and what was accepted and is not applied yet."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson

from hub.testing.sandbox import transaction

REST_KEY = "5ad0b7c2-4e1f-4c3a-9d86-7b1e2f30a4c5"
"""The REST key that the sandbox accepts, with every permission. It opens nothing but a sandbox."""
PARTNER, PARTNER_KEY, CLIENT_SECRET = "cohorthub", "pk-sandbox-7c1f0e8d", "cs-sandbox-0f6e2a1b"
"""The partner that is known, its key, and the data import key of the workspace."""

ALL_PERMISSIONS = (
    "users.track", "users.export.ids", "segments.list", "email.unsubscribe", "email.hard_bounces",
)  # fmt: skip

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY, braze_id TEXT NOT NULL UNIQUE, external_id TEXT UNIQUE, email TEXT, phone TEXT,
    attributes TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS users_by_email ON users (email);
CREATE TABLE IF NOT EXISTS aliases (
    label TEXT NOT NULL, name TEXT NOT NULL, user_id INTEGER NOT NULL, PRIMARY KEY (label, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS devices (device_id TEXT PRIMARY KEY, user_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cohorts (
    cohort_id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cohort_members (
    cohort_id TEXT NOT NULL, user_id INTEGER NOT NULL, PRIMARY KEY (cohort_id, user_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS queue (seq INTEGER PRIMARY KEY AUTOINCREMENT, due REAL NOT NULL, item BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS addresses (
    list TEXT NOT NULL, email TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (list, email)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (key TEXT PRIMARY KEY, permissions TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, token TEXT NOT NULL, events BLOB NOT NULL,
    status INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

TABLES = ("users", "aliases", "devices", "cohorts", "cohort_members", "queue", "addresses", "keys", "waiting", "facts")
_IDENTIFIERS = ("external_id", "user_alias", "braze_id", "email", "phone")
_FLAGS = ("_update_existing_only",)


class Workspace:
    """The tables. What a call accepts is applied `lag` seconds later, as Braze queues it."""

    def __init__(self, db: sqlite3.Connection, lag: float) -> None:
        self.db, self.lag = db, lag
        self.begin()

    def begin(self) -> None:
        """The state of the first start, unless there is state already."""
        row = (REST_KEY, orjson.dumps(ALL_PERMISSIONS).decode())
        self.db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", row)

    def wipe(self) -> None:
        """Throw everything away and begin again."""
        with transaction(self.db):
            for table in TABLES:
                self.db.execute(f"DELETE FROM {table}")
        self.begin()

    def permissions(self, key: str) -> list[str] | None:
        """What a REST key may do; None for a key that there is not."""
        row = self.db.execute("SELECT permissions FROM keys WHERE key = ?", (key,)).fetchone()
        return None if row is None else list(orjson.loads(row["permissions"]))

    def accept(self, items: list[dict[str, Any]]) -> None:
        """Queue items: `{"track": object}` or `{"cohort": id, "who": {kind: value}, "remove": bool}`."""
        due = time.time() + self.lag
        self.db.executemany(
            "INSERT INTO queue (due, item) VALUES (?, ?)", [(due, orjson.dumps(item)) for item in items]
        )

    def settle(self, *, everything: bool = False) -> int:
        """Apply what is due, in the order in which it was accepted. Returns how much that was."""
        until = float("inf") if everything else time.time()
        with transaction(self.db):
            rows = self.db.execute("SELECT seq, item FROM queue WHERE due <= ? ORDER BY seq", (until,)).fetchall()
            for row in rows:
                item = orjson.loads(row["item"])
                self._track(item["track"]) if "track" in item else self._move(item)
            self.db.executemany("DELETE FROM queue WHERE seq = ?", [(row["seq"],) for row in rows])
        return len(rows)

    def make(self, user: Mapping[str, Any]) -> int:
        """A user, with whatever identifiers are told; returns the row's id."""
        count = self.db.execute("SELECT coalesce(max(id), 0) + 1 FROM users").fetchone()[0]
        made = self.db.execute(
            "INSERT INTO users (braze_id, external_id, email, phone, attributes) VALUES (?, ?, ?, ?, ?)",
            (
                uuid5(NAMESPACE_URL, f"braze:{count}").hex[:24],
                user.get("external_id"),
                user.get("email"),
                user.get("phone"),
                orjson.dumps(user.get("attributes") or {}).decode(),
            ),
        )
        user_id = int(made.lastrowid or 0)
        for alias in user.get("aliases") or ():
            self._name(alias, user_id)
        for device in user.get("devices") or ():
            self.db.execute("INSERT OR REPLACE INTO devices VALUES (?, ?)", (device, user_id))
        return user_id

    def find(self, who: Mapping[str, Any]) -> int | None:
        """The user that the identifiers in `who` mean. Of several with one address, an identified one."""
        for kind in ("external_id", "braze_id"):
            if who.get(kind):
                return self._one(f"SELECT id FROM users WHERE {kind} = ?", who[kind])
        if alias := who.get("user_alias"):
            asked = "SELECT user_id FROM aliases WHERE label = ? AND name = ?"
            return self._one(asked, alias["alias_label"], alias["alias_name"])
        if device := who.get("device_id"):  # of anonymous users alone
            asked = "SELECT user_id FROM devices JOIN users ON id = user_id WHERE device_id = ? AND external_id IS NULL"
            return self._one(asked, device)
        for kind in ("email", "phone"):
            if who.get(kind):
                asked = f"SELECT id FROM users WHERE {kind} = ? ORDER BY external_id IS NULL, id DESC LIMIT 1"
                return self._one(asked, who[kind])
        return None

    def users(self, *, attribute: str = "", value: Any = None) -> Iterator[dict[str, Any]]:
        """Users as they are now, by id; with `attribute` those who have it, with that value if one is told."""
        self.settle()
        for row in self.db.execute("SELECT * FROM users ORDER BY id").fetchall():
            user = {**dict(row), "attributes": orjson.loads(row["attributes"])}
            del user["id"]
            if not attribute or (attribute in user["attributes"] and value in (None, user["attributes"][attribute])):
                yield user

    def count(self, name: str, by: int) -> None:
        """Add to a figure."""
        self.db.execute(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value", (name, by)
        )

    def figure(self, name: str) -> int:
        """A figure that was counted."""
        row = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row["value"])

    def _track(self, told: dict[str, Any]) -> None:
        user_id = self.find(told)
        if user_id is None:
            if told.get("_update_existing_only", "user_alias" in told):
                return
            user_id = self.make({kind: told[kind] for kind in ("external_id", "email", "phone") if told.get(kind)})
            if alias := told.get("user_alias"):
                self._name({"label": alias["alias_label"], "name": alias["alias_name"]}, user_id)
        self._write(user_id, told)

    def _write(self, user_id: int, told: dict[str, Any]) -> None:
        identifier = next(kind for kind in _IDENTIFIERS if told.get(kind))
        row = self.db.execute("SELECT * FROM users WHERE id = ?", (user_id,)).fetchone()
        kept = orjson.loads(row["attributes"])
        written = {name: value for name, value in told.items() if name not in _FLAGS and name != identifier}
        for name, value in written.items():
            if name in ("email", "phone"):
                self.db.execute(f"UPDATE users SET {name} = ? WHERE id = ?", (value, user_id))
            elif value is None:
                kept.pop(name, None)
            else:
                kept[name] = value
        self.db.execute("UPDATE users SET attributes = ? WHERE id = ?", (orjson.dumps(kept).decode(), user_id))
        self.count("data_points", len(written))  # each write is one, changed or not

    def _move(self, item: dict[str, Any]) -> None:
        user_id = self.find(item["who"])
        if user_id is None:
            return
        row = (item["cohort"], user_id)
        if item["remove"]:
            self.db.execute("DELETE FROM cohort_members WHERE cohort_id = ? AND user_id = ?", row)
        else:
            self.db.execute("INSERT OR IGNORE INTO cohort_members VALUES (?, ?)", row)
        self.count("data_points", 1)

    def _name(self, alias: Mapping[str, str], user_id: int) -> None:
        with suppress(sqlite3.IntegrityError):
            self.db.execute("INSERT INTO aliases VALUES (?, ?, ?)", (alias["label"], alias["name"], user_id))

    def _one(self, asked: str, *values: Any) -> int | None:
        row = self.db.execute(asked, values).fetchone()
        return None if row is None else int(row[0])
