"""Rows of the lake for tests: events and profiles with properties as JSON has them, and a hub to put them in."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from hub.lake.lake import Lake
from hub.lake.tables import EVENTS, IDENTITY, PROFILES, PROPERTY_MAPS
from hub.lake.typed import property_columns
from hub.projects import find_project, initialise
from hub.settings import Settings
from hub.store.store import Store
from hub.workspace import Workspace

_versions = itertools.count(1)


@dataclass(frozen=True)
class EventRow:
    """One event, as a test wants to say it. `time` is aware."""

    person: str
    event: str
    time: datetime
    properties: Mapping[str, Any] = field(default_factory=dict)
    source: str | None = None


@dataclass(frozen=True)
class ProfileRow:
    """One state of a profile; the one with the highest `seq` counts."""

    distinct_id: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 1
    deleted: bool = False


def make_workspace(home: Path, *, timezone: str = "UTC", identity: str = "simplified") -> Workspace:
    """A hub in an empty folder, with its first project."""
    settings = Settings(home=home, threads=1)
    initialise(settings, timezone=timezone, identity=identity)
    store = Store(settings.control_plane_url)
    return Workspace(settings, store, Lake(settings.lake_root), find_project(store))


def add_events(workspace: Workspace, rows: Iterable[EventRow]) -> None:
    """Put events into the lake, in one commit."""
    events = [*rows]
    columns = {
        "project_id": [workspace.project.id] * len(events),
        "month": [row.time.astimezone(UTC).strftime("%Y-%m") for row in events],
        "event": [row.event for row in events],
        "distinct_id": [row.person for row in events],
        "device_id": [None] * len(events),
        "user_id": [None] * len(events),
        "time": [row.time for row in events],
        "insert_id": [f"i{next(_versions)}" for _ in events],
        "source": [row.source for row in events],
        "received_at": [row.time for row in events],
        **_maps([row.properties for row in events]),
    }
    _append(workspace, EVENTS, columns)


def add_profiles(workspace: Workspace, rows: Iterable[ProfileRow]) -> None:
    """Put states of profiles into the lake, in one commit."""
    profiles = [*rows]
    columns = {
        "project_id": [workspace.project.id] * len(profiles),
        "distinct_id": [row.distinct_id for row in profiles],
        "seq": [row.seq for row in profiles],
        "known_at": [datetime(2026, 1, 1, tzinfo=UTC)] * len(profiles),
        "deleted": [row.deleted for row in profiles],
        **_maps([row.properties for row in profiles]),
    }
    _append(workspace, PROFILES, columns)


def add_identity(workspace: Workspace, links: Mapping[str, str], *, known_to: datetime | None = None) -> None:
    """Say which ids belong to which person."""
    columns = {
        "project_id": [workspace.project.id] * len(links),
        "id": [*links],
        "person": [*links.values()],
        "known_from": [datetime(2026, 1, 1, tzinfo=UTC)] * len(links),
        "known_to": [known_to] * len(links),
    }
    _append(workspace, IDENTITY, columns)


def _maps(properties: list[Mapping[str, Any]]) -> dict[str, pa.Array]:
    return dict(zip((name for name, _ in PROPERTY_MAPS), property_columns(properties), strict=True))


def _append(workspace: Workspace, layout: Any, columns: Mapping[str, Any]) -> None:
    rows = pa.table(dict(columns), schema=layout.columns)
    workspace.lake.append(layout, rows, application="test", version=next(_versions))
