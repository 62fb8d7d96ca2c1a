"""What became of members that were brought to a cohort."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.cohorts.cohort import Cohort
    from hub.cohorts.lists.changes import Applied
    from hub.cohorts.lists.rows import Tally


@dataclass(frozen=True)
class Brought:
    """What became of members that were brought to a cohort.

    `accepted` of them were good, `rejected` not, with the place (line, row) and the reason of the first; then what
    that changed of the list, and its `size` now. `warnings` are sentences.
    """

    cohort: str
    accepted: int
    rejected: int
    rejects: tuple[tuple[int, str], ...]
    added: int = 0
    changed: int = 0
    removed: int = 0
    size: int = 0
    warnings: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub cohort receive --json`."""
        rejects = [{"line": line, "reason": reason} for line, reason in self.rejects]
        return {**asdict(self), "rejects": rejects, "warnings": list(self.warnings)}


@dataclass(frozen=True)
class Session:
    """How far a session of pages is. `missing` pages are still to come; `applied`, once all are in."""

    missing: int
    applied: bool


def report(cohort: Cohort, tally: Tally, done: Applied | None = None) -> Brought:
    """What became of members that were brought, and what changed (nothing yet, without `done`)."""
    figures = asdict(done) if done else {}
    return Brought(cohort.name, tally.accepted, tally.rejected, tuple(tally.rejects), **figures)
