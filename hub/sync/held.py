"""What a partner holds of ours, by audience: the lake table `held`.

A run appends the rows that it changed; the newest row of a key is the truth, and a row that is `gone` says that
the key was taken out. When the changes have grown large beside the rest, the audience's rows are written anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.lake.reading import Reader
from hub.lake.tables import HELD

if TYPE_CHECKING:
    import ibis

    from hub.workspace import Workspace

COMPACT_SHARE = 0.25
COMPACT_LEAST = 20_000
"""Rows of changes below which compaction is not worth its writing."""


def held_by(reader: Reader, audience_id: int) -> ibis.Table:
    """What the audience holds now: `key, person, mapped, certain, since, connection_id, run_id`, a row a key."""
    rows = reader.table(HELD, [("audience_id", "=", str(audience_id))])
    base = reader.value(rows.run_id.min())
    if base is None or base == reader.value(rows.run_id.max()):
        return rows.filter(~rows.gone)
    return _overlaid(rows.filter(rows.run_id == base), rows.filter(rows.run_id > base))


def is_empty(reader: Reader, audience_id: int) -> bool:
    """Whether the audience has no rows yet. Opens no file."""
    return not reader.snapshot(HELD).files([("audience_id", "=", str(audience_id))])


def _overlaid(base: ibis.Table, changes: ibis.Table) -> ibis.Table:
    import ibis

    newest_first = ibis.window(group_by=changes.key, order_by=changes.run_id.desc())
    newest = changes.mutate(nth=ibis.row_number().over(newest_first)).filter(lambda row: row.nth == 0).drop("nth")
    untouched = base.anti_join(newest, "key")
    return untouched.filter(~untouched.gone).union(newest.filter(~newest.gone))


def compact(workspace: Workspace, audience_id: int) -> bool:
    """Write the audience's rows anew when its changes have grown large. Returns whether it did.

    Only whoever has the audience's lease may call this. Killed in the middle, it has changed nothing. Raises
    StoreError when it could not, or when the audience's rows changed meanwhile; then too.
    """
    with workspace.reading_here() as reader:
        rows = reader.table(HELD, [("audience_id", "=", str(audience_id))])
        base = reader.value(rows.run_id.min())
        if base is None:
            return False
        changes = reader.value((rows.run_id > base).sum())
        if changes < max(COMPACT_LEAST, COMPACT_SHARE * reader.value(rows.count())):
            return False
        newest = reader.value(rows.run_id.max())
        current = held_by(reader, audience_id).mutate(run_id=newest)[HELD.schema.names]
        workspace.lake.replace(
            HELD, reader.batches(current), predicate=f"audience_id = {audience_id}", seen=reader.snapshot(HELD)
        )
    return True
