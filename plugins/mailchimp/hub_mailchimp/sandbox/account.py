"""The one account of the sandbox: its facts, its tables, and what it remembers between requests."""

from __future__ import annotations

import sqlite3
import time
from array import array
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hub.testing.sandbox import Lagging, transaction

API_KEY = "5a4d6b8c0e1f2a3b4c5d6e7f8091a2b3-us6"
"""The key that the sandbox accepts. It opens nothing but a sandbox."""
CLIENT_ID, CLIENT_SECRET = "635959587059", "0da3e7744949e1406b7b250051ee1a95"
"""The app that the sandbox knows. Its redirect addresses are those on this machine."""
FIRST_LIST = "a6b5da1054"
"""The id of the audience that exists at first start."""

ACCOUNT: dict[str, Any] = {
    "account_id": "8d3a3db4d97663a9074efcc16",
    "login_id": "1001",
    "account_name": "Sandbox account",
    "email": "owner@sandbox.example",
    "first_name": "Sandy",
    "last_name": "Box",
    "role": "owner",
    "account_timezone": "UTC",
    "pricing_plan_type": "forever_free",
    "member_since": "2026-01-01T00:00:00+00:00",
}

SCHEMA = """
CREATE TABLE IF NOT EXISTS lists (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    double_optin INTEGER NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS merge_fields (
    list_id TEXT NOT NULL,
    merge_id INTEGER NOT NULL,
    tag TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    required INTEGER NOT NULL DEFAULT 0,
    public INTEGER NOT NULL DEFAULT 0,
    default_value TEXT NOT NULL DEFAULT '',
    choices TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (list_id, merge_id),
    UNIQUE (list_id, tag)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contacts (
    id INTEGER PRIMARY KEY,
    list_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    email TEXT NOT NULL,
    status TEXT NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0,
    email_type TEXT NOT NULL DEFAULT 'html',
    merge TEXT NOT NULL DEFAULT '{}',
    created INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    UNIQUE (hash, list_id)
);
CREATE TABLE IF NOT EXISTS forgotten (
    list_id TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (list_id, hash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id TEXT NOT NULL,
    name TEXT NOT NULL,
    folded TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    UNIQUE (list_id, folded)
);
CREATE TABLE IF NOT EXISTS segment_members (
    segment_id INTEGER NOT NULL, contact_id INTEGER NOT NULL, PRIMARY KEY (segment_id, contact_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS segments_of_contact ON segment_members (contact_id);
CREATE TABLE IF NOT EXISTS campaigns (
    id TEXT PRIMARY KEY,
    list_id TEXT NOT NULL,
    segment_id INTEGER,
    type TEXT NOT NULL,
    subject TEXT NOT NULL,
    title TEXT NOT NULL,
    created INTEGER NOT NULL,
    send_time INTEGER NOT NULL,
    emails_sent INTEGER NOT NULL,
    opens INTEGER NOT NULL,
    unique_opens INTEGER NOT NULL,
    clicks INTEGER NOT NULL,
    unique_clicks INTEGER NOT NULL,
    hard_bounces INTEGER NOT NULL,
    soft_bounces INTEGER NOT NULL,
    unsubscribed INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS recipients (
    campaign_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    hash TEXT NOT NULL,
    email TEXT NOT NULL,
    merge TEXT NOT NULL,
    status TEXT NOT NULL,
    open_count INTEGER NOT NULL,
    last_open INTEGER,
    PRIMARY KEY (campaign_id, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activity (
    campaign_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    ip TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS activity_of_recipient ON activity (campaign_id, n, at);
CREATE TABLE IF NOT EXISTS unsubscribes (
    campaign_id TEXT NOT NULL,
    n INTEGER NOT NULL,
    hash TEXT NOT NULL,
    email TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (campaign_id, n)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhooks (
    id TEXT PRIMARY KEY,
    list_id TEXT NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    sources TEXT NOT NULL,
    secret TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    webhook_id TEXT NOT NULL,
    type TEXT NOT NULL,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    status INTEGER,
    next_at INTEGER
);
CREATE TABLE IF NOT EXISTS batches (
    id TEXT PRIMARY KEY,
    operations TEXT NOT NULL,
    submitted REAL NOT NULL,
    completed REAL,
    total INTEGER NOT NULL,
    errored INTEGER NOT NULL DEFAULT 0,
    results BLOB
);
CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY) WITHOUT ROWID;
"""

TABLES = (
    "lists",
    "merge_fields",
    "contacts",
    "forgotten",
    "segments",
    "segment_members",
    "campaigns",
    "recipients",
    "activity",
    "unsubscribes",
    "webhooks",
    "deliveries",
    "batches",
    "tokens",
)

FIRST_FIELDS = (("FNAME", "First Name", "text"), ("LNAME", "Last Name", "text"), ("PHONE", "Phone Number", "phone"))


@dataclass
class Account:
    """The tables, and two memories that every write empties or lets grow old.

    `counts` imitates Mailchimp's cached statistics. `pages` holds the ids of a long collection in order, so that the
    pages of a million members cost one look over them and not one look a page.
    """

    db: sqlite3.Connection
    counts: Lagging[tuple[str, str], Any]
    pages: dict[tuple[Any, ...], array[int]] = field(default_factory=dict)
    batch_seconds: float = 0.0
    """How long a batch is worked on."""
    batch_faults: list[dict[str, Any]] = field(default_factory=list)
    """Operations of batches that are to fail: {contains, status, count}."""
    signs: bool = True
    """Whether webhooks that are made now are signed; at Mailchimp, those from before it signed any are not."""

    def knows(self, token: str) -> bool:
        """Whether OAuth gave this token, and nobody revoked it."""
        return self.db.execute("SELECT 1 FROM tokens WHERE token = ?", (token,)).fetchone() is not None

    def written(self) -> None:
        """To be called after each write."""
        self.pages.clear()


def now() -> int:
    """The present time in whole seconds since 1970, as Mailchimp's times are."""
    return int(time.time())


def iso(seconds: int | None) -> str:
    """A time as Mailchimp writes it: `2026-11-20T10:21:07+00:00`; empty for None."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def add_list(db: sqlite3.Connection, list_id: str, name: str, *, double_optin: bool) -> None:
    """Make an audience with the merge fields that a new one has."""
    db.execute("INSERT INTO lists VALUES (?, ?, ?, ?)", (list_id, name, double_optin, now()))
    db.executemany(
        "INSERT INTO merge_fields (list_id, merge_id, tag, name, type) VALUES (?, ?, ?, ?, ?)",
        [(list_id, place, *first) for place, first in enumerate(FIRST_FIELDS, 1)],
    )


def begin(db: sqlite3.Connection) -> None:
    """The state of the first start, unless there is state already."""
    with transaction(db):
        if db.execute("SELECT 1 FROM lists").fetchone() is None:
            add_list(db, FIRST_LIST, "Sandbox audience", double_optin=False)


def wipe(db: sqlite3.Connection) -> None:
    """Throw everything away and begin again."""
    with transaction(db):
        for table in TABLES:
            db.execute(f"DELETE FROM {table}")
    begin(db)
