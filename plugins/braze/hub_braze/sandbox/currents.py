"""Currents: batches that are really posted, with Braze's reactions to the answers, and files that are really written.

Sources: the custom HTTP connector's page for the reactions, https://www.braze.com/docs/user_guide/data/distribution/
braze_currents/event_delivery_semantics/ for the files.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import orjson

from hub_braze.sandbox.engagement import Event, flat
from hub_braze.sandbox.workspace import Workspace

EVENTS_A_BATCH = 100
_EXPORT = "dataexport.prod-03.S3.integration.5f8d04e2c9b1a7001c3e9a10"
_AVRO_TYPES = {bool: "boolean", int: "long", float: "double", str: "string"}


@dataclass
class Posted:
    """What became of events: `statuses` of each request in order; `dropped` are ids of events given up."""

    statuses: list[int] = field(default_factory=list)
    delivered: int = 0
    dropped: list[str] = field(default_factory=list)
    waiting: int = 0


class Currents:
    """Posts and retries, on one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._db = workspace.db

    async def post(self, url: str, token: str, events: Sequence[Event], *, size: int = EVENTS_A_BATCH) -> Posted:
        """Post events in batches; no event is Braze's probe, an empty batch."""
        posted = Posted()
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            for first in range(0, max(len(events), 1), size):
                await self._batch(http, url, token, list(events[first : first + size]), posted)
        return posted

    async def retry(self) -> Posted:
        """Post again what was not taken: at Braze that happens by itself, every few minutes, for a day or two."""
        posted = Posted()
        rows = self._db.execute("SELECT * FROM waiting ORDER BY seq").fetchall()
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            for row in rows:
                self._db.execute("DELETE FROM waiting WHERE seq = ?", (row["seq"],))
                await self._batch(http, row["url"], row["token"], orjson.loads(row["events"]), posted)
        return posted

    async def _batch(self, http: httpx.AsyncClient, url: str, token: str, events: list[Event], posted: Posted) -> None:
        status = await _post(http, url, token, events)
        posted.statuses.append(status)
        if 200 <= status < 300:
            posted.delivered += len(events)
        elif status in (400, 413) and len(events) > 1:  # one by one, or smaller
            middle = 1 if status == 400 else len(events) // 2
            for first in range(0, len(events), middle):
                await self._batch(http, url, token, events[first : first + middle], posted)
        elif status in (400, 413):
            posted.dropped += [event["id"] for event in events]
        elif events:
            posted.waiting += len(events)
            row = (url, token, orjson.dumps(events), status)
            self._db.execute("INSERT INTO waiting (url, token, events, status) VALUES (?, ?, ?, ?)", row)


async def _post(http: httpx.AsyncClient, url: str, token: str, events: Sequence[Event]) -> int:
    headers = {"Content-Type": "application/json", "Braze-Currents-Version": "1"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = await http.post(url, content=orjson.dumps({"events": list(events)}), headers=headers)
    except httpx.HTTPError:
        return 0
    return answer.status_code


async def write(folder: Path, events: Sequence[Event], form: str, offsets: Iterator[int]) -> list[str]:
    """Write events as Braze does: a file for each type and hour. Returns the paths below the folder.

    `form` is `avro`, `json` (lines), or `wrapped`: JSON lines as tools make them of Avro.
    """
    by_place: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        hour = datetime.fromtimestamp(event["time"], UTC).strftime("%Y-%m-%d-%H")
        by_place[event["event_type"], hour].append(flat(event))
    written = []
    for (event_type, hour), rows in sorted(by_place.items()):
        ending = "avro" if form == "avro" else "json"
        place = Path(_EXPORT, f"event_type={event_type}", f"date={hour}", "417", "prod-03")
        path = place / f"{_EXPORT}+0+{next(offsets):020}.{ending}"
        (folder / place).mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_write, folder / path, rows, form)
        written.append(str(path))
    return written


def _write(path: Path, rows: Sequence[Event], form: str) -> None:
    types = {name: _type(value) for row in rows for name, value in row.items() if value is not None}
    if form == "avro":
        _write_avro(path, rows, types)
        return
    wrap = form == "wrapped"
    lines = [orjson.dumps(_wrapped(row, types) if wrap else row) for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def _write_avro(path: Path, rows: Sequence[Event], types: dict[str, Any]) -> None:
    import fastavro

    names = sorted({name for row in rows for name in row})
    fields: list[dict[str, Any]] = [
        {"name": name, "type": types[name]}
        if name in ("id", "time", "user_id")
        else {"name": name, "type": ["null", types.get(name, "string")], "default": None}
        for name in names
    ]
    schema = fastavro.parse_schema({"type": "record", "name": "Event", "namespace": "com.braze", "fields": fields})
    with path.open("wb") as file:
        fastavro.writer(file, schema, rows, codec="null")


def _type(value: Any) -> Any:
    return {"type": "array", "items": "string"} if isinstance(value, list) else _AVRO_TYPES[type(value)]


def _wrapped(row: Event, types: dict[str, Any]) -> Event:
    return {name: _wrap(types[name], value) if _may_be_null(name, value) else value for name, value in row.items()}


def _may_be_null(name: str, value: Any) -> bool:
    return value is not None and name not in ("id", "time", "user_id")


def _wrap(avro: Any, value: Any) -> dict[str, Any]:
    return {avro if isinstance(avro, str) else "array": value}


def numbering() -> Iterator[int]:
    """Offsets for files, from the first on."""
    return count()
