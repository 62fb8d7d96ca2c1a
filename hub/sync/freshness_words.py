"""How fresh a sync is, in lines for people: on the command line and in the terminal UI."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from hub.clock import counted, shown

if TYPE_CHECKING:
    from hub.sync.freshness import Freshness

NOT_JUDGED = "not judged"
"""What stands for the word of a sync of which nobody promises anything."""


def in_short(found: Freshness | None) -> str:
    """For a list: `fresh, 12 min`; a dash for a sync of which nobody promises anything."""
    return f"{found.state}, {length(found.age)}" if found and found.state else "-"


def freshness_lines(found: Freshness, zone: str) -> Iterator[str]:
    """All that is to be said: up to when everything is there, until when that is fine, and how long changes take.

    The first line begins with the word (fresh, late or stale, or `NOT_JUDGED`) and a colon.
    """
    word = found.state or NOT_JUDGED
    if found.delivered_to:
        yield f"{word}: every change up to {shown(found.delivered_to, zone)} is at the partner, {length(found.age)} ago"
    else:
        yield f"{word}: no run has ended yet that left nothing owed; the sync is {length(found.age)} old"
    if found.late_at and found.stale_at:
        why = f" (a change may be {length(found.within)} old)" if found.within else ""
        late, stale = shown(found.late_at, zone), shown(found.stale_at, zone)
        yield f"late from {late}, stale from {stale}, unless a run ends well{why}"
    waits = [f"{people:,} {word}" for people, word in ((found.owed, "owed"), (found.parked, "parked")) if people]
    if waits:
        yield ", ".join(waits)
    half, most = found.latency.quantile(0.5), found.latency.quantile(0.95)
    if half is not None and most is not None:
        others = f"; {found.latency.unmeasured:,} changed without an arrival" if found.latency.unmeasured else ""
        measured = counted(found.latency.measured, "change")
        yield f"{measured}, from arrival to acknowledgement: p50 {seconds(half)}, p95 {seconds(most)}{others}"


def length(age: timedelta) -> str:
    """A length of time for a person: `20 s`, `12 min`, `5 h`, `2 d`."""
    for size, word in ((timedelta(days=2), "d"), (timedelta(hours=2), "h"), (timedelta(minutes=2), "min")):
        if age >= size:
            one = {"d": timedelta(days=1), "h": timedelta(hours=1), "min": timedelta(minutes=1)}[word]
            return f"{age // one} {word}"
    return f"{int(age.total_seconds())} s"


def seconds(value: float) -> str:
    """Seconds for a person: `0.4 s`, `12 min`."""
    return f"{value:.1f} s" if value < 10 else length(timedelta(seconds=value))
