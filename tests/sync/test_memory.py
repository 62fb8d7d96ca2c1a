"""Little memory first, and all of it for a question that cannot do with so little."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hub.errors import OutOfMemory
from hub.sync.memory import LITTLE, bytes_of, with_little


@pytest.mark.parametrize(
    ("size", "meant"),
    [("2GiB", 2 * 2**30), ("1.5 GB", 1.5e9), ("500mb", 5e8), ("128MiB", 2**27), ("10B", 10), ("much", 0), ("", 0)],
)
def test_a_size_is_so_many_bytes(size, meant):
    assert bytes_of(size) == meant


def test_a_question_that_cannot_spill_is_asked_again_with_all_the_memory_there_is(tiny):
    limits = []

    def longest(workspace):
        limits.append(workspace.settings.memory_limit)
        with workspace.reading_here() as reader:
            file = reader.scratch / "rows.parquet"
            pq.write_table(pa.table({"text": pa.array(["x" * 4_000_000] * 60)}), file)
            rows = reader.files(file)
            return reader.value(rows.text.collect().length())  # one list cannot be on the disk in part

    allowed = replace(tiny.workspace, settings=tiny.workspace.settings.model_copy(update={"memory_limit": "2GiB"}))
    assert with_little(allowed, longest) == 60
    assert limits == [LITTLE, "2GiB"]

    less = replace(tiny.workspace, settings=tiny.workspace.settings.model_copy(update={"memory_limit": "64MiB"}))
    with pytest.raises(OutOfMemory, match="Out of Memory"):
        with_little(less, longest)
    assert limits[2:] == ["64MiB"]
