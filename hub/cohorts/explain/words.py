"""What an explanation says, in sentences. Times are those of the project's zone."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.cohorts.explain.evidence import COMES, ENTERS, HAPPENS, KNOWN, LEAVES, LISTED, PASSES, PROFILE

if TYPE_CHECKING:
    from hub.cohorts.explain.evidence import Turn


def said(instant: datetime, zone: ZoneInfo) -> str:
    """`3 March 2026 14:05`, with seconds only if there are whole ones that are not zero."""
    local = instant.astimezone(zone)
    clock = local.strftime("%H:%M:%S") if local.second else local.strftime("%H:%M")
    return f"{local.day} {local.strftime('%B %Y')} {clock}"


def because(turn: Turn, zone: ZoneInfo) -> str:
    """What makes a clause turn, as the rest of a sentence that begins with when: `when the "Purchase" of ...`."""
    cause, at = turn.cause, turn.at
    if cause is None or at is None:
        return ""
    of = said(cause.of, zone) if cause.of else ""
    others = f" and {cause.more:,} more" if cause.more else ""
    if cause.kind == LEAVES:
        fall = "fall" if cause.more else "falls"
        return f'when the "{cause.thing}" of {of}{others} {fall} out of the window' if cause.thing else ""
    if cause.kind == ENTERS:
        come = "come" if cause.more else "comes"
        return f'when the "{cause.thing}" of {of}{others} {come} into the window'
    return {
        HAPPENS: f'with the "{cause.thing}" of that time',
        PASSES: f"when its {cause.thing} is past, {of}",
        COMES: f"when {cause.thing}, {of}, comes within reach"
        if at < (cause.of or at)
        else f"when {cause.thing}, {of}, is too long ago",
        PROFILE: f"when the hub got to know {cause.thing}",
        LISTED: f"when the list of {cause.thing} changed",
        KNOWN: "with the first that is known of them",
    }[cause.kind]
