"""From the names of cohorts to what asks for their people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from hub.clock import now
from hub.cohorts.cohort import Cohort, cohort_of
from hub.cohorts.definition import Definition, Listed, clauses
from hub.cohorts.question import Question
from hub.cohorts.references import closure
from hub.cohorts.rows import definitions, row_called

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.cohorts.lists.listing import Listing
    from hub.workspace import Workspace


class AskedFor(NamedTuple):
    """A cohort as it is kept, and the question that asks for its people: both of one transaction."""

    cohort: Cohort
    question: Question


def asked_for(
    workspace: Workspace,
    names: Iterable[str],
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> list[AskedFor]:
    """What asks for the people in some cohorts: all as of the same instant, now or another one (aware).

    Raises NotFound, also for a cohort that one rests on and that is not there; UsageError for a time at which nobody
    knows who was on a list that one rests on.
    """
    at = as_of or now()
    with workspace.store.reading() as connection:
        return [_asked(workspace, connection, name, at, as_of, known_at) for name in names]


def asked_with(
    workspace: Workspace,
    definition: Definition,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> Question:
    """What asks for the people of a definition that is not kept, now or as of another instant (aware).

    Raises NotFound for a cohort that it names, DefinitionError as of `hub.cohorts.references.closure`; UsageError as of
    `asked_for`.
    """
    with workspace.store.reading() as connection:
        return _question(workspace, connection, definition, "", as_of or now(), as_of, known_at)


def as_of(workspace: Workspace, asked: AskedFor, instants: Iterable[datetime]) -> list[Question]:
    """The question as of several instants (aware). Raises UsageError as of `asked_for`."""
    if not asked.question.lists:
        return [replace(asked.question, now=at) for at in instants]
    name, known_at = asked.cohort.name, asked.question.known_at
    return [asked_for(workspace, [name], as_of=at, known_at=known_at)[0].question for at in instants]


def _asked(
    workspace: Workspace,
    connection: Connection,
    name: str,
    at: datetime,
    as_of: datetime | None,
    known_at: datetime | None,
) -> AskedFor:
    cohort = cohort_of(row_called(connection, workspace.project.id, name))
    return AskedFor(cohort, _question(workspace, connection, cohort.definition, name, at, as_of, known_at))


def _question(
    workspace: Workspace,
    connection: Connection,
    definition: Definition,
    name: str,
    at: datetime,
    as_of: datetime | None,
    known_at: datetime | None,
) -> Question:
    project_id = workspace.project.id

    def listing(other: str) -> Listing:
        from hub.cohorts.lists.resolving import listing_of

        cohort = cohort_of(row_called(connection, project_id, other))
        assert cohort.source is not None
        known = (cohort.id, cohort.name, cohort.source, cohort.created_at)
        return listing_of(workspace, connection, known, as_of=as_of, known_at=known_at)

    named = closure(definition, definitions(connection, project_id), name=name)
    lists = {each: listing(each) for each in _lists_in(definition, *named.values())}
    return Question(definition, at, named, known_at, lists)


def _lists_in(*definitions: Definition) -> list[str]:
    """The names of the cohorts that bring their own members."""
    found = (clause for each in definitions for clause in clauses(each.clause))
    return list(dict.fromkeys(clause.listed for clause in found if isinstance(clause, Listed)))
