"""Identity from the control plane, where it is changed, to the lake, where every question joins it."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, Row, select

from hub.lake.lake import Lake
from hub.lake.tables import IDENTITY, TIME
from hub.people.identity_state import newest
from hub.people.profile_state import lock
from hub.store.store import Store
from hub.store.tables import identities, identities_closed

_PAGE = 50_000


def publish_identity(store: Store, lake: Lake, project_id: int) -> int:
    """Append to the lake which intervals have begun and ended since the last time. Returns how many rows.

    Harmless when repeated, by several processes at once and after a kill: the lake's own log says up to which `seq` it
    has them. Raises StoreError when the lake or the control plane cannot be written.
    """
    application = f"identity:{project_id}"
    with store.reading() as connection:
        last = newest(connection, project_id)
    published = 0
    while (lake.committed(IDENTITY, application) or 0) < last:
        # under the lock: two publishers would else append pages that overlap
        with store.writing() as connection:
            lock(connection, project_id)
            rows = _page(connection, project_id, lake.committed(IDENTITY, application) or 0)
            if not rows:
                break
            lake.append(IDENTITY, _table(rows), application=application, version=int(rows[-1].seq))
        published += len(rows)
    return published


def _page(connection: Connection, project_id: int, after: int) -> Sequence[Row[Any]]:
    """The next intervals that began or ended, in the order of `seq`, which both tables share."""
    found = []
    for table in (identities, identities_closed):
        newer = select(table).where(table.c.project_id == project_id, table.c.seq > after)
        found.append(connection.execute(newer.order_by(table.c.seq).limit(_PAGE)).all())
    return [*heapq.merge(*found, key=lambda row: row.seq)][:_PAGE]


def _table(rows: Sequence[Row[Any]]) -> pa.Table:
    columns = [
        pa.array([row.project_id for row in rows], pa.int32()),
        pa.array([row.id for row in rows], pa.string()),
        pa.array([row.person for row in rows], pa.string()),
        pa.array([row.known_from for row in rows], TIME),
        pa.array([getattr(row, "known_to", None) for row in rows], TIME),
    ]
    return pa.Table.from_arrays(columns, schema=IDENTITY.schema)
