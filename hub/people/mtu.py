"""Monthly tracked users: people with at least one event in a month that is not exempt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from hub.clock import month_bounds, now, utc_months
from hub.connectors.contract import MessageEvents
from hub.errors import UsageError
from hub.people.exemptions import Exemptions, exemptions

if TYPE_CHECKING:
    import ibis

    from hub.workspace import Workspace


@dataclass(frozen=True)
class Mtu:
    """The people of one month (`YYYY-MM`, of the project's zone).

    `mtu` have at least one event that is not exempt; all events of `exempt_only` are exempt.
    """

    month: str
    mtu: int
    exempt_only: int

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub mtu --json`."""
        return {"month": self.month, "mtu": self.mtu, "exempt_only": self.exempt_only}


def mtu(workspace: Workspace, month: str = "", message_events: Iterable[MessageEvents] = ()) -> Mtu:
    """Count the people of `month` (`YYYY-MM`; empty: the present one), each once.

    `message_events` are those of the installed connectors: what they declare exempt is so. Raises UsageError when
    `month` is not a month.
    """
    project = workspace.project
    month = month or now().astimezone(project.zone).strftime("%Y-%m")
    start, end = _bounds(month, project.timezone)
    exempt = exemptions(message_events)

    from hub.people.views import people_events

    with workspace.reading() as reader:
        events = people_events(reader, project, months=utc_months(start, end))
        events = events.filter((events.time >= start) & (events.time < end))
        people = events.group_by("person").agg(tracked=(~_covered(events, exempt)).any())
        counted = people.agg(tracked=people.count(where=people.tracked), others=people.count(where=~people.tracked))
        row = next(iter(reader.batches(counted))).to_pylist()[0]
    return Mtu(month, row["tracked"], row["others"])


def _bounds(month: str, zone: str) -> tuple[datetime, datetime]:
    try:
        if len(month) != len("2026-11"):
            raise ValueError(month)
        return month_bounds(month, zone)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{month!r} is not a month.", hint="Write it as YYYY-MM, such as 2026-11.") from error


def _covered(events: ibis.Table, exempt: Exemptions) -> ibis.Value:
    """Whether each event is exempt; an event without a source only by its name."""
    import ibis

    from_source = [
        events.event.isin(names) if source is None else (events.source == source) & events.event.isin(names)
        for source, names in exempt.by_source().items()
    ]
    nothing = events.event.isnull()  # an event has a name: a column of "no", even when nothing is exempt
    return ibis.coalesce(reduce(or_, from_source, nothing), nothing)
