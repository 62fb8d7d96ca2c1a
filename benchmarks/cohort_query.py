"""The cohort "did A at least 3 times in the last 180 days and did not do B in the last 30" against DuckDB by hand.

    python -m benchmarks.cohort_query [EVENTS]

Both read the same files of the same lake, in connections of the same kind, and must name the same people. The ratio is
of the best of several turns taken one after the other.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from hub.lake.compaction import compact_events, due_months
from hub.lake.lake import Lake
from hub.lake.tables import EVENT_COLUMNS, EVENTS, PROPERTY_MAPS, TIME

if TYPE_CHECKING:
    from hub.lake.reading import Reader

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DEFINITION = """version: 1
all:
  - {did: Purchase, count: {at_least: 3}, window: 180 days}
  - {did_not: App Open, window: 30 days}
"""
TURNS = 9
_CHUNK = 500_000
_EVENTS_A_PERSON = 20


def main(events: int = 2_000_000) -> float:
    """Make the lake, measure, print one line; returns the ratio (hub / by hand)."""
    from hub.lake.reading import reading

    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        lake.create()
        _fill(lake, events)
        with reading(lake) as reader:
            by_hand, hub = _by_hand(reader, lake.files(EVENTS)), _by_hub(reader)
            assert _people(by_hand) == _people(hub), "they name different people"
            floor, ours = _best(by_hand, hub)
        print(f"cohort query, {events:,} events: by hand {floor:.3f} s, hub {ours:.3f} s, ratio {ours / floor:.2f}")
        return ours / floor


def _best(by_hand, hub) -> tuple[float, float]:
    timed: list[tuple[float, float]] = [(_seconds(by_hand), _seconds(hub)) for _ in range(TURNS)]
    return min(floor for floor, _ in timed), min(ours for _, ours in timed)


def _seconds(query) -> float:
    started = perf_counter()
    for _ in query():
        pass
    return perf_counter() - started


def _people(query) -> set[str]:
    return {person for batch in query() for person in batch.column(0).to_pylist()}


def _by_hub(reader: Reader):
    from hub.cohorts.members import evaluate
    from hub.cohorts.question import Question
    from hub.cohorts.reading import read_definition
    from hub.workspace import Project

    question, project = Question(read_definition(DEFINITION), NOW), Project(1, "bench", "UTC", "simplified")
    return lambda: reader.batches(evaluate(reader, project, question))


def _by_hand(reader: Reader, files: list[str]):
    query = f"""
        select distinct_id from read_parquet({files})
        where event in ('Purchase', 'App Open')
          and time between timestamptz '{NOW - timedelta(days=180)}' and timestamptz '{NOW}'
        group by distinct_id
        having count(*) filter (where event = 'Purchase') >= 3
           and count(*) filter (where event = 'App Open' and time >= timestamptz '{NOW - timedelta(days=30)}') = 0
    """
    return lambda: reader.backend.con.execute(query).to_arrow_reader(50_000)


def _fill(lake: Lake, events: int) -> None:
    pick = np.random.default_rng(1)
    for first in range(0, events, _CHUNK):
        rows = _rows(pick, min(_CHUNK, events - first), people=events // _EVENTS_A_PERSON)
        lake.append(EVENTS, rows, application="bench", version=first)
    for _ in compact_events(lake, due_months(lake, whatever=True), memory_limit="2GiB"):
        pass


def _rows(pick: np.random.Generator, size: int, *, people: int) -> pa.Table:
    """A year of 30 events with a Zipf-like share; `Purchase` and `App Open` are the third and the first."""
    names = np.array(["App Open", "Search", "Purchase", *(f"Event {number}" for number in range(27))])
    share = 1 / np.arange(1, 31)
    times = int(NOW.timestamp() * 1e6) - (pick.random(size) * 365 * 86_400e6).astype("int64")
    nothing = pa.nulls(size, pa.string())
    systems = pa.array(np.array(["iOS", "Android", "Web"])[pick.integers(0, 3, size)])
    columns = {
        "project_id": pa.array(np.ones(size, "int32")),
        "month": pa.array(np.datetime_as_string(times.astype("datetime64[us]"), unit="M")),
        "event": pa.array(names[pick.choice(30, size, p=share / share.sum())]),
        "distinct_id": pa.array(np.char.add("user-", pick.integers(0, people, size).astype(str))),
        "device_id": nothing,
        "user_id": nothing,
        "time": pa.array(times, TIME),
        "insert_id": pa.array(np.char.add("i", np.arange(size).astype(str))),
        "source": nothing,
        "received_at": pa.array(times, TIME),
        **{name: _properties(kind, size, pick, systems) for name, kind in PROPERTY_MAPS},
    }
    return pa.table(columns, schema=EVENT_COLUMNS)


def _properties(kind: pa.DataType, size: int, pick: np.random.Generator, systems: pa.Array) -> pa.Array:
    if not pa.types.is_map(kind):
        return pa.nulls(size, kind)
    filled = {pa.string(): ("$os", systems), pa.float64(): ("amount", pa.array(pick.random(size) * 100))}
    if kind.item_type not in filled:
        return pa.MapArray.from_arrays(
            pa.array(np.zeros(size + 1, "int32")), pa.array([], pa.string()), pa.array([], kind.item_type)
        )
    name, values = filled[kind.item_type]
    return pa.MapArray.from_arrays(pa.array(np.arange(size + 1, dtype="int32")), pa.array([name] * size), values)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
