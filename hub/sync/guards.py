"""Guards: rules that look at a plan before it leaves, and may hold it until a person has looked. Pure functions.

`docs/guards.md` tells the rules to people; the two pages say the same. Shares are of 1: 0.3 is 30 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

USUAL_REMOVALS = 0.3
"""The share of an audience that a run may take out, until the sync has a past to learn from."""
USUAL_GROWTH = 1.0
"""The share by which an audience may grow in one run: as many again."""
LEARNS_FROM = 20
"""Finished runs that are looked back at."""
LEARNS_AFTER = 5
"""Finished runs without which nothing is learned."""
LEAST_LEARNED, MOST_LEARNED = 0.1, 0.9
"""Between these the learned share of removals stays."""
GROWTH_FACTOR = 10
"""Somebody added does less harm than somebody removed: growth needs so many times the least number."""


class Scope(StrEnum):
    """What a guard holds."""

    REMOVALS = "removals"
    """Whoever is to be taken out; the others may go on."""
    EVERYTHING = "everything"


class Thresholds(BaseModel):
    """What a sync's guards let pass. Only what a person has set is stored; all else follows these defaults."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    on: bool = True
    """Without it no guard says anything."""
    removals: float | None = Field(default=None, ge=0, le=1)
    """The largest share of the audience that a run may take out. None: learned, `USUAL_REMOVALS` until then."""
    shrink: float = Field(default=0.5, ge=0, le=1)
    """The largest share by which the cohort may be smaller than at the last finished run."""
    growth: float | None = Field(default=USUAL_GROWTH, ge=0)
    """The largest share of the audience that a run may add to it. None: any."""
    least: int = Field(default=10, ge=0)
    """Fewer members than this are never an alarm, whatever their share."""
    changes: bool = True
    """Whether a changed definition or mapping holds the run that is the first to follow it."""
    additions: bool = True
    """Whether additions and updates go on while only removals are held."""


@dataclass(frozen=True)
class Past:
    """One finished run: `held` members were in the audience before it, of whom it took `removed` out."""

    held: int
    removed: int

    @property
    def share(self) -> float:
        """The share of the audience that it took out."""
        return self.removed / self.held if self.held else 0.0


@dataclass(frozen=True)
class Proposed:
    """A plan as guards see it.

    `held` members are in the audience; `going` are in the cohort and can go out. `leaving` are taken out, or have
    their fields cleared; `adding` and `updating` are sent. `going_before` is that of the sync's last finished run, None
    before the first; `changed` are sentences about what has changed since that run; `past` are the sync's finished
    runs, the newest first.
    """

    held: int
    going: int
    adding: int
    updating: int
    leaving: int
    going_before: int | None = None
    changed: Sequence[str] = ()
    past: Sequence[Past] = ()


@dataclass(frozen=True)
class Concern:
    """What one guard says: a sentence for people, and what it holds."""

    guard: str
    scope: Scope
    said: str

    def figures(self) -> dict[str, str]:
        """For the control plane and for machines."""
        return {"guard": self.guard, "scope": self.scope.value, "said": self.said}


def concern_of(stored: Mapping[str, Any]) -> Concern:
    """A concern as `figures` gave it."""
    return Concern(stored["guard"], Scope(stored["scope"]), stored["said"])


def judge(plan: Proposed, thresholds: Thresholds) -> list[Concern]:
    """What the guards have against a plan; nothing, when it may leave.

    The first run of an audience (nobody is held) removes nobody and has nothing to grow from: only a changed definition
    or mapping of a sync that has run before, elsewhere, can hold it.
    """
    if not thresholds.on:
        return []
    rules = (_emptied, _shrunken, _removals, _growth, _changed)
    return [concern for rule in rules for concern in rule(plan, thresholds)]


def removal_limit(past: Sequence[Past], thresholds: Thresholds) -> float:
    """The largest share of the audience that a run may take out.

    What a person has set counts. Else it is learned from the last `LEARNS_FROM` finished runs, once there are
    `LEARNS_AFTER`: twice the second largest share that they took out (one odd run that was approved does not open the
    gate), but at least `LEAST_LEARNED` and at most `MOST_LEARNED`. Until then it is `USUAL_REMOVALS`.
    """
    if thresholds.removals is not None:
        return thresholds.removals
    shares = sorted((run.share for run in past[:LEARNS_FROM] if run.held), reverse=True)
    if len(shares) < LEARNS_AFTER:
        return USUAL_REMOVALS
    return min(max(2 * shares[1], LEAST_LEARNED), MOST_LEARNED)


def holds(concerns: Sequence[Concern], thresholds: Thresholds, *, moves: bool = False) -> Scope | None:
    """What of a run is held: everything, the removals alone, or nothing.

    When it `moves` people to keys of another kind, additions wait for the removals that go before them.
    """
    if not concerns:
        return None
    removals_alone = all(concern.scope is Scope.REMOVALS for concern in concerns)
    return Scope.REMOVALS if removals_alone and thresholds.additions and not moves else Scope.EVERYTHING


def percent(share: float) -> str:
    """A share as people write it: `30 %`, `97.5 %`."""
    return f"{round(100 * share, 1):g} %"


def _emptied(plan: Proposed, thresholds: Thresholds) -> Iterator[Concern]:
    if plan.going == 0 and _many(plan.leaving, thresholds):
        yield Concern(
            "empty",
            Scope.EVERYTHING,
            f"The cohort is empty: all {plan.leaving:,} members of the audience would leave it.",
        )


def _shrunken(plan: Proposed, thresholds: Thresholds) -> Iterator[Concern]:
    before = plan.going_before
    if not before or not plan.going or not plan.leaving or not _many(before - plan.going, thresholds):
        return
    share = (before - plan.going) / before
    if share > thresholds.shrink:
        yield Concern(
            "shrunken",
            Scope.REMOVALS,
            f"The cohort has shrunk by {percent(share)} since the last finished run, from {before:,} to "
            f"{plan.going:,}; {percent(thresholds.shrink)} may pass.",
        )


def _removals(plan: Proposed, thresholds: Thresholds) -> Iterator[Concern]:
    if not plan.held or not plan.going or not _many(plan.leaving, thresholds):
        return
    share, limit = plan.leaving / plan.held, removal_limit(plan.past, thresholds)
    if share > limit:
        yield Concern(
            "removals",
            Scope.REMOVALS,
            f"{plan.leaving:,} of {plan.held:,} members would leave the audience, which is {percent(share)}; "
            f"{percent(limit)} may pass.",
        )


def _growth(plan: Proposed, thresholds: Thresholds) -> Iterator[Concern]:
    # before the first finished run, what is added was owed by one that failed
    if thresholds.growth is None or not plan.held or plan.going_before is None:
        return
    if plan.adding < GROWTH_FACTOR * thresholds.least:
        return
    share = plan.adding / plan.held
    if share > thresholds.growth:
        yield Concern(
            "growth",
            Scope.EVERYTHING,
            f"{plan.adding:,} members would join an audience of {plan.held:,}, which is {percent(share)} more; "
            f"{percent(thresholds.growth)} may pass.",
        )


def _changed(plan: Proposed, thresholds: Thresholds) -> Iterator[Concern]:
    sent = plan.adding + plan.updating + plan.leaving
    if not thresholds.changes or not _many(sent, thresholds):
        return
    for said in plan.changed:
        yield Concern("changed", Scope.EVERYTHING, f"{said} The first run since then would send {sent:,} members.")


def _many(members: int, thresholds: Thresholds) -> bool:
    return members > 0 and members >= thresholds.least
