"""The file as JSON Schema: for editors, and for programs that write it.

What the schema cannot say (names that lead nowhere, settings of connectors, texts of definitions) is checked when a
file is planned.
"""

from __future__ import annotations

from typing import Any

from hub.cohorts.schema import definition_schema, without_noise
from hub.declared.alert_specs import KINDS
from hub.declared.file import HubFile


def hub_file_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a hub's file."""
    schema = without_noise(HubFile.model_json_schema(by_alias=True))
    definition = definition_schema()
    parts = schema["$defs"] | definition["$defs"]
    # the file has a version of its own
    parts["Definition"] = {"oneOf": [_without_version(each) for each in definition["oneOf"]]}
    parts["CohortSpec"]["oneOf"] = [{"required": [key]} for key in ("text", "definition", "sql", "received", "static")]
    parts["SyncSpec"]["oneOf"] = [{"required": [key]} for key in ("every", "cron", "after", "once")]
    parts["AlertSpec"]["oneOf"] = [{"required": [key]} for key in KINDS]
    return {
        "$schema": definition["$schema"],
        "title": "What a hub holds",
        **{key: value for key, value in schema.items() if key != "$defs"},
        "required": ["version"],
        "$defs": parts,
    }


def _without_version(clause: dict[str, Any]) -> dict[str, Any]:
    return {**clause, "required": [key for key in clause["required"] if key != "version"]}
