"""Identity in tests: events told one by one, as an SDK would send them, and who is who afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from sqlalchemy import select

from hub.clock import now
from hub.events.batch import events_batch
from hub.events.record import Rules, event_of
from hub.people.identity import Link, apply_links, links_of, publish_identity
from hub.people.views import owners
from hub.store.tables import identities, projects
from hub.workspace import Project, Workspace

MIDNIGHT = 1_767_225_600
"""2026-01-01 in seconds since 1970; times of tests are seconds after it."""


def uuid(number: int) -> str:
    """A UUID v4, the same for the same number."""
    return f"{number:08x}-0b1c-4d2e-8f3a-5566778899aa"


def links(workspace: Workspace, event: str, time: int = 0, **properties: Any) -> list[Link]:
    """The links in one event, `time` seconds after MIDNIGHT, decoded by the project's rules."""
    rules = Rules(simplified=workspace.project.identity == "simplified")
    record = {"event": event, "properties": {"time": MIDNIGHT + time, "distinct_id": "", **properties}}
    rows = events_batch([event_of(record, rules)], workspace.project.id, now())
    return links_of(pa.Table.from_batches([rows]), workspace.project.identity)


def tell(workspace: Workspace, event: str, time: int = 0, **properties: Any) -> int:
    """Take in one event; returns how many ids have another person than before."""
    return learn(workspace, links(workspace, event, time, **properties))


def learn(workspace: Workspace, found: Iterable[Link], **more: Any) -> int:
    """Apply links in a transaction of their own."""
    with workspace.store.writing() as connection:
        return apply_links(connection, workspace.project, [*found], now(), **more)


def use(workspace: Workspace, device: str, user: str, time: int = 0) -> int:
    """A user does something on a device."""
    return tell(workspace, "Open", time, **{"$device_id": device, "$user_id": user})


def identify(workspace: Workspace, user: str, anonymous: str, time: int = 0) -> int:
    """`$identify` as the reference gives it."""
    return tell(workspace, "$identify", time, **{"$identified_id": user, "$anon_id": anonymous})


def alias(workspace: Workspace, distinct_id: str, other: str, time: int = 0) -> int:
    """`$create_alias`."""
    return tell(workspace, "$create_alias", time, distinct_id=distinct_id, alias=other)


def merge(workspace: Workspace, *ids: str, time: int = 0) -> int:
    """`$merge`."""
    return tell(workspace, "$merge", time, **{"$distinct_ids": [*ids]})


def people(workspace: Workspace) -> dict[str, str]:
    """The canonical id of every id that is not its own person, by the control plane."""
    query = select(identities.c.id, identities.c.person).where(identities.c.project_id == workspace.project.id)
    with workspace.store.reading() as connection:
        return {row.id: row.person for row in connection.execute(query)}


def published(workspace: Workspace, known_at: Any = None) -> dict[str, str]:
    """The same by the lake, after publishing; as known at an instant."""
    publish_identity(workspace.store, workspace.lake, workspace.project.id)
    with workspace.reading() as reader:
        found = owners(reader, workspace.project, known_at=known_at)
        if found is None:
            return {}
        rows = [row for batch in reader.batches(found) for row in batch.to_pylist()]
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["person"] for row in rows}


def another_project(workspace: Workspace) -> Workspace:
    """A new and empty project beside the first one, under the same identity system."""
    first = workspace.project
    with workspace.store.writing() as connection:
        values = {"timezone": first.timezone, "identity": first.identity, "created_at": now()}
        count = len(connection.execute(select(projects.c.id)).all())
        added = connection.execute(projects.insert().values(name=f"project {count}", **values))
        [number] = added.inserted_primary_key
    project = Project(number, f"project {count}", first.timezone, first.identity)
    return Workspace(workspace.settings, workspace.store, workspace.lake, project)
