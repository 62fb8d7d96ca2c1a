"""A second evaluator, to hold the first one against: plain Python over lists, written from the design page alone.

It reads the definition as the file has it, one person at a time, and compares local dates where the hub computes edges.
"""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.lake_rows import EventRow, ProfileRow

MISSING = object()


def brute_force(
    document: Mapping[str, Any],
    events: Sequence[EventRow],
    profiles: Sequence[ProfileRow],
    now: datetime,
    zone: ZoneInfo,
    identity: Mapping[str, str] | None = None,
) -> set[str]:
    """The people for whom the document holds."""
    newest: dict[str, ProfileRow] = {}
    for row in profiles:
        if row.distinct_id not in newest or newest[row.distinct_id].seq < row.seq:
            newest[row.distinct_id] = row
    alive = {row.distinct_id: row for row in newest.values() if not row.deleted}
    owner = dict(identity or {})
    properties: dict[str, ProfileRow] = {}
    for row in sorted(
        alive.values(), key=lambda each: (owner.get(each.distinct_id, each.distinct_id) == each.distinct_id, each.seq)
    ):
        properties[owner.get(row.distinct_id, row.distinct_id)] = row
    done: dict[str, list[EventRow]] = {}
    for event in events:
        if event.time <= now and event.person:
            done.setdefault(_person(event, alive, owner), []).append(event)
    return {
        person
        for person in {*properties, *done}
        if _holds(
            document, done.get(person, []), properties[person].properties if person in properties else {}, now, zone
        )
    }


def _person(event: EventRow, alive: Mapping[str, ProfileRow], owner: Mapping[str, str]) -> str:
    if event.person.startswith("$match:"):
        _, name, value = event.person.split(":", 2)
        for distinct_id in sorted(alive):
            found = alive[distinct_id].properties.get(name)
            if isinstance(found, str) and (found.strip().lower() if name == "$email" else found) == value:
                return owner.get(distinct_id, distinct_id)
        return event.person
    return owner.get(event.person, event.person)


def _holds(clause: Any, events: Any, profile: Any, now: datetime, zone: ZoneInfo) -> bool:
    inner = lambda each: _holds(each, events, profile, now, zone)  # noqa: E731
    if "all" in clause:
        return all(inner(each) for each in clause["all"])
    if "any" in clause:
        return any(inner(each) for each in clause["any"])
    if "not" in clause:
        return not inner(clause["not"])
    if "profile" in clause:
        return _passes(profile.get(clause["profile"], MISSING), clause["op"], clause.get("value"))
    name = clause.get("did", clause.get("did_not"))
    matching = [
        event
        for event in events
        if name in ("any event", event.event)
        and _within(clause.get("window"), event.time, now, zone)
        and all(_event_passes(test, event) for test in clause.get("where", []))
    ]
    holds = _count_holds(clause.get("count", {"at_least": 1}), len(matching))
    return holds if "did" in clause else not holds


def _count_holds(count: Mapping[str, int], times: int) -> bool:
    ((word, n),) = count.items()
    return {
        "at_least": times >= n,
        "at_most": times <= n,
        "exactly": times == n,
        "more_than": times > n,
        "fewer_than": times < n,
    }[word]


def _event_passes(test: Any, event: EventRow) -> bool:
    if "all" in test:
        return all(_event_passes(each, event) for each in test["all"])
    if "any" in test:
        return any(_event_passes(each, event) for each in test["any"])
    if "not" in test:
        return not _event_passes(test["not"], event)
    return _passes(event.properties.get(test["property"], MISSING), test["op"], test.get("value"))


def _passes(found: Any, op: str, value: Any) -> bool:
    missing = found is MISSING or found is None
    if op == "is set":
        return not missing
    if op == "is not set":
        return missing
    if op in ("!=", "not in", "does not contain"):
        return not _passes(found, {"!=": "=", "not in": "in", "does not contain": "contains"}[op], value)
    if missing:
        return False
    if op == "=":
        return _kind(found) == _kind(value) and found == value
    if op == "in":
        return any(_passes(found, "=", each) for each in value)
    if op in ("contains", "starts with", "ends with"):
        if not isinstance(found, str):
            return False
        text, part = found.lower(), value.lower()
        return {"contains": part in text, "starts with": text.startswith(part), "ends with": text.endswith(part)}[op]
    if op == "between":
        return _passes(found, ">=", value[0]) and _passes(found, "<=", value[1])
    if _kind(value) == "number":
        return _kind(found) == "number" and _ordered(op, found, value)
    instant = _instant(found)
    if instant is None:
        return False
    if len(value) == 10:  # a whole day: compare days
        return _ordered(op, instant.date(), date.fromisoformat(value))
    return _ordered(op, instant, _instant(value))


def _ordered(op: str, left: Any, right: Any) -> bool:
    return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[op]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def _instant(value: Any) -> datetime | None:
    if not isinstance(value, str) or value[4:5] != "-":
        return None
    found = datetime.fromisoformat(value)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _within(window: Any, time: datetime, now: datetime, zone: ZoneInfo) -> bool:
    if window is None:
        return True
    if "last" in window:
        return time >= _earlier(now, window["last"]["n"], window["last"]["unit"], zone)
    if "more_than_ago" in window:
        span = window["more_than_ago"]
        return time < _earlier(now, span["n"], span["unit"], zone)
    if "between_ago" in window:
        span = window["between_ago"]
        return _earlier(now, span["n"], span["unit"], zone) <= time < _earlier(now, span["m"], span["unit"], zone)
    day = time.astimezone(zone).date().isoformat()
    if "since" in window:
        return day >= window["since"]
    if "before" in window:
        return day < window["before"]
    return window["from"] <= day <= window["to"]


def _earlier(now: datetime, n: int, unit: str, zone: ZoneInfo) -> datetime:
    if unit == "hour":
        return now - timedelta(hours=n)
    if unit in ("day", "week"):
        return now - timedelta(hours=24 * n * (7 if unit == "week" else 1))
    local = now.astimezone(zone).replace(tzinfo=None)
    year, month = local.year, local.month
    for _ in range(n):
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    day = min(local.day, calendar.monthrange(year, month)[1])
    return datetime(year, month, day, *local.timetuple()[3:6], local.microsecond, tzinfo=zone).astimezone(UTC)
