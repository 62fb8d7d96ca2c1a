"""Who did one event and then did, or did not do, another, strictly later and by at most so long.

Neither way compares each event with each: somebody with a million of them costs no more than a million people with one.

- *By pieces*, for lengths that are always the same. Time is cut into pieces of that length. Two events in one piece are
  always near enough, two in pieces next to each other may be, and two further apart never are. So of the first events
  the earliest and the latest of each piece are enough to compare a second one with, without sorting.
- *The next one*, for months, and for what did not follow: each first event with the second one that comes next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ibis

from hub.cohorts.days import MonthsLater
from hub.cohorts.deeds import Deed, Scan, scanned
from hub.cohorts.definition import Sequence, ThenDidNot
from hub.cohorts.edges import Moment, bounds
from hub.lake.functions import microseconds

if TYPE_CHECKING:
    from datetime import datetime

    from hub.cohorts.windows import Span
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
    did_not = isinstance(clause.then, ThenDidNot)
    if clause.within.unit != "month" and not did_not:
        firsts, seconds = (_instants(reader, project, deed, moment, known_at) for deed in (first, second))
        return _by_pieces(firsts, seconds, _length(clause.within))
    flagged = _flagged(reader, project, first, second, moment, known_at)
    if clause.within.unit == "month":
        months = MonthsLater(reader, window, moment.zone, clause.within.n)
        return _by_the_next(months.beside(flagged), months.deadline, did_not=did_not)
    length = _length(clause.within)
    return _by_the_next(flagged, lambda told: told["at"] + length, did_not=did_not)


def _length(span: Span) -> int:
    return span.n * _LENGTHS[span.unit]


def _instants(reader: Reader, project: Project, deed: Deed, moment: Moment, known_at: datetime | None) -> ibis.Table:
    """When each person did a deed: `person`, `at`."""
    events, within = scanned(reader, project, [deed], known_at)
    done = deed.done(events, within, moment)
    return (events if done is None else events.filter(done)).select("person", at=microseconds(events.time))


def _by_pieces(firsts: ibis.Table, seconds: ibis.Table, length: int) -> ibis.Table:
    pieces = firsts.group_by("person", piece=firsts["at"] // length).agg(
        earliest=firsts["at"].min(), latest=firsts["at"].max()
    )
    # a second event looks into its own piece and the one before: so each piece stands at the next one's number, too
    near = pieces.mutate(later=ibis.literal([0, 1], "array<int64>").unnest())
    near = near.select("person", "earliest", "latest", piece=near.piece + near.later)
    told = seconds.mutate(piece=seconds["at"] // length)
    soon = [
        told.person == near.person,
        told.piece == near.piece,
        told["at"] > near.earliest,
        told["at"] <= near.latest + length,
    ]
    return told.semi_join(near, soon).select("person").distinct()


def _flagged(
    reader: Reader, project: Project, first: Deed, second: Deed, moment: Moment, known_at: datetime | None
) -> ibis.Table:
    """The events of a sequence: `person`, `time`, `at`, and whether each is a `first` and a `second` one."""
    events, within = scanned(reader, project, [first, second], known_at)
    flagged = events.select(
        "person",
        "time",
        at=microseconds(events.time),
        first=_flag(first, events, within, moment),
        second=_flag(second, events, within, moment),
    )
    return flagged.filter(flagged["first"] | flagged["second"])


def _flag(deed: Deed, events: ibis.Table, within: Scan, moment: Moment) -> ibis.Value:
    done = deed.done(events, within, moment)
    return ibis.literal(True) if done is None else done


def _by_the_next(flagged: ibis.Table, deadline: Any, *, did_not: bool) -> ibis.Table:
    later = ibis.range_window(group_by=flagged.person, order_by=flagged["at"], following=(1, None))
    told = flagged.mutate(following=_if(flagged.second, flagged["at"]).min().over(later))
    soon = ibis.coalesce(told.following <= deadline(told), ibis.literal(False))
    return told.filter(told["first"] & (~soon if did_not else soon)).select("person").distinct()


def _if(condition: Any, value: Any) -> Any:
    return condition.ifelse(value, ibis.null("int64"))
