"""Profiles from the control plane, where they are changed, to the lake, where cohorts read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
from sqlalchemy import Connection, Row, select

from hub.lake.tables import PROFILES, TIME
from hub.lake.typed import property_columns
from hub.people.profile_state import lock, newest
from hub.store.tables import profiles
from hub.workspace import Workspace

_PAGE = 50_000


def publish_profiles(workspace: Workspace) -> int:
    """Append to the lake what has changed since the last time: each changed profile's full state. Returns how many
    rows.

    Harmless when repeated, by several processes at once and after a kill: the lake's own log says up to which `seq` it
    has them. Raises StoreError when the lake or the control plane cannot be written.
    """
    project_id = workspace.project.id
    published = 0
    with workspace.store.reading() as connection:
        last = newest(connection, project_id)
    while _committed(workspace) < last:
        # under the lock: two publishers would else append pages that overlap
        with workspace.store.writing() as connection:
            lock(connection, project_id)
            rows = _page(connection, project_id, _committed(workspace))
            if not rows:
                break
            workspace.lake.append(
                PROFILES, _table(rows), application=_application(project_id), version=int(rows[-1].seq)
            )
        published += len(rows)
    return published


def _committed(workspace: Workspace) -> int:
    return workspace.lake.committed(PROFILES, _application(workspace.project.id)) or 0


def _application(project_id: int) -> str:
    return f"profiles:{project_id}"


def _page(connection: Connection, project_id: int, after: int) -> Sequence[Row[Any]]:
    newer = select(profiles).where(profiles.c.project_id == project_id, profiles.c.seq > after)
    return connection.execute(newer.order_by(profiles.c.seq).limit(_PAGE)).all()


def _table(rows: Sequence[Row[Any]]) -> pa.Table:
    columns = [
        pa.array([row.project_id for row in rows], pa.int32()),
        pa.array([row.distinct_id for row in rows], pa.string()),
        pa.array([row.seq for row in rows], pa.int64()),
        pa.array([row.known_at for row in rows], TIME),
        pa.array([row.deleted for row in rows], pa.bool_()),
        *property_columns(orjson.loads(row.properties) for row in rows),
    ]
    return pa.Table.from_arrays(columns, schema=PROFILES.schema)
