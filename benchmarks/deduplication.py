"""What counting every event once costs: three of the ten cohort questions on data with a fresh tail of 1 %, against the
same data all compacted.

    python -m benchmarks.deduplication [EVENTS]

180 days of events up to now; the tail lies in the last two days, in twenty files, as the mover leaves them. Both lakes
hold the same rows; the ratio is of the best of several turns, taken one after the other.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import pyarrow as pa

from hub.clock import utc_months
from hub.lake.compaction import compact_events, due_months
from hub.lake.lake import Lake
from hub.lake.slices import LARGE_MONTH
from hub.lake.tables import EVENT_COLUMNS, EVENTS

QUESTIONS = {
    "Add to Cart at least 3 times in 30 days": "{did: Add to Cart, count: {at_least: 3}, window: 30 days}",
    "Purchase for the first time in 14 days": "{did: Purchase, first: true, window: 14 days}",
    "Page View with three filters, twice in 90 days": """{did: Page View, count: {at_least: 2}, window: 90 days,
        where: [{property: $os, op: "=", value: iOS}, {property: $city, op: in, value: [Oslo, Bergen]},
        {property: duration, op: ">=", value: 300}]}""",
}
TURNS = 7
SHARE = 0.01
_FILES = 20
_DAYS = 180
_MEMORY = "2GiB"

_ROWS = """
    select 1::int as project_id, strftime(instant, '%Y-%m') as month, event, distinct_id, null::varchar as device_id,
        null::varchar as user_id, instant as time, insert_id, null::varchar as source,
        instant + interval 2 second as received_at,
        map {{'$os': ['iOS', 'Android', 'Web'][1 + (one % 3)::int],
              '$city': ['Oslo', 'Bergen', 'Malmö', 'Paris', 'Rome'][1 + (one // 3 % 5)::int]}} as strings,
        map {{'duration': (two % 600)::double, 'amount': (two // 600 % 10000) / 100.0::double}} as numbers,
        map([]::varchar[], []::boolean[]) as booleans, map([]::varchar[], []::timestamptz[]) as times,
        map([]::varchar[], []::varchar[][]) as lists, null::varchar as nested
    from (
        select 'user-' || (hash(n, 1) % {people}) as distinct_id,
            list_value('App Open', 'Page View', 'Search', 'Add to Cart', 'Purchase', 'Message Opened', 'Unsubscribed')[
                1 + floor(exp(hash(n, 2) % 1000000 / 1000000.0 * ln(7.99)) - 1)::int] as event,
            make_timestamptz({start} + (hash(n, 3) % ({end} - {start}))::bigint) as instant,
            md5(n::varchar) as insert_id, hash(n, 5) as one, hash(n, 6) as two
        from range({first}, {last}) numbers(n)
    )
"""


def main(events: int = 12_000_000) -> float:
    """Make both lakes, measure, print a line a question and one of all; returns the ratio of all."""
    now = datetime.now(UTC).replace(microsecond=0)
    with TemporaryDirectory() as folder:
        fresh, compacted = Lake(Path(folder) / "fresh"), Lake(Path(folder) / "compacted")
        fresh.create()
        _fill(fresh, events, now)
        shutil.copytree(fresh.root, compacted.root, copy_function=os.link)  # files of a lake are never written to
        for _ in compact_events(compacted, due_months(compacted, whatever=True), memory_limit=_MEMORY):
            pass
        total = [0.0, 0.0]
        print(f"de-duplication, {events:,} events of which {SHARE:.0%} are not compacted, in {_FILES} files:")
        for name, clause in QUESTIONS.items():
            with_tail, without = _measured(fresh, compacted, clause, now)
            total[0], total[1] = total[0] + with_tail, total[1] + without
            print(f"  {name}: {with_tail:.3f} s, compacted {without:.3f} s, ratio {with_tail / without:.2f}")
        print(f"  all three: ratio {total[0] / total[1]:.2f}")
        return total[0] / total[1]


def _measured(fresh: Lake, compacted: Lake, clause: str, now: datetime) -> tuple[float, float]:
    timed = []
    for _ in range(TURNS):
        (one, people), (other, same_people) = _asked(fresh, clause, now), _asked(compacted, clause, now)
        assert people == same_people, "they name different people"
        timed.append((one, other))
    return min(one for one, _ in timed), min(other for _, other in timed)


def _asked(lake: Lake, clause: str, now: datetime) -> tuple[float, int]:
    from hub.cohorts.members import evaluate
    from hub.cohorts.question import Question
    from hub.cohorts.reading import read_definition
    from hub.lake.reading import reading
    from hub.workspace import Project

    question = Question(read_definition(f"version: 1\nall:\n  - {clause}\n"), now)
    started = perf_counter()
    with reading(lake, memory_limit=_MEMORY) as reader:
        people = sum(
            part.num_rows for part in reader.batches(evaluate(reader, Project(1, "b", "UTC", "original"), question))
        )
    return perf_counter() - started, people


def _fill(lake: Lake, events: int, now: datetime) -> None:
    """The compacted months, as a compaction of today leaves them, and then the tail."""
    clean = int(events * (1 - SHARE))
    begin, done = now - timedelta(days=_DAYS), 0
    for month in utc_months(begin, now):
        start = max(begin, datetime.fromisoformat(f"{month}-01T00:00:00+00:00"))
        end = min(now, (start.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0))
        last = round(clean * ((end - begin) / (now - begin)))
        # a month that is coming in is cut by day, if it is large
        slices = "-day(time)" if end == now and last - done > LARGE_MONTH else "0"
        rows = _generated(done, last, start, end, people=events // 20)
        sorted_rows = f"select *, {slices} as tail from ({rows}) order by tail, event, distinct_id, time"
        _replace(lake, month, sorted_rows)
        done = last
    tail = _generated(done, events, now - timedelta(days=2), now, people=events // 20)
    arrived = pa.Table.from_batches(_batches(tail)).cast(EVENT_COLUMNS)
    size = -(-arrived.num_rows // _FILES)
    for number in range(_FILES):
        lake.append(EVENTS, arrived.slice(number * size, size), application="bench", version=number + 1)


def _replace(lake: Lake, month: str, query: str) -> None:
    slices = ", ".join(str(-day) for day in range(32))
    rows = (part.select(EVENTS.schema.names) for part in _batches(query))
    lake.replace(EVENTS, rows, predicate=f"project_id = 1 and month = '{month}' and tail in ({slices})")


def _generated(first: int, last: int, start: datetime, end: datetime, *, people: int) -> str:
    instants = {name: int(instant.timestamp() * 1e6) for name, instant in (("start", start), ("end", end))}
    return _ROWS.format(first=first, last=last, people=people, **instants)


def _batches(query: str):
    import duckdb

    with duckdb.connect(config={"memory_limit": _MEMORY}) as connection:
        connection.execute("set timezone = 'UTC'")
        yield from connection.execute(query).to_arrow_reader(100_000)


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
