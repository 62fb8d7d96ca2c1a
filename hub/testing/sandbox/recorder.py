"""What was asked of the sandbox: a row a request, in SQLite, kept over restarts. No header is recorded."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson

from hub.testing.sandbox.database import open_database

READING = frozenset({"GET", "HEAD", "OPTIONS"})
SECRET_PARAMETERS = frozenset({"api_key", "apikey", "access_token", "token", "key", "secret", "client_secret"})

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    query TEXT NOT NULL,
    writing INTEGER NOT NULL,
    status INTEGER,
    milliseconds REAL,
    items INTEGER,
    digest TEXT,
    keys BLOB,
    fault TEXT,
    dropped INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS bodies (digest TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""


class Recorder:
    """Remembers requests in the file at `path`; with `keep_bodies` the bodies of writing calls too."""

    def __init__(self, path: Path, *, keep_bodies: bool = False) -> None:
        self._db = open_database(path, _SCHEMA)
        self._keep_bodies = keep_bodies

    def arrived(self, method: str, path: str, query: str, body: bytes, keys: Sequence[str] | None) -> int:
        """Note a request as it comes in; returns its sequence number.

        `keys` are the member keys of a writing call (None when it has none). The digest is of method, path
        and body, so two rows with one digest are one batch sent twice.
        """
        writing = method not in READING
        digest = _digest(method, path, body) if writing else None
        if digest and self._keep_bodies:
            self._db.execute("INSERT OR IGNORE INTO bodies VALUES (?, ?)", (digest, body))
        packed = None if keys is None else orjson.dumps(list(keys))
        items = None if keys is None else len(keys)
        row = (time.time(), method, path, redacted(query), writing, items, digest, packed)
        inserted = self._db.execute(
            "INSERT INTO requests (at, method, path, query, writing, items, digest, keys)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        return int(inserted.lastrowid or 0)

    def answered(
        self,
        seq: int,
        *,
        status: int | None,
        milliseconds: float,
        fault: str | None = None,
        dropped: bool = False,
    ) -> None:
        """Note how request `seq` ended. `status` is what was or would have been sent; None: no work was done.

        `dropped` says that the client did not get the whole answer. A row that was never answered has a null
        `milliseconds`: the sandbox was killed in the middle of it.
        """
        self._db.execute(
            "UPDATE requests SET status = ?, milliseconds = ?, fault = ?, dropped = ? WHERE seq = ?",
            (status, round(milliseconds, 3), fault, dropped, seq),
        )

    def requests(
        self, *, since: int = 0, writing: bool = False, keys: bool = False, limit: int = 10_000
    ) -> list[dict[str, Any]]:
        """The requests after number `since`, oldest first; `keys` adds the member keys of writing calls."""
        rows = self._db.execute(
            "SELECT * FROM requests WHERE seq > ? AND writing >= ? ORDER BY seq LIMIT ?",
            (since, writing, limit),
        )
        return [_shown(row, keys) for row in rows]

    def repeats(self) -> list[dict[str, Any]]:
        """Writing calls that came more than once with one body: `digest, method, path, items, seqs`."""
        rows = self._db.execute(
            "SELECT digest, method, path, max(items) AS items, group_concat(seq) AS seqs FROM requests"
            " WHERE digest IS NOT NULL GROUP BY digest HAVING count(*) > 1 ORDER BY min(seq)"
        )
        return [{**dict(row), "seqs": sorted(int(seq) for seq in row["seqs"].split(","))} for row in rows]

    def body(self, digest: str) -> bytes | None:
        """The body with this digest, if bodies are kept."""
        row = self._db.execute("SELECT body FROM bodies WHERE digest = ?", (digest,)).fetchone()
        return None if row is None else bytes(row["body"])

    def count(self) -> int:
        """How many requests are on record."""
        return int(self._db.execute("SELECT count(*) FROM requests").fetchone()[0])

    def clear(self) -> None:
        """Forget every request. Sequence numbers go on."""
        self._db.execute("DELETE FROM requests")
        self._db.execute("DELETE FROM bodies")

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def redacted(query: str) -> str:
    """A query string with the values of parameters that hold secrets replaced by `***`."""
    if not any(name in query.lower() for name in SECRET_PARAMETERS):
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    return urlencode([(name, "***" if name.lower() in SECRET_PARAMETERS else value) for name, value in pairs])


def _digest(method: str, path: str, body: bytes) -> str:
    return hashlib.blake2b(f"{method} {path}\n".encode() + body, digest_size=16).hexdigest()


def _shown(row: sqlite3.Row, with_keys: bool) -> dict[str, Any]:
    shown = dict(row)
    keys = shown.pop("keys")
    shown["at"] = datetime.fromtimestamp(shown["at"], UTC).isoformat()
    shown["writing"], shown["dropped"] = bool(shown["writing"]), bool(shown["dropped"])
    if with_keys:
        shown["keys"] = None if keys is None else orjson.loads(keys)
    return shown
