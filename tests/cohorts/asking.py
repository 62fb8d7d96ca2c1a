"""How these tests ask: a definition in, the people out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub.cohorts.definition import Definition
from hub.cohorts.members import evaluate
from hub.cohorts.reading import read_definition
from hub.workspace import Workspace


def people_of(workspace: Workspace, definition: str | Definition, now: datetime) -> set[str]:
    """The people of a definition (its text may leave the version out); fails when somebody comes twice."""
    if isinstance(definition, str):
        in_braces = definition.startswith("{")
        definition = read_definition(f"{{version: 1, {definition[1:]}" if in_braces else f"version: 1\n{definition}")
    found = [row["person"] for row in rows_of(workspace, evaluate, definition, now)]
    assert len(found) == len(set(found)), "somebody is there twice"
    return set(found)


def rows_of(workspace: Workspace, ask: Any, definition: Definition, now: datetime, **more: Any) -> list[dict[str, Any]]:
    """The rows of `evaluate`, `members` or `qualified`."""
    with workspace.reading() as reader:
        expression = ask(reader, workspace.project, definition, now, **more)
        return [row for batch in reader.batches(expression) for row in batch.to_pylist()]
