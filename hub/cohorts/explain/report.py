"""What an explanation says, as data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hub.cohorts.explain.words import because

if TYPE_CHECKING:
    from hub.cohorts.explain.doings import Happening
    from hub.cohorts.explain.evidence import Evidence, Turn
    from hub.cohorts.explain.values import Properties


@dataclass(frozen=True)
class Explained:
    """One clause for one person: whether it `holds`, since when, until when by itself, and what decides it.

    `kind` is did, did_not, sequence, change, profile, list, cohort, all, any or not; `text` the clause in the text
    language. Groups have `parts`; so has a `cohort`, unless its parts stand at an earlier clause (`told_above`).
    `decides` says that the person would be on the other side if this one clause were the opposite.
    """

    kind: str
    text: str
    holds: bool
    since: Turn
    until: Turn
    decides: bool = False
    evidence: Evidence | None = None
    parts: tuple[Explained, ...] = ()
    told_above: bool = False

    def walk(self) -> Iterator[Explained]:
        """This clause, and all that is in it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def figures(self, zone: ZoneInfo) -> dict[str, Any]:
        """For machines: the stable keys of a clause in `hub cohort explain --json`."""
        found = {"kind": self.kind, "text": self.text, "holds": self.holds, "decides": self.decides}
        found |= turn_figures(self.since, self.until, zone)
        if self.evidence:
            found |= _evidence_figures(self.evidence)
        if self.parts or self.told_above:
            found["parts"] = [part.figures(zone) for part in self.parts]
        return found


@dataclass(frozen=True)
class LeftOut:
    """Why a sync leaves a member out. `sync` is empty where every sync would. `reason` is that of a run's figures (`no
    profile`, `no key`, `shared key`); `detail` says more."""

    sync: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Explanation:
    """Why a person is, or is not, in a cohort at `now`.

    `asked` is the id that was asked for, `person` the canonical one, `ids` how many there are. `is_person` is false for
    somebody who has neither an event nor a profile by then: no definition holds for them. `left_out` says which syncs
    of the cohort leave the person out although they are in it.
    """

    cohort: str
    asked: str
    person: str
    ids: int
    member: bool
    now: datetime
    zone: ZoneInfo
    since: Turn
    until: Turn
    clause: Explained
    is_person: bool
    profile: Properties | None = field(default=None, repr=False, compare=False)
    left_out: tuple[LeftOut, ...] = ()

    @property
    def has_profile(self) -> bool:
        """Whether the person has a profile with a property."""
        return bool(self.profile)

    @property
    def deciding(self) -> list[Explained]:
        """The clauses of which each alone decides."""
        return [each for each in self.clause.walk() if each.decides]

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort explain --json`."""
        return {
            "cohort": self.cohort,
            "asked": self.asked,
            "person": self.person,
            "ids": self.ids,
            "member": self.member,
            "evaluated_at": self.now,
            **turn_figures(self.since, self.until, self.zone),
            "is_person": self.is_person,
            "has_profile": self.has_profile,
            "left_out": [asdict(each) for each in self.left_out],
            "clause": self.clause.figures(self.zone),
        }


def turn_figures(since: Turn, until: Turn, zone: ZoneInfo) -> dict[str, Any]:
    """Since when and until when, with the reasons as sentences."""
    return {
        "since": since.at if since.known else None,
        "since_because": because(since, zone, past=True),
        "since_known": since.known,
        "changes_at": until.at if until.known else None,
        "changes_because": because(until, zone, past=False),
        "changes_known": until.known,
    }


def _evidence_figures(found: Evidence) -> dict[str, Any]:
    window = found.window
    return {
        "measure": found.measure,
        "value": found.value,
        **({"before": found.before} if found.before is not None else {}),
        "window": {"start": window.start, "end": window.end} if window else None,
        "events": [_event_figures(each) for each in found.events],
        "events_found": found.total,
    }


def _event_figures(event: Happening) -> dict[str, Any]:
    properties = {name: value.plain for name, value in sorted(event.values.items())}
    return {"time": event.time, "event": event.event, "properties": properties}
