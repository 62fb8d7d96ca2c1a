"""The Track API: where a workspace is, people in batches, and who is put into a segment or taken out.

What is accepted is not judged further: keys of the wrong kind, of nobody and of suppressed people are passed over in
silence, as at Customer.io.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

import orjson

from hub_customerio.sandbox.web import Call, Json, Refused, track_error
from hub_customerio.sandbox.workspace import ENVIRONMENT, Workspace, folded

BODY_BYTES, ITEM_BYTES, MOST_IDS = 500_000, 32_000, 1000
ID_BYTES, NAME_BYTES, VALUE_BYTES, MOST_ATTRIBUTES = 150, 150, 1000, 300
ID_TYPES = ("id", "email", "cio_id")


def region(call: Call) -> Json:
    """GET /api/v1/accounts/region: the same at every host."""
    place = call.workspace.fact("region")
    host = "track.customer.io" if place == "us" else f"track-{place}.customer.io"
    return {"url": f"https://{host}", "region": place, "environment_id": ENVIRONMENT}


def batch(call: Call) -> Json:
    """POST /api/v2/batch: 207 when some items are refused; all others are taken."""
    if len(call.body) >= BODY_BYTES:
        raise Refused(413, {"errors": [{"reason": "too_large", "field": "batch", "message": "body is over 500 KB"}]})
    items = call.json().get("batch")
    if not isinstance(items, list) or not items:
        raise Refused(400, {"errors": [{"reason": "required", "field": "batch", "message": "batch is required"}]})
    errors = []
    for place, item in enumerate(items):
        try:
            _identify(call.workspace, item)
        except _BadItem as bad:
            errors.append({"batch_index": place, "reason": bad.reason, "field": bad.field, "message": str(bad)})
    return {"errors": errors, "_status": 207} if errors else {}


def add_customers(call: Call) -> Json:
    """POST /api/v1/segments/{id}/add_customers."""
    workspace, (segment, id_type, keys) = call.workspace, _membership(call)
    known = workspace.find(id_type, keys)
    missing = [key for key in keys if key not in known]
    if missing and id_type != "cio_id" and workspace.fact("unknown_ids") == "create":
        workspace.make(id_type, missing)
        known = workspace.find(id_type, keys)
    workspace.move(segment, [row["n"] for row in known.values() if not row["suppressed"]], inside=True)
    return {}


def remove_customers(call: Call) -> Json:
    """POST /api/v1/segments/{id}/remove_customers."""
    segment, id_type, keys = _membership(call)
    known = call.workspace.find(id_type, keys)
    call.workspace.move(segment, [row["n"] for row in known.values()], inside=False)
    return {}


class _BadItem(Exception):
    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.field = reason, field


def _identify(workspace: Workspace, item: Any) -> None:
    if not isinstance(item, dict) or item.get("type") != "person" or item.get("action") != "identify":
        raise _BadItem("invalid", "action", "the sandbox takes persons to identify")
    if len(orjson.dumps(item)) >= ITEM_BYTES:
        raise _BadItem("invalid", "attributes", "the item is over 32 KB")
    named = item.get("identifiers")
    if not isinstance(named, dict) or len(named) != 1 or next(iter(named)) not in ID_TYPES:
        raise _BadItem("invalid", "identifiers", "exactly one identifier is required")
    [(id_type, key)] = named.items()
    if not isinstance(key, str) or not 1 <= len(key.encode()) <= ID_BYTES:
        raise _BadItem("invalid", f"identifiers.{id_type}", f"it is a text of 1 to {ID_BYTES} bytes")
    attributes = dict(item.get("attributes") or {})
    update_only = bool(attributes.pop("_update", False))
    _refuse_attributes(attributes)
    found = workspace.find(id_type, [key]).get(key)
    if found is None:
        if update_only or id_type == "cio_id":
            return
        workspace.make(id_type, [key])
        found = workspace.find(id_type, [key])[key]
    if not found["suppressed"]:
        _write(workspace.db, found, attributes)


def _refuse_attributes(attributes: Mapping[str, Any]) -> None:
    if len(attributes) > MOST_ATTRIBUTES:
        raise _BadItem("invalid", "attributes", f"more than {MOST_ATTRIBUTES} attributes")
    for name, value in attributes.items():
        size = len(value.encode()) if isinstance(value, str) else len(orjson.dumps(value))
        if len(name.encode()) > NAME_BYTES or size > VALUE_BYTES:
            raise _BadItem("invalid", f"attributes.{name[:40]}", "the attribute is too long")


def _write(db: sqlite3.Connection, person: sqlite3.Row, attributes: dict[str, Any]) -> None:
    """Change attributes: null and empty texts clear. To take somebody else's email fails in silence."""
    email = attributes.pop("email", None)
    kept = {**orjson.loads(person["attributes"]), **attributes}
    kept = {name: value for name, value in kept.items() if value is not None and value != ""}
    db.execute("UPDATE people SET attributes = ? WHERE n = ?", (orjson.dumps(kept).decode(), person["n"]))
    if email:
        db.execute("UPDATE OR IGNORE people SET email = ? WHERE n = ?", (folded("email", str(email)), person["n"]))


def _membership(call: Call) -> tuple[int, str, list[str]]:
    """The segment, the kind of keys, and the keys that are texts; the others are passed over."""
    segment = call.workspace.segment(int(call.path["segment"]))
    if segment is None:
        raise Refused(404, track_error("segment not found"))
    if segment["type"] != "manual":
        raise Refused(400, track_error("segment is not a manual segment"))
    id_type = call.query.get("id_type", "id")
    if id_type not in ID_TYPES:
        raise Refused(400, track_error("id_type must be one of id, email, cio_id"))
    keys = call.json().get("ids")
    if not isinstance(keys, list) or not keys:
        raise Refused(400, track_error("ids is required"))
    if len(keys) > MOST_IDS:
        raise Refused(400, track_error(f"ids has more than {MOST_IDS} elements"))
    return segment["id"], id_type, [key for key in keys if isinstance(key, str)]
