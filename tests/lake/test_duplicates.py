"""Events count once, whatever comes in twice and whenever the lake is compacted: against the rules in plain Python."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.clock import now
from hub.lake import compaction, deduplicated, duplicates, slices
from hub.lake.lake import Lake
from hub.lake.making import make
from hub.lake.reading import reading
from hub.lake.tables import EVENT_COLUMNS, EVENTS, PROPERTY_MAPS
from hub.lake.typed import property_columns

_THIS_MONTH = now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
_DAY_END = timedelta(days=1, microseconds=-1)
TIMES = [
    _THIS_MONTH,
    _THIS_MONTH + timedelta(microseconds=999),
    _THIS_MONTH + _DAY_END,
    _THIS_MONTH + timedelta(days=1),
    _THIS_MONTH + timedelta(days=27),
    datetime(2021, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2021, 4, 1, tzinfo=UTC),
]

event = st.tuples(
    st.sampled_from([1, 2]),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["ann", "bob", ""]),
    st.sampled_from(TIMES),
    st.sampled_from(["i1", "i2"]),
)
batch = st.lists(event, min_size=1, max_size=6)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), batch),
        st.tuples(st.just("compact"), st.one_of(st.none(), batch)),
    ),
    min_size=2,
    max_size=6,
)


class Hub:
    """A lake, and what it should hold: every row that came in, in the order in which it came."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake(root)
        make(self.lake.path(EVENTS), EVENTS)
        self.held: list[tuple] = []  # (project, event, distinct_id, time, insert_id), number
        self.arrived = 0

    def append(self, batch, *, into=None) -> None:
        rows = [(key, self.arrived + number) for number, key in enumerate(batch)]
        self.arrived += len(batch)
        (self.held if into is None else into).extend(rows)
        self.lake.append(EVENTS, table(rows), application="test", version=self.arrived)

    def compact(self, meanwhile) -> None:
        """Compact; while the first month is written, `meanwhile` comes in."""
        late: list[tuple] = []

        def comes_in(*_) -> None:
            if meanwhile and not late:  # in a thread, as delta-rs asks for rows in one that may not write
                with ThreadPoolExecutor(1) as another:
                    another.submit(self.append, meanwhile, into=late).result()

        months = compaction.due_months(self.lake, whatever=True)
        for _ in compaction.compact_events(self.lake, months, memory_limit="512MiB", threads=1, progress=comes_in):
            pass
        self.held = [*newest(self.held, lambda key: (*key[:3], key[4], key[3].date())), *late]

    def check(self) -> None:
        expected = newest(self.held, lambda key: key)
        first = [("project_id", "=", "1")]
        with reading(self.lake, memory_limit="512MiB", threads=1) as reader:
            assert numbers(reader, deduplicated.events(reader)) == sorted(number for _, number in expected)
            assert deduplicated.count(reader, first) == sum(key[0] == 1 for key, _ in expected)
            narrow = deduplicated.events(reader, first, narrow=lambda rows: [rows.event == "A", rows.time < TIMES[3]])
            found = numbers(reader, narrow.filter(narrow.event == "A", narrow.time < TIMES[3]))
        assert found == sorted(n for key, n in expected if key[:2] == (1, "A") and key[3] < TIMES[3])

    def check_files(self) -> None:
        """Compacted files are sorted, and a slice of a day holds that day alone."""
        with reading(self.lake, threads=1) as reader:
            for file in self.lake.snapshot(EVENTS).stored():
                if file.tail <= slices.WHOLE:
                    stored = reader.of_files(EVENTS, [file.path], numbered=True).order_by("file_row_number")
                    rows = [row for part in reader.batches(stored) for row in part.to_pylist()]
                    assert rows == sorted(rows, key=lambda row: (row["event"], row["distinct_id"], row["time"]))
                    assert file.tail == slices.WHOLE or {row["time"].day for row in rows} == {-file.tail}


def newest(rows, key):
    """Of the rows that are equal by `key`, the one that came in last."""
    kept = {}
    for row in rows:
        kept[key(row[0])] = row
    return list(kept.values())


def numbers(reader, events):
    found = events.select(number=events.numbers.get("number"))
    return sorted(int(value) for part in reader.batches(found) for value in part.column(0).to_pylist())


def table(rows, received=lambda number: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)):
    columns = {
        "project_id": [key[0] for key, _ in rows],
        "month": [key[3].strftime("%Y-%m") for key, _ in rows],
        "event": [key[1] for key, _ in rows],
        "distinct_id": [key[2] for key, _ in rows],
        "device_id": [None] * len(rows),
        "user_id": [None] * len(rows),
        "time": [key[3] for key, _ in rows],
        "insert_id": [key[4] for key, _ in rows],
        "source": [None] * len(rows),
        "received_at": [received(number) for _, number in rows],
        **dict(zip((name for name, _ in PROPERTY_MAPS), property_columns({"number": n} for _, n in rows), strict=True)),
    }
    return pa.table(columns, schema=EVENT_COLUMNS)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.booleans())
def test_every_event_counts_once_whenever_the_lake_is_compacted(steps, much_is_compacted):
    few = -1 if much_is_compacted else 500_000
    with (
        TemporaryDirectory() as folder,
        mock.patch.object(slices, "LARGE_MONTH", 4),
        mock.patch.object(duplicates, "_FEW", few),
    ):
        hub = Hub(Path(folder))
        for what, batch in steps:
            if what == "append":
                hub.append(batch)
                continue
            hub.check()
            hub.compact(batch)
            hub.check_files()
        hub.check()
