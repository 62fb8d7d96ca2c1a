"""Merge fields: what an audience knows of its contacts, and which values each type takes.

Value rules: https://mailchimp.com/developer/marketing/docs/merge-fields/
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson

from hub_mailchimp.sandbox.problems import Field, MemberProblem, Problem, invalid
from hub_mailchimp.sandbox.web import Call, Json

TYPES = frozenset(
    ["text", "number", "address", "phone", "date", "url", "imageurl", "radio", "dropdown", "birthday", "zip"],
)
RESERVED = frozenset(
    ["EMAIL", "INTERESTS", "UNSUB", "FORWARD", "REWARDS", "ARCHIVE", "USER_URL", "DATE", "EMAIL_TYPE", "OPTIN_IP"]
)
TEXT_BYTES = 255


@dataclass(frozen=True)
class MergeField:
    """One field of an audience. `choices` are for radio and dropdown."""

    merge_id: int
    tag: str
    name: str
    type: str
    required: bool
    public: bool
    default_value: str
    choices: tuple[str, ...]


def fields_of(db: sqlite3.Connection, list_id: str) -> list[MergeField]:
    """The fields of an audience, in order."""
    rows = db.execute("SELECT * FROM merge_fields WHERE list_id = ? ORDER BY merge_id", (list_id,))
    return [
        MergeField(
            row["merge_id"],
            row["tag"],
            row["name"],
            row["type"],
            bool(row["required"]),
            bool(row["public"]),
            row["default_value"],
            tuple(orjson.loads(row["choices"])),
        )
        for row in rows
    ]


def checked(
    given: Any, before: Mapping[str, Any], fields: Sequence[MergeField], *, skip_required: bool
) -> dict[str, Any]:
    """The values of a contact after a write: `before` with `given` on top. Tags that the audience lacks are ignored.

    Raises MemberProblem that names every field whose value cannot be taken, or which is required and empty (unless
    `skip_required`, the API's `skip_merge_validation`).
    """
    if not isinstance(given, dict):
        raise MemberProblem("Your merge fields were invalid.", errors=[("merge_fields", "Schema describes object")])
    after: dict[str, Any] = dict(before)
    faults: list[Field] = []
    for each in fields:
        if each.tag in given:
            try:
                after[each.tag] = _taken(given[each.tag], each)
            except ValueError as exc:
                faults.append((each.tag, str(exc)))
        elif each.required and not skip_required and after.get(each.tag, "") == "":
            faults.append((each.tag, "Please enter a value"))
    if faults:
        raise MemberProblem("Your merge fields were invalid.", errors=faults)
    return after


def shown_values(values: Mapping[str, Any], fields: Sequence[MergeField]) -> dict[str, Any]:
    """Every field of the audience with the contact's value, or the field's default."""
    return {each.tag: values.get(each.tag, each.default_value) for each in fields}


def _taken(value: Any, field: MergeField) -> Any:
    if value == "" and not field.required:
        return ""
    if value is None or isinstance(value, (bool, list)) or (isinstance(value, dict) and field.type != "address"):
        found = "NULL" if value is None else type(value).__name__
        raise ValueError(f"Schema describes string, {found} found instead")
    if value == "":
        raise ValueError("Please enter a value")
    rule: Callable[[Any, MergeField], Any] = _RULES.get(field.type, _text)
    return rule(value, field)


def _text(value: Any, field: MergeField) -> str:
    return str(value).encode()[:TEXT_BYTES].decode(errors="ignore")


def _number(value: Any, field: MergeField) -> int | float:
    try:
        number = float(str(value))
    except ValueError as exc:
        raise ValueError("Please enter a number") from exc
    return int(number) if number.is_integer() else number


def _date(value: Any, field: MergeField) -> str:
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value)):
        raise ValueError("Please enter the date as YYYY-MM-DD")
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as exc:
        raise ValueError("Please enter a valid date") from exc


def _birthday(value: Any, field: MergeField) -> str:
    if not re.fullmatch(r"(0[1-9]|1[0-2])/(0[1-9]|[12]\d|3[01])", str(value)):
        raise ValueError("Please enter the month and day as MM/DD")
    return str(value)


def _zip(value: Any, field: MergeField) -> str:
    if not re.fullmatch(r"\d{5}", str(value)):
        raise ValueError("Please enter a valid zip code (5 digits)")
    return str(value)


def _choice(value: Any, field: MergeField) -> str:
    if str(value) not in field.choices:
        raise ValueError("Please choose one of the options")
    return str(value)


def _address(value: Any, field: MergeField) -> dict[str, str]:
    needed = ("addr1", "city", "state", "zip")
    if not isinstance(value, dict) or any(not str(value.get(part) or "") for part in needed):
        raise ValueError("Please enter a complete address")
    parts = (*needed, "addr2", "country")
    return {part: str(value[part]) for part in parts if part in value}


_RULES: dict[str, Callable[[Any, MergeField], Any]] = {
    "number": _number,
    "date": _date,
    "birthday": _birthday,
    "zip": _zip,
    "radio": _choice,
    "dropdown": _choice,
    "address": _address,
}


def list_fields(call: Call) -> Json:
    """GET /lists/{list_id}/merge-fields"""
    list_id = str(call.path["list_id"])
    count, offset = call.page()
    wanted = call.query.get("type")
    found = [each for each in fields_of(call.account.db, list_id) if wanted in {None, each.type}]
    page = [_shown(each, list_id) for each in found[offset : offset + count]]
    return {"merge_fields": page, "list_id": list_id, "total_items": len(found)}


def create_field(call: Call) -> Json:
    """POST /lists/{list_id}/merge-fields"""
    list_id, body = str(call.path["list_id"]), call.body
    existing = fields_of(call.account.db, list_id)
    merge_id = max((each.merge_id for each in existing), default=0) + 1
    field = _described(body, merge_id)
    if any(each.tag == field.tag for each in existing):
        raise Problem(
            400, "Invalid Resource", f'A Merge Field with the tag "{field.tag}" already exists for this list.'
        )
    call.account.db.execute(
        "INSERT INTO merge_fields VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            list_id,
            merge_id,
            field.tag,
            field.name,
            field.type,
            field.required,
            field.public,
            field.default_value,
            orjson.dumps(field.choices).decode(),
        ),
    )
    return _shown(field, list_id)


def _described(body: Json, merge_id: int) -> MergeField:
    if not str(body.get("name") or ""):
        raise invalid("name", "This value should not be blank.")
    if body.get("type") not in TYPES:
        raise invalid("type", f"Value must be one of: {', '.join(sorted(TYPES))}")
    tag = str(body.get("tag") or f"MMERGE{merge_id}").upper()
    if not re.fullmatch(r"[A-Z0-9_]{1,10}", tag):
        raise invalid("tag", "A merge tag has 1 to 10 letters, digits and underscores.")
    if tag in RESERVED:
        raise invalid("tag", f"{tag} is reserved.")
    options = body.get("options") or {}
    choices = tuple(str(choice) for choice in options.get("choices", []))
    if body["type"] in {"radio", "dropdown"} and not choices:
        raise invalid("options.choices", "Please give at least one choice.")
    return MergeField(
        merge_id,
        tag,
        str(body["name"]),
        str(body["type"]),
        bool(body.get("required", False)),
        bool(body.get("public", False)),
        str(body.get("default_value", "")),
        choices,
    )


def _shown(field: MergeField, list_id: str) -> Json:
    return {
        "merge_id": field.merge_id,
        "tag": field.tag,
        "name": field.name,
        "type": field.type,
        "required": field.required,
        "default_value": field.default_value,
        "public": field.public,
        "display_order": field.merge_id + 1,
        "options": {"choices": list(field.choices)} if field.choices else {},
        "help_text": "",
        "list_id": list_id,
    }
