"""What alerts are about: conditions, their levels, and how each kind is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

WELL, WARNING, CRITICAL = "", "warning", "critical"
LEVELS = (WARNING, CRITICAL)
"""The levels of an alert; a condition without one is well."""

Figure = str | int | float | None

SYNC_FAILED, SYNC_HELD, SYNC_NOT_FRESH = "sync_failed", "sync_held", "sync_not_fresh"
SYNC_PARKED, TICKS_MISSED = "sync_parked", "ticks_missed"
COHORT_FAILED, CONNECTION_STOPPED, PULL_FAILED = "cohort_failed", "connection_stopped", "pull_failed"
INTAKE_BEHIND, DISK_NEARLY_FULL, PLUGIN_BROKEN = "intake_behind", "disk_nearly_full", "plugin_broken"

KINDS: Mapping[str, str] = {
    SYNC_FAILED: "The last run of a sync failed.",
    SYNC_HELD: "A guard holds a run of a sync until a person decides.",
    SYNC_NOT_FRESH: "What a sync keeps is late (warning) or stale (critical).",
    SYNC_PARKED: "A partner refuses many of the members of a sync.",
    TICKS_MISSED: "A sync was due for so long that its next tick has come, too, and nobody ran it.",
    COHORT_FAILED: "A cohort could not be evaluated for a sync.",
    CONNECTION_STOPPED: "A connection is stopped: its credential is refused, or a setting cannot work.",
    PULL_FAILED: "Message events of a connection could not be fetched.",
    INTAKE_BEHIND: "What came in waits to be moved to the lake for long.",
    DISK_NEARLY_FULL: "The disk of the hub's home is nearly full.",
    PLUGIN_BROKEN: "A plugin could not be loaded.",
}
"""Every kind of alert, and when it is raised. docs/alerts.md lists the same; a test holds the two together."""


def rank(level: str) -> int:
    """How bad a level is: 0 is well."""
    return (WELL, *LEVELS).index(level)


@dataclass(frozen=True)
class Condition:
    """Something that is wrong now.

    `key` tells it from all others for as long as it lasts. `said` and `hint` name syncs, connections and counts, never
    a member and never a partner's own words: those may hold an address. `sync_id` is the sync whose muting it heeds;
    `host` the machine that alone can see it.
    """

    key: str
    kind: str
    level: str
    subject: str
    said: str
    hint: str = ""
    project_id: int | None = None
    sync_id: int | None = None
    host: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """A condition that came, went, or became better or worse: `before` and `after` are levels."""

    key: str
    kind: str
    before: str
    after: str
    subject: str
    said: str
    hint: str
    project_id: int | None
    since: datetime
    figures: Mapping[str, Figure]

    @property
    def word(self) -> str:
        """What happened: raised, changed or recovered."""
        if self.after == WELL:
            return "recovered"
        return "changed" if self.before else "raised"


@dataclass(frozen=True)
class OpenAlert:
    """A condition that lasts, as people see it. `muted` says that nobody is told."""

    key: str
    kind: str
    level: str
    subject: str
    sync: str
    said: str
    hint: str
    since: datetime
    told: bool
    muted: bool

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `open` in `hub alert list --json`."""
        return {
            "id": self.key,
            "kind": self.kind,
            "level": self.level,
            "subject": self.subject,
            "sync": self.sync or None,
            "said": self.said,
            "hint": self.hint,
            "since": self.since.isoformat(),
            "told": self.told,
            "muted": self.muted,
        }
