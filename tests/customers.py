"""People of a test: customers with purchases, written as the files that users import."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.app import Hub

LOYAL = """
version: 1
all:
  - did: Purchase
    count: {at_least: 3}
  - did_not: Returned
"""
"""The cohort of the sync tests: three purchases or more, and never returned anything."""


def email(name: str) -> str:
    """The e-mail address of the person called `name`."""
    return f"{name}@shop.example"


def buy(hub: Hub, folder: Path, names: Iterable[str], *, event: str = "Purchase", times: int = 3) -> None:
    """Import events of these people: `times` purchases (or other events) each."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    lines = [
        {
            "event": event,
            "properties": {
                "distinct_id": name,
                "time": int((start + timedelta(hours=number)).timestamp()),
                "$insert_id": f"{event[:3]}-{name}-{number}",
                "amount": 10 + number,
            },
        }
        for name in names
        for number in range(times)
    ]
    hub.events.import_file(str(_write(folder, lines)))


def describe(hub: Hub, folder: Path, names: Iterable[str], **properties: object) -> None:
    """Import profiles of these people: their e-mail address, and `properties`."""
    lines = [{"$distinct_id": name, "$set": {"$email": email(name), **properties}} for name in names]
    hub.profiles.import_file(str(_write(folder, lines)))


def _write(folder: Path, lines: list[dict[str, object]]) -> Path:
    path = folder / f"{len([*folder.glob('*.jsonl')]):04}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


NAMES = [f"p{number:03}" for number in range(40)]
"""The loyal customers of the `connected` hub."""


def know(partner, names) -> None:
    """Let the partner's audience have these people, subscribed."""
    partner.admin.post(
        "/contacts",
        {"list_id": "a6b5da1054", "contacts": [{"email": email(name), "status": "subscribed"} for name in names]},
    )


def tagged(partner, tag: str = "hub: loyal") -> set[str]:
    """Who has the tag, by the partner's own word."""
    return {*partner.admin.get(f"/tags/{tag}/members")["emails"]}


def in_cohort(hub, name: str = "loyal") -> set[str]:
    """Who is in the cohort, by `hub cohort members`."""
    return {member["email"] for member in hub.cohorts.members(name)}
