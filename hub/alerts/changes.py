"""Which changes are told: one when something goes wrong, one when it is well again, and few when it flaps.

Pure functions of what is kept of a condition, what is seen of it now, and the time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from hub.alerts.model import WELL, Change, Condition, Figure

FLAPS = 3
"""What came so often within an hour flaps."""
WITHIN = timedelta(hours=1)
QUIET = timedelta(minutes=30)
"""That something which flaps is well again is told once it has been well for so long. What comes meanwhile is the same
alert, and is not told anew."""
FORGOTTEN = timedelta(days=1)
"""What has been well for so long is no longer kept."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a condition. `level` is how it was seen last, since `changed_at`; `told` the level that was told
    last; `raised` the instants of the last hour at which it came."""

    key: str
    kind: str
    subject: str
    level: str
    told: str
    said: str
    hint: str
    figures: Mapping[str, Figure]
    since: datetime
    changed_at: datetime
    raised: Sequence[datetime]
    project_id: int | None = None
    sync_id: int | None = None
    host: str = ""


def seen(kept: Kept | None, found: Condition | None, at: datetime) -> Kept:
    """What is to be kept of a condition that is seen like `found` at `at` (None: it is not there). One of the two is
    given. What a clock noted that was ahead of `at` counts as noted now."""
    kept = kept and _dated(kept, at)
    if found is None:
        assert kept is not None
        return kept if kept.level == WELL else replace(kept, level=WELL, changed_at=at)
    known = Kept(
        key=found.key,
        kind=found.kind,
        subject=found.subject,
        level=found.level,
        told=kept.told if kept else WELL,
        said=found.said,
        hint=found.hint,
        figures=found.figures,
        since=at,
        changed_at=at,
        raised=[at],
        project_id=found.project_id,
        sync_id=found.sync_id,
        host=found.host,
    )
    if kept is None:
        return known
    if kept.level == WELL:  # it is back: the same alert, if nobody was told that it had gone
        lately = [each for each in kept.raised if at - each < WITHIN]
        return replace(known, since=kept.since if kept.told else at, raised=[*lately, at])
    changed_at = kept.changed_at if kept.level == found.level else at
    return replace(known, since=kept.since, changed_at=changed_at, raised=kept.raised)


def to_tell(kept: Kept, at: datetime) -> Change | None:
    """The change that is to be told of a condition now, if nothing keeps it from being told."""
    if kept.level == kept.told or (kept.level == WELL and _may_come_back(kept, at)):
        return None
    return Change(
        key=kept.key,
        kind=kept.kind,
        before=kept.told,
        after=kept.level,
        subject=kept.subject,
        said=kept.said,
        hint=kept.hint,
        project_id=kept.project_id,
        since=kept.since,
        figures=kept.figures,
    )


def is_forgotten(kept: Kept, at: datetime) -> bool:
    """Whether nothing more has to be known of a condition."""
    return kept.level == WELL and kept.told == WELL and at - kept.changed_at > FORGOTTEN


def _dated(kept: Kept, at: datetime) -> Kept:
    return replace(
        kept,
        since=min(kept.since, at),
        changed_at=min(kept.changed_at, at),
        raised=[min(each, at) for each in kept.raised],
    )


def _may_come_back(kept: Kept, at: datetime) -> bool:
    return len(kept.raised) >= FLAPS and at - kept.changed_at < QUIET
