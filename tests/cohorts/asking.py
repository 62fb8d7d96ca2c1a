"""How these tests ask: a definition in, the people out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub.cohorts.definition import Definition
from hub.cohorts.members import evaluate
from hub.cohorts.question import Question
from hub.cohorts.reading import read_definition
from hub.workspace import Workspace


def definition_of(text: str) -> Definition:
    """The definition of a text, which may leave the version out."""
    return read_definition(f"{{version: 1, {text[1:]}" if text.startswith("{") else f"version: 1\n{text}")


def people_of(workspace: Workspace, definition: str | Definition, now: datetime, **more: Any) -> set[str]:
    """The people of a definition; fails when somebody comes twice. `more` is of a Question: `cohorts`, `known_at`."""
    if isinstance(definition, str):
        definition = definition_of(definition)
    found = [row["person"] for row in rows_of(workspace, evaluate, Question(definition, now, **more))]
    assert len(found) == len(set(found)), "somebody is there twice"
    return set(found)


def rows_of(workspace: Workspace, ask: Any, question: Question, **more: Any) -> list[dict[str, Any]]:
    """The rows of `evaluate`, `members` or `qualified`."""
    with workspace.reading() as reader:
        expression = ask(reader, workspace.project, question, **more)
        return [row for batch in reader.batches(expression) for row in batch.to_pylist()]
