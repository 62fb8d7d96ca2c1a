"""Files of events made up for a test, and what is in the lake afterwards."""

from __future__ import annotations

import gzip

import orjson
import pytest

from hub.lake.tables import EVENTS


@pytest.fixture
def lines():
    """JSON lines of so many events, from number `first`; the number is in `$insert_id` and in the property `n`."""

    def make(count: int, first: int = 0) -> list[bytes]:
        return [
            orjson.dumps(
                {
                    "event": "Purchase",
                    "properties": {
                        "distinct_id": f"p{n % 7}",
                        "time": 1_700_000_000 + n * 40_000,
                        "$insert_id": f"i{n}",
                        "n": n,
                    },
                }
            )
            for n in range(first, first + count)
        ]

    return make


@pytest.fixture
def write(tmp_path):
    """Write lines to a file, gzipped when its name says so."""

    def to(name: str, lines: list[bytes]):
        data = b"".join(line + b"\n" for line in lines)
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return to


@pytest.fixture
def in_the_lake(workspace):
    """The rows of the lake's table of events, in the order of their time."""

    def read():
        with workspace.reading() as reader:
            rows = [row for batch in reader.batches(reader.table(EVENTS)) for row in batch.to_pylist()]
        return sorted(rows, key=lambda row: row["time"])

    return read
