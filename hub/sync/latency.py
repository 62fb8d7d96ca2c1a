"""How long changes take from their arrival to the partner's acknowledgement.

What is measured of a member: from when the first thing about them came in that no earlier run had seen, to the answer
that took them. First thing: of the events that the cohort's definition names, of the changes of their profile and of
their ids. So a figure is never better than the truth: what made them qualify may have come in later. Whom nothing came
in about, because time passed or a list, a definition or a mapping was changed, is counted and not measured.

The times are kept as a histogram whose steps are a tenth apart, so that those of several runs can be added up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from hub.lake.tables import TIME

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import DuckDbReader

STEP = 1.1
"""How far the steps of the histogram are apart: what is told is at most a tenth too much."""
_FIRST = 0.1  # seconds: what is quicker is told as this


@dataclass(frozen=True)
class Answered:
    """A batch as it ended: its rows of the plan, and when the partner took them (None: it did not)."""

    first_row: int
    size: int
    answered_at: datetime | None


@dataclass(frozen=True)
class Latency:
    """How long the changes of some runs took: step of the histogram -> members, and how many were not measured."""

    steps: Mapping[int, int] = field(default_factory=dict)
    unmeasured: int = 0

    @property
    def measured(self) -> int:
        """How many members were measured."""
        return sum(self.steps.values())

    def quantile(self, share: float) -> float | None:
        """The seconds within which that share of the measured members was acknowledged; None without any."""
        left = share * self.measured
        for step in sorted(self.steps):
            left -= self.steps[step]
            if left <= 1e-9:
                return round(_FIRST * STEP**step, 1)
        return None

    def figures(self) -> dict[str, Any]:
        """As it is kept."""
        return {"steps": {str(step): members for step, members in self.steps.items()}, "unmeasured": self.unmeasured}


def latency_of(kept: Mapping[str, Any]) -> Latency:
    """What `Latency.figures` kept."""
    return Latency({int(step): int(n) for step, n in kept.get("steps", {}).items()}, int(kept.get("unmeasured", 0)))


def together(several: Iterable[Latency]) -> Latency:
    """The latencies of several runs as one."""
    steps: Counter[int] = Counter()
    unmeasured = 0
    for each in several:
        steps.update(each.steps)
        unmeasured += each.unmeasured
    return Latency(dict(steps), unmeasured)


@dataclass(frozen=True)
class Measured:
    """What the members of a plan waited. `undelivered_since` is when the oldest change came in that the partner did not
    take; None when there is none, or when it cannot be told of everybody."""

    latency: Latency
    undelivered_since: datetime | None


def measure(
    reader: DuckDbReader,
    plan: Path,
    arrivals: ibis.Table,
    batches: Sequence[Answered],
    refused: Iterator[Sequence[str]],
) -> Measured:
    """Measure a plan whose batches have ended. `arrivals` are `person`, `since`; `refused` has the keys that the
    partner did not take, some at a time. Nothing of the plan is held in memory."""
    if not batches:
        return Measured(Latency(), None)
    rows = reader.backend.read_parquet(str(plan), file_row_number=True).select("person", "key", "file_row_number")
    waited = rows.left_join(arrivals, "person").select("key", "since", "file_row_number")
    ends = reader.rows(_table(batches))
    ended = waited.join(
        ends, [waited.file_row_number >= ends.first_row, waited.file_row_number < ends.beyond], how="inner"
    )
    keys = [pa.array(some, pa.string()) for some in refused]
    if keys:
        unwanted = reader.rows(pa.table({"key": pa.chunked_array(keys)}))
        ended = ended.anti_join(unwanted, "key")
    return _measured(reader, ended)


def _measured(reader: DuckDbReader, ended: ibis.Table) -> Measured:
    """Both answers by one question: the joins below it are what it costs."""
    seconds = ended.answered_at.delta(ended.since, unit="millisecond").cast("float64") / 1000
    floored = (seconds < _FIRST).ifelse(_FIRST, seconds)
    step = ((floored / _FIRST).ln() / math.log(STEP)).ceil().cast("int64")
    stepped = ended.select("since", taken=ended.answered_at.notnull(), step=step)
    counted = stepped.group_by("taken", "step").agg(
        members=stepped.count(), known=stepped.since.count(), oldest=stepped.since.min()
    )
    rows = [row for batch in reader.batches(counted) for row in batch.to_pylist()]
    steps = {row["step"]: row["members"] for row in rows if row["taken"]}
    left = [row for row in rows if not row["taken"]]  # one at most: a step takes an answer
    oldest = left[0]["oldest"] if left and left[0]["members"] == left[0]["known"] else None
    return Measured(Latency({step: n for step, n in steps.items() if step is not None}, steps.get(None, 0)), oldest)


def _table(batches: Sequence[Answered]) -> pa.Table:
    return pa.table(
        {
            "first_row": pa.array([each.first_row for each in batches], pa.int64()),
            "beyond": pa.array([each.first_row + each.size for each in batches], pa.int64()),
            "answered_at": pa.array([each.answered_at for each in batches], TIME),
        }
    )
