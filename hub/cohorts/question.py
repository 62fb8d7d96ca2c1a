"""A question: which people are in a cohort, as of when, by what was known when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from hub.cohorts.definition import Definition, Listed

if TYPE_CHECKING:
    from hub.cohorts.lists.listing import Listing


@dataclass(frozen=True)
class Question:
    """A definition as of `now` (aware): later events are hidden.

    `cohorts` has the definitions of the cohorts that it names, of those that they name, and so on
    (`hub.cohorts.references`); all are asked as of the same time. Profiles, and who is who, are those of today, or
    with `known_at` (aware) those that the hub knew then; events that it got later are hidden as well.
    `lists` has the members of those cohorts that bring their own, by name (`Listed`).
    """

    definition: Definition
    now: datetime
    cohorts: Mapping[str, Definition] = field(default_factory=dict)
    known_at: datetime | None = None
    lists: Mapping[str, Listing] = field(default_factory=dict)

    @property
    def listing(self) -> Listing | None:
        """The members, when it asks for a cohort that brings its own."""
        clause = self.definition.clause
        return self.lists[clause.listed] if isinstance(clause, Listed) else None
