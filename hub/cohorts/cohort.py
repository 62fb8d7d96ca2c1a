"""A cohort as it is kept, and how many people are in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from hub.cohorts.definition import Definition, Listed
from hub.cohorts.lists.sources import DYNAMIC, Source, stored_source, where_from
from hub.cohorts.reading import stored_definition
from hub.cohorts.text.printing import clause_text

if TYPE_CHECKING:
    from sqlalchemy import Row


@dataclass(frozen=True)
class Cohort:
    """A named definition of people, or a list that brings its own members.

    `kind` is dynamic, or static, sql, received: then `source` says where the members come from, and the definition is
    that list alone.
    `version` is 1 and rises with every change of the definition. `size` people were in it at `evaluated_at`; both
    are None until it is counted. `warnings` are there when it was just added: names that the data does not have.
    """

    id: int
    name: str
    description: str
    definition: Definition
    version: int
    size: int | None
    evaluated_at: datetime | None
    created_at: datetime
    updated_at: datetime
    kind: str = DYNAMIC
    source: Source | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @property
    def members_from(self) -> str:
        """Where the members come from, for people."""
        return where_from(self.source) if self.source else "its definition"

    @property
    def text(self) -> str:
        """The definition as text, in one line; empty for a list."""
        return clause_text(self.definition)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort list --json` and `show --json`."""
        return {
            "cohort": self.name,
            "description": self.description,
            "kind": self.kind,
            "members_from": self.members_from,
            "definition": dict(self.document),
            "text": self.text,
            "version": self.version,
            "size": self.size,
            "evaluated_at": self.evaluated_at.isoformat() if self.evaluated_at else None,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }


@dataclass(frozen=True)
class CohortCount:
    """How many people are in a cohort at `evaluated_at`, and how many seconds it took to count them.

    `warnings` tell of rows of a warehouse that are no members.
    """

    cohort: str
    count: int
    evaluated_at: datetime
    seconds: float
    warnings: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort count --json`."""
        return {
            "cohort": self.cohort,
            "count": self.count,
            "evaluated_at": self.evaluated_at.isoformat(),
            "seconds": round(self.seconds, 3),
        }


def cohort_of(row: Row[Any]) -> Cohort:
    """The cohort of a row of the table. Raises DefinitionError when a newer hub wrote it."""
    source = None if row.kind == DYNAMIC else stored_source(row.kind, row.definition, name=row.name)
    return Cohort(
        id=row.id,
        name=row.name,
        description=row.description,
        definition=Listed(listed=row.name).alone() if source else stored_definition(row.definition, name=row.name),
        version=row.version,
        size=row.size,
        evaluated_at=row.evaluated_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        kind=row.kind,
        source=source,
        document=row.definition,
    )
