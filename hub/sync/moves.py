"""Members whose key becomes one of another kind: one person there, known by an address, and now by an id.

The old key is taken out first and the new one put in after it: the other way about, a partner that knows both of one
person would have nobody in the audience. Only plans for partners with several kinds of keys need this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.sync.plan_rows import LEAVES

if TYPE_CHECKING:
    import ibis

FIRST = -1
"""The rank of what goes before everything else of a plan."""


def sent_again(held: ibis.Table, going: ibis.Table) -> ibis.Table:
    """What is held, uncertain of everybody another key of whom is to be taken out: they are put in again after it."""
    leaving = held.anti_join(going, "key").select(moving=held.person).distinct()
    found = held.left_join(leaving, held.person == leaving.moving)
    return found.mutate(certain=found.certain & found.moving.isnull()).drop("moving")


def moved_first(changes: ibis.Table, going: ibis.Table) -> ibis.Table:
    """The rows of a plan, with those in front that take out an old key of somebody who goes on under another."""
    goes_on = going.select(moving=going.person)
    found = changes.left_join(goes_on, changes.person == goes_on.moving)
    moves = (found["rank"] == LEAVES) & found.moving.notnull()
    return found.mutate(rank=moves.ifelse(FIRST, found["rank"])).drop("moving")
