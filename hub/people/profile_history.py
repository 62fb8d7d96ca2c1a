"""How a profile came to be what it is: the states that the lake keeps, each as what changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hub.lake.tables import PROFILES
from hub.lake.typed import properties_of
from hub.people.profile_fold import LAST_SEEN, Profile
from hub.workspace import Workspace


@dataclass(frozen=True)
class Change:
    """What one new state of a profile changed. `changed` has the value before and the one after."""

    distinct_id: str
    known_at: datetime
    deleted: bool
    added: Mapping[str, Any]
    changed: Mapping[str, tuple[Any, Any]]
    removed: Mapping[str, Any]

    @property
    def only_seen(self) -> bool:
        """Whether nothing but `$last_seen` moved."""
        return not (self.deleted or self.removed or self.added) and set(self.changed) == {LAST_SEEN}

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub profile history --json`."""
        return {
            "distinct_id": self.distinct_id,
            "known_at": self.known_at,
            "deleted": self.deleted,
            "added": dict(self.added),
            "changed": {name: {"from": old, "to": new} for name, (old, new) in self.changed.items()},
            "removed": dict(self.removed),
        }


def profile_history(workspace: Workspace, ids: Sequence[str]) -> Iterator[Change]:
    """Every change of the profiles of these ids, the oldest first, as the hub came to know of it.

    Changes that one move from the intake log brought are one change. Raises StoreError when the lake cannot be read.
    """
    with workspace.reading() as reader:
        rows = reader.table(PROFILES, [("project_id", "=", str(workspace.project.id))])
        states: dict[str, Profile] = {}
        for batch in reader.batches(rows.filter(rows.distinct_id.isin([*ids])).order_by(rows.seq)):
            for row in batch.to_pylist():
                distinct_id, after = row["distinct_id"], properties_of(row)
                change = _change(row, states.get(distinct_id, {}), after)
                states[distinct_id] = after
                yield change


def _change(row: Mapping[str, Any], before: Profile, after: Profile) -> Change:
    kept = [name for name in after if name in before]
    return Change(
        row["distinct_id"],
        row["known_at"],
        row["deleted"],
        {name: value for name, value in after.items() if name not in before},
        {name: (before[name], after[name]) for name in kept if before[name] != after[name]},
        {name: value for name, value in before.items() if name not in after},
    )
