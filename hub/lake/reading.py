"""Opening the lake for questions, with the engine that the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hub.lake.duckdb_reader import DuckDbReader
from hub.lake.duckdb_reader import opened as duckdb_opened
from hub.lake.engines import SPARK, engine_of
from hub.lake.reader import Reader

if TYPE_CHECKING:
    from hub.lake.lake import Lake

__all__ = ["DuckDbReader", "Reader", "asking", "engine_at_hand", "reading"]


@contextmanager
def reading(lake: Lake, *, memory_limit: str = "2GiB", threads: int = 0) -> Iterator[DuckDbReader]:
    """Open the lake with DuckDB, within this process: for all that is written from what was read.

    Beyond `memory_limit` it spills to a temporary folder below the lake; `threads` of 0 means one a core. Raises
    UsageError for a `memory_limit` that is none, StoreError when the lake's folder cannot be written.
    """
    with duckdb_opened(lake, memory_limit=memory_limit, threads=threads) as reader:
        yield reader


@contextmanager
def asking(lake: Lake, *, engine: str, memory_limit: str, threads: int) -> Iterator[Reader]:
    """Open the lake for questions, with the engine of the setting `engine` (`hub.lake.engines`).

    Raises UsageError for a setting that names no engine, or one that is not installed; StoreError when it is away; else
    as of `reading`.
    """
    wanted = engine_of(engine)
    if wanted.name == SPARK:
        from hub.lake.spark.reader import opened

        with opened(lake, wanted, memory_limit=memory_limit) as reader:
            yield reader
    else:
        with reading(lake, memory_limit=memory_limit, threads=threads) as reader:
            yield reader


def engine_at_hand(setting: str) -> str:
    """What the setting `engine` names, for people, after a look whether it can be asked; nothing is started.

    Raises as of `asking`.
    """
    wanted = engine_of(setting)
    if wanted.name != SPARK:
        return "DuckDB"
    from hub.lake.spark.failing import address
    from hub.lake.spark.prerequisites import check_installed, reach

    check_installed()
    reach(wanted)
    return f"Spark at {address(wanted)}"
