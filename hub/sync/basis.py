"""What a run rests on: the definitions that say who is in the cohort, and the mapping that says what is sent along.

A guard compares it with that of the last finished run; who approves a run is told when it has changed since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, select, tuple_

from hub.cohorts.asked import asked_for
from hub.store.tables import cohort_versions, cohorts, connections
from hub.sync.mapping import changes_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hub.cohorts.asked import AskedFor
    from hub.workspace import Workspace


@dataclass(frozen=True)
class Basis:
    """`rests_on` has the version of the cohort, and of each cohort that it names, directly or not; `mapping` is target
    name at the partner -> field (`hub.sync.mapping`), as it is kept; `match` are the keys that were chosen to match
    people by, none for the partner's own."""

    rests_on: Mapping[str, int]
    mapping: Mapping[str, Any]
    match: Sequence[str] = ()


def rests_on(workspace: Workspace, asked: AskedFor) -> dict[str, int]:
    """The versions of the cohorts that a question rests on, by name; that of the cohort itself as it was asked."""
    named = {*asked.question.cohorts, *asked.question.lists} - {asked.cohort.name}
    query = select(cohorts.c.name, cohorts.c.version).where(
        cohorts.c.project_id == workspace.project.id, cohorts.c.removed_at.is_(None), cohorts.c.name.in_(named)
    )
    with workspace.store.reading() as connection:
        found = {row.name: row.version for row in connection.execute(query)}
    return {asked.cohort.name: asked.cohort.version, **found}


def basis_of(run: Row[Any], cohort: str) -> Basis:
    """What a run (a row of the table) of a sync of `cohort` rested on."""
    return Basis(run.rests_on or {cohort: run.cohort_version}, run.mapping, run.match_keys)


def basis_now(workspace: Workspace, sync: Row[Any], cohort: str) -> Basis:
    """What a run of `sync` (a row of the table) would rest on now. Raises NotFound when a cohort is gone."""
    return Basis(
        rests_on(workspace, asked_for(workspace, [cohort])[0]),
        sync.mapping,
        match_chosen(workspace, sync.connection_id),
    )


def match_chosen(workspace: Workspace, connection_id: int) -> list[str]:
    """The keys that were chosen for a connection, by its id; none: the partner's own, in its order."""
    query = select(connections.c.match_keys).where(connections.c.id == connection_id)
    with workspace.store.reading() as connection:
        return [*connection.execute(query).scalar_one()]


def differences(workspace: Workspace, before: Basis, after: Basis) -> list[str]:
    """A sentence for each changed definition, for the mapping and for the keys. A changed description is none."""
    with workspace.store.reading() as connection:
        return [
            *_definitions(connection, workspace.project.id, before.rests_on, after.rests_on),
            *_mapping(before.mapping, after.mapping),
            *_match(before.match, after.match),
        ]


def _definitions(
    connection: Connection, project_id: int, before: Mapping[str, int], after: Mapping[str, int]
) -> Iterator[str]:
    suspects = [name for name in sorted(before.keys() & after.keys()) if before[name] != after[name]]
    if suspects:
        versions = [(name, number) for name in suspects for number in (before[name], after[name])]
        known = {
            (row.name, row.version): row.definition
            for row in connection.execute(
                select(cohorts.c.name, cohort_versions.c.version, cohort_versions.c.definition)
                .join(cohort_versions, cohort_versions.c.cohort_id == cohorts.c.id)
                .where(
                    cohorts.c.project_id == project_id,
                    cohorts.c.removed_at.is_(None),
                    tuple_(cohorts.c.name, cohort_versions.c.version).in_(versions),
                )
            )
        }
    for name in suspects:
        old, new = known.get((name, before[name])), known.get((name, after[name]))
        if old is None or old != new:
            yield f"The cohort {name} has another definition: version {after[name]}, where it was {before[name]}."
    # a cohort that is named for the first time, or no more, comes with a change of the one that names it


def _mapping(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    if changed := [*changes_of(before, after)]:
        yield f"The mapping has changed: {'; '.join(changed)}."


def _match(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    if [*before] != [*after]:
        new, old = (", ".join(keys) or "the partner's usual keys" for keys in (after, before))
        yield f"People are matched by {new}, where it was {old}."
