"""The partner endpoints: cohorts by name, people in and out of them by their keys."""

from __future__ import annotations

import asyncio
from datetime import datetime
from hmac import compare_digest
from typing import Any

from hub_braze.sandbox.web import Call, Json, Refused
from hub_braze.sandbox.workspace import CLIENT_SECRET, PARTNER, PARTNER_KEY, Workspace

MOST_IDS = 1000
LOCKED_SECONDS = 0.005
"""How long a cohort is being written: a call in that time is answered 423."""

_KINDS = {"user_ids": "external_id", "device_ids": "device_id", "aliases": "user_alias"}


class Partners:
    """The two calls of the partner that is known."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._locked: set[str] = set()

    async def create(self, call: Call) -> tuple[int, Json]:
        """`POST /partners/{partner}/cohorts`: make a cohort, or name it anew."""
        _authenticate(call)
        cohort, name, created = (call.body.get(part) for part in ("cohort_id", "name", "created_at"))
        if not isinstance(cohort, str) or not cohort:
            raise Refused(400, "cohort_id is not a valid string")
        if not isinstance(name, str) or not name:
            raise Refused(400, "name is empty")
        try:
            datetime.fromisoformat(str(created))
        except ValueError as error:
            raise Refused(400, "created_at is not in ISO-8601") from error
        self._workspace.db.execute(
            "INSERT INTO cohorts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET name = excluded.name",
            (cohort, name, created),
        )
        return 201, {"message": "success"}

    async def change(self, call: Call) -> tuple[int, Json]:
        """`POST /partners/{partner}/cohorts/users`: queue who comes in and who goes out."""
        _authenticate(call)
        cohort, changes = call.body.get("cohort_id"), call.body.get("cohort_changes")
        if not isinstance(cohort, str) or not cohort:
            raise Refused(400, "cohort_id is not a valid string")
        if not isinstance(changes, list) or not all(isinstance(change, dict) for change in changes):
            raise Refused(400, "cohort_changes is not an array of objects")
        items = [item for change in changes for item in _items(cohort, change)]
        if len(items) > MOST_IDS:
            raise Refused(400, "Only 1,000 user_ids, device_ids, and aliases are allowed per request")
        if cohort in self._locked:
            raise Refused(423, "Resource locked")
        self._locked.add(cohort)
        try:
            await asyncio.sleep(LOCKED_SECONDS if items else 0)
            self._workspace.accept(items)
        finally:
            self._locked.discard(cohort)
        return 201, {"message": "success"}


def _items(cohort: str, change: dict[str, Any]) -> list[dict[str, Any]]:
    remove = change.get("should_remove", False)
    found = []
    for field, kind in _KINDS.items():
        ids = change.get(field) or []
        if not isinstance(ids, list) or not isinstance(remove, bool):
            raise Refused(400, "cohort_changes has a wrong shape")
        if kind == "user_alias" and not all({"alias_name", "alias_label"} <= set(each) for each in ids):
            raise Refused(400, "alias_name and alias_label are required")
        found += [{"cohort": cohort, "who": {kind: each}, "remove": remove} for each in ids]
    return found


def _authenticate(call: Call) -> None:
    if call.path["partner"] != PARTNER:
        raise Refused(404, "Invalid URL")
    if not compare_digest(str(call.body.get("partner_api_key", "")).encode(), PARTNER_KEY.encode()):
        raise Refused(401, "Invalid partner key")
    if not compare_digest(str(call.body.get("client_secret", "")).encode(), CLIENT_SECRET.encode()):
        raise Refused(401, "Invalid client secret")
