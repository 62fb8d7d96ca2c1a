"""How these tests ask: a definition in, the people out."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub.cohorts.definition import Definition
from hub.cohorts.members import evaluate
from hub.cohorts.question import Question
from hub.cohorts.reading import read_definition
from hub.cohorts.references import closure
from hub.lake.reading import Reader
from hub.workspace import Project, Workspace


def definition_of(text: str) -> Definition:
    """The definition of a text, which may leave the version out."""
    return read_definition(f"{{version: 1, {text[1:]}" if text.startswith("{") else f"version: 1\n{text}")


def people_of(workspace: Workspace, definition: str | Definition, now: datetime, **more: Any) -> set[str]:
    """The people of a definition; fails when somebody comes twice. `more` as of `ask`."""
    with workspace.reading() as reader:
        return ask(reader, workspace.project, definition, now, **more)


def ask(
    reader: Reader,
    project: Project,
    definition: str | Definition,
    now: datetime,
    *,
    cohorts: dict[str, str] | None = None,
    known_at: datetime | None = None,
) -> set[str]:
    """The people of a definition, asked through an open reader; fails when somebody comes twice.

    `cohorts` has the texts of those that it may name.
    """
    if isinstance(definition, str):
        definition = definition_of(definition)
    named = closure(definition, lambda name: definition_of((cohorts or {})[name]))
    question = Question(definition, now, named, known_at)
    batches = reader.batches(evaluate(reader, project, question))
    found = [person for batch in batches for person in batch.column("person").to_pylist()]
    assert len(found) == len(set(found)), "somebody is there twice"
    return set(found)


def rows_of(workspace: Workspace, asked: Any, question: Question, **more: Any) -> list[dict[str, Any]]:
    """The rows of `evaluate`, `members` or `qualified`."""
    with workspace.reading() as reader:
        expression = asked(reader, workspace.project, question, **more)
        return [row for batch in reader.batches(expression) for row in batch.to_pylist()]
