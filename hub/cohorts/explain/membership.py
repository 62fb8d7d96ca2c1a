"""Whether one person is on the list of a cohort that brings its own members, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from hub.clock import now
from hub.cohorts.lists.changes import KEPT
from hub.lake.tables import COHORT_MEMBERS
from hub.people.views import MATCH
from hub.store.tables import member_changes

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from hub.cohorts.explain.person_rows import PersonRows
    from hub.cohorts.lists.listing import Listing
    from hub.lake.reading import Reader


@dataclass(frozen=True)
class OnList:
    """What a list knows somebody by (None: they are not on it), and whether they were on it, by time."""

    key: str | None
    states: tuple[tuple[datetime | None, bool], ...]


def on_list(reader: Reader, rows: PersonRows, listing: Listing, *, itself: bool) -> OnList:
    """Whether the person is on a list as the question has it.

    Who is known by the value of a property alone is a member of the list `itself`, and of no cohort that names it.
    """
    keys = rows.keys(listing.key, frozen=listing.frozen)
    alone = listing.key != "distinct_id" and rows.person.startswith(MATCH)
    if not keys or (alone and not itself):
        return OnList(None, ((None, False),))
    members = listing.rows(reader)
    members = members.filter(members.key.isin(keys)).select("key")
    found = sorted(key for batch in reader.batches(members) for key in batch.column(0).to_pylist())
    return OnList(found[0] if found else None, ((None, bool(found)),))


def list_history(
    reader: Reader, connection: Connection, cohort_id: int, keys: Sequence[str]
) -> tuple[tuple[datetime | None, bool], ...]:
    """Whether anybody with one of these keys was on the list of a cohort, by time, as far back as it is kept."""
    query = select(member_changes).where(
        member_changes.c.cohort_id == cohort_id, member_changes.c.applied_at.is_not(None)
    )
    changes = [*connection.execute(query.order_by(member_changes.c.id))]
    members = reader.table(COHORT_MEMBERS, [("cohort_id", "=", str(cohort_id))])
    members = members.filter(members.key.isin([*keys])).select("change", "key", "gone")
    told: dict[int, list[tuple[str, bool]]] = {}
    for batch in reader.batches(members):
        for row in batch.to_pylist():
            told.setdefault(row["change"], []).append((row["key"], row["gone"]))
    states: list[tuple[datetime | None, bool]] = [(None, False)]
    there: set[str] = set()
    for change in changes:
        if change.whole:
            there.clear()
        for key, gone in told.get(change.id, ()):
            (there.discard if gone else there.add)(key)
        if bool(there) != states[-1][1]:
            states.append((change.applied_at, bool(there)))
    if _may_begin_earlier(changes) and len(states) > 1 and states[1][0] == changes[0].applied_at:
        return ((None, True), *states[2:])
    return tuple(states)


def _may_begin_earlier(changes: Sequence[Row[tuple[object, ...]]]) -> bool:
    """Whether changes before the first that is kept may have been forgotten."""
    return bool(changes) and changes[0].whole and changes[0].applied_at < now() - KEPT
