"""The ordinary REST API: attributes in, users out, segments, and lists of addresses."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

from hub_braze.sandbox.web import Call, Json, Refused
from hub_braze.sandbox.workspace import Workspace

MOST_OBJECTS = 75
MOST_EXPORTED = 50
BLACKLISTED = frozenset({"null", "undefined", "0", "nil", "none", "test"})
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_IDENTIFIERS = ("external_id", "user_alias", "braze_id", "email", "phone")


class Rest:
    """The calls, on one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def track(self, call: Call) -> tuple[int, Json]:
        """`POST /users/track`: attributes are checked one by one, queued, and applied later."""
        given = {part: call.body.get(part) or [] for part in ("attributes", "events", "purchases")}
        if not all(isinstance(objects, list) for objects in given.values()) or not any(given.values()):
            raise Refused(400, "No attributes, events or purchases were given")
        if sum(map(len, given.values())) > MOST_OBJECTS:
            raise Refused(400, "Max input length exceeded")
        errors, taken = [], []
        for index, told in enumerate(given["attributes"]):
            fault = _fault(told)
            if fault is None:
                taken.append({"track": told})
            else:
                errors.append({"type": fault, "input_array": "attributes", "index": index})
        if errors and not taken and not given["events"] and not given["purchases"]:
            raise Refused(
                400, "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields.", errors
            )
        self._workspace.accept(taken)
        processed = {f"{part}_processed": len(objects) for part, objects in given.items() if objects}
        processed |= {"attributes_processed": len(taken)} if given["attributes"] else {}
        return 201, {"message": "success", **processed, **({"errors": errors} if errors else {})}

    async def export(self, call: Call) -> tuple[int, Json]:
        """`POST /users/export/ids`: what is known of up to 50 users, by external id or alias."""
        ids, aliases = call.body.get("external_ids") or [], call.body.get("user_aliases") or []
        if len(ids) + len(aliases) > MOST_EXPORTED:
            raise Refused(400, "max number of ids per request was exceeded")
        if not call.body.get("fields_to_export"):
            raise Refused(400, "'fields_to_export' is required")
        self._workspace.settle()
        known = {user["braze_id"]: user for user in self._workspace.users()}
        wanted = [{"external_id": each} for each in ids] + [{"user_alias": each} for each in aliases]
        rows = [self._workspace.find(who) for who in wanted]
        found = self._workspace.db.execute(
            f"SELECT id, braze_id FROM users WHERE id IN ({','.join('?' * len(rows))})", rows
        ).fetchall()
        users = [known[row["braze_id"]] for row in found]
        missing = [who.get("external_id") for who, row in zip(wanted, rows, strict=True) if row is None]
        return 201, {
            "message": "success",
            "users": [{**user, "custom_attributes": user.pop("attributes")} for user in users],
            "invalid_user_ids": missing,
        }

    async def segments(self, call: Call) -> tuple[int, Json]:
        """`GET /segments/list`: the one segment that every workspace has."""
        first = int(call.query.get("page", 0)) == 0
        everybody = {"id": "0a1b2c3d-all-users", "name": "All Users", "analytics_tracking_enabled": False, "tags": []}
        return 200, {"message": "success", "segments": [everybody] if first else []}

    async def unsubscribes(self, call: Call) -> tuple[int, Json]:
        """`GET /email/unsubscribes`."""
        return self._addresses(call, "unsubscribes", "unsubscribed_at")

    async def hard_bounces(self, call: Call) -> tuple[int, Json]:
        """`GET /email/hard_bounces`."""
        return self._addresses(call, "hard_bounces", "hard_bounced_at")

    def _addresses(self, call: Call, name: str, field: str) -> tuple[int, Json]:
        start, end, email = (call.query.get(part) for part in ("start_date", "end_date", "email"))
        if not end or not (start or email):
            raise Refused(400, "'end_date' and one of 'start_date' and 'email' are required")
        limit, offset = int(call.query.get("limit", 100)), int(call.query.get("offset", 0))
        if limit > 500:
            raise Refused(400, "'limit' is at most 500")
        rows = self._workspace.db.execute(
            "SELECT email, at FROM addresses WHERE list = ? AND at >= ? AND at < ? AND (? IS NULL OR email = ?)"
            " ORDER BY at, email LIMIT ? OFFSET ?",
            (name, _midnight(start or "1970-01-01"), _midnight(end), email, email, limit, offset),
        )
        shown = [
            {"email": row["email"], field: f"{datetime.fromtimestamp(row['at'], UTC):%F %T} +0000"} for row in rows
        ]
        return 200, {"emails": shown, "message": "success"}


def _fault(told: Any) -> str | None:
    if not isinstance(told, dict):
        return "Each object is a JSON object"
    named = [kind for kind in _IDENTIFIERS if told.get(kind)]
    external_id, email = str(told.get("external_id") or ""), told.get("email")
    faults = {
        "'external_id' or 'braze_id' or 'user_alias' is required": not named,
        "Only one of 'external_id', 'braze_id' and 'user_alias' may be given": len({*named} - {"email", "phone"}) > 1,
        "provided external_id is blacklisted and disallowed": external_id.lower() in BLACKLISTED,
        "'external_id' is too long": len(external_id.encode()) >= 988,
        "'email' is invalid": bool(email) and not _EMAIL.fullmatch(str(email)),
        "The name of an attribute is too long": any(len(name) > 255 for name in told),
    }
    return next((fault for fault, is_there in faults.items() if is_there), None)


def _midnight(day: str) -> int:
    try:
        at = date.fromisoformat(day)
    except ValueError as error:
        raise Refused(400, f"{day!r} is not a date") from error
    return int(datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp())
