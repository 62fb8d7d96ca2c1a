"""What an explanation says, in sentences. Times are those of the project's zone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.cohorts.explain.evidence import COMES, ENTERS, GOES, HAPPENS, KNOWN, LEAVES, LISTED, PASSES, PROFILE

if TYPE_CHECKING:
    from hub.cohorts.explain.evidence import Turn


def said(instant: datetime, zone: ZoneInfo) -> str:
    """`3 March 2026 14:05`: the seconds are for machines."""
    local = instant.astimezone(zone)
    return f"{local.day} {local.strftime('%B %Y %H:%M')}"


def because(turn: Turn, zone: ZoneInfo, *, past: bool) -> str:
    """What makes a clause turn, as the rest of a sentence: `when the "Purchase" of 3 December 2025 14:05 falls out of
    the window`. `past` for what has happened."""
    cause, at = turn.cause, turn.at
    if cause is None or at is None:
        return ""
    of = said(cause.of, zone) if cause.of else ""
    one = not cause.more
    events = f'the "{cause.thing}" of {of}{"" if one else f" and {cause.more:,} more"}'
    fall = "fell" if past else "falls" if one else "fall"
    come = "came" if past else "comes" if one else "come"
    is_was = "was" if past else "is"
    known = {
        LEAVES: f"when {events} {fall} out of the window" if cause.thing else "",
        ENTERS: f"when {events} {come} into the window",
        HAPPENS: f'with the "{cause.thing}" of then',
        PASSES: f"when {cause.thing}, {of}, {is_was} reached",
        COMES: f"when {cause.thing}, {of}, {is_was} near enough",
        GOES: f"when {cause.thing}, {of}, {is_was} too long ago",
        PROFILE: f"when the hub got to know {cause.thing}",
        LISTED: f"when the list of {cause.thing} changed",
        KNOWN: "with the first event of theirs",
    }
    return known[cause.kind]
