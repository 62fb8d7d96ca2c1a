"""Who did one event and then did, or did not do, another, strictly later and by at most so long.

Neither way compares each event with each: somebody with a million of them costs no more than a million people with one.

- *Soon enough*, for lengths that are always the same. Time is cut into pieces of that length. Two events in one piece
  are always near enough, and two in neighbouring pieces if the first one's last and the second one's first are. Two
  further apart never are. So a grouping by person and piece decides it, without sorting.
- *The next one*, for months, and for what did not follow: each first event with the second one that comes next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from hub.cohorts.days import MonthsLater
from hub.cohorts.deeds import Deed, scanned
from hub.cohorts.definition import Sequence, ThenDidNot
from hub.cohorts.edges import Bounds, Moment, bounds
from hub.cohorts.functions import microseconds

if TYPE_CHECKING:
    from datetime import datetime

    from hub.lake.reading import Reader
    from hub.workspace import Project

_LENGTHS = {"hour": 3_600_000_000, "day": 86_400_000_000, "week": 604_800_000_000}


def did_in_sequence(
    reader: Reader, project: Project, clause: Sequence, moment: Moment, known_at: datetime | None
) -> ibis.Table:
    """The people for whom a sequence holds: the column `person`, each once."""
    window = bounds(clause.window, moment.now, moment.zone)
    first = Deed(clause.event, clause.where or (), window)
    second = Deed(clause.then.event, clause.then.where or (), window)
    events, within = scanned(reader, project, [first, second], known_at)
    flagged = events.select(
        "person",
        "time",
        at=microseconds(events.time),
        first=_flag(first, events, within, moment),
        second=_flag(second, events, within, moment),
    )
    flagged = flagged.filter(flagged["first"] | flagged["second"])
    did_not = isinstance(clause.then, ThenDidNot)
    if clause.within.unit == "month":
        months = MonthsLater(reader, window, moment.zone, clause.within.n)
        return _by_the_next(months.beside(flagged), months.deadline, did_not=did_not)
    length = clause.within.n * _LENGTHS[clause.within.unit]
    if did_not:
        return _by_the_next(flagged, lambda told: told["at"] + length, did_not=True)
    return _by_pieces(flagged, length)


def _flag(deed: Deed, events: ibis.Table, within: Bounds, moment: Moment) -> ibis.Value:
    done = deed.done(events, within, moment)
    return ibis.literal(True) if done is None else done


def _by_pieces(flagged: ibis.Table, length: int) -> ibis.Table:
    # a second event counts in its own piece, and as the next one in the piece before
    both = flagged.second.ifelse(ibis.literal([0, 1], "array<int64>"), ibis.literal([0], "array<int64>"))
    told = flagged.select("person", "at", "first", "second", ahead=both.unnest())
    here = told.ahead == 0
    pieces = told.group_by("person", piece=told["at"] // length - told.ahead).agg(
        earliest=_if(here & told["first"], told["at"]).min(),
        latest=_if(here & told["first"], told["at"]).max(),
        last_second=_if(here & told.second, told["at"]).max(),
        next_second=_if(~here, told["at"]).min(),
    )
    near = (pieces.earliest < pieces.last_second) | (pieces.next_second - pieces.latest <= length)
    # null or true is true, null or false is no answer, and a filter lets only true pass
    return pieces.filter(near).select("person").distinct()


def _by_the_next(flagged: ibis.Table, deadline: Any, *, did_not: bool) -> ibis.Table:
    later = ibis.range_window(group_by=flagged.person, order_by=flagged["at"], following=(1, None))
    told = flagged.mutate(following=_if(flagged.second, flagged["at"]).min().over(later))
    soon = ibis.coalesce(told.following <= deadline(told), ibis.literal(False))
    return told.filter(told["first"] & (~soon if did_not else soon)).select("person").distinct()


def _if(condition: Any, value: Any) -> Any:
    return condition.ifelse(value, ibis.null("int64"))
