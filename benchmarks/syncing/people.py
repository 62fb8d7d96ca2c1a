"""The people of the benchmark: a hub with so many members in a cohort, and the same members as one Parquet file.

Members are `person-N` with an address, a first name, a country and a number; a tenth as many others are not in the
cohort. `change` lets 1 % of the members differ: one in 200 has another number, one in 400 leaves, as many enter.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from benchmarks.syncing.partner import NAME
from hub.lake.lake import Lake
from hub.lake.tables import PROFILES, TableLayout

COHORT, SYNC, AUDIENCE = "pro", "pro-bench", "hub: pro"
MAPPING = {"country": "country", "first_name": "$first_name", "ltv": "ltv"}
DEFINITION = 'user.plan = "pro"'
OTHERS = 10  # one for so many members is not in the cohort at first
_LEAVES, _CHANGED = 400, 200
_DONE = ".whole"

_FIELDS = """
    'person-' || lpad(n::varchar, 8, '0') as distinct_id,
    'person-' || lpad(n::varchar, 8, '0') || '@example.com' as email,
    ['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Frances'][1 + (hash(n, 1) % 6)::int] as first_name,
    ['NO', 'SE', 'DK', 'US', 'DE', 'FR'][1 + (hash(n, 2) % 6)::int] as country,
    (hash(n, 3) % 30000) / 10.0::double as ltv
"""

_PROFILES = """
    select 1::int as project_id, distinct_id, {seq} + n as seq, timestamptz '2026-10-01 00:00:00+00' as known_at,
        false as deleted,
        map {{'$email': email, '$first_name': first_name, 'country': country, 'plan': plan}} as strings,
        map {{'ltv': ltv}} as numbers, map([]::varchar[], []::boolean[]) as booleans,
        map([]::varchar[], []::timestamptz[]) as times, map([]::varchar[], []::varchar[][]) as lists,
        null::varchar as nested
    from ({people})
"""


def made(folder: Path, people: int) -> Path:
    """A home with so many members below `folder`, made once; what a run leaves in it is of a copy (`copied`)."""
    home = folder / f"home-{people}"
    if not (home / _DONE).exists():
        shutil.rmtree(home, ignore_errors=True)
        _make(home, people)
        _write_members(home / "members.parquet", people)
        (home / _DONE).touch()
    return home


def copied(home: Path, to: Path) -> Path:
    """A copy of a home to run in: the lake's files, which nobody changes, are linked."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(home, to, copy_function=_linked)
    return to


def environment(home: Path) -> dict[str, str]:
    """What the processes of a home are told: where it is, and where the benchmark's plugin is installed."""
    root = Path(__file__).parents[2]
    paths = [str(_plugin(home.parent / "plugin")), str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "HUB_HOME": str(home), "HUB_ALLOW_PRIVATE": "1", "PYTHONPATH": os.pathsep.join(paths)}


def change(home: Path, people: int) -> int:
    """Let 1 % of the members differ from now on; returns how many do."""
    changed = f"""
        select n, plan, email, distinct_id, first_name, country, ltv + 0.5 as ltv
        from ({_people(0, people, "pro")}) where n % {_CHANGED} = 1
        union all by name select * from ({_people(0, people, "free")}) where n % {_LEAVES} = 0
        union all by name select * from ({_people(people, people + people // _LEAVES, "pro")})
    """
    append(home, PROFILES, _PROFILES.format(people=changed, seq=10 * people))
    return people // _CHANGED + 2 * (people // _LEAVES)


def append(home: Path, layout: TableLayout, query: str) -> None:
    """Add what a query gives to a table of the lake, once."""
    _lake(home).append(layout, _batches(query), application="bench", version=1)


def empty(home: Path, definition: str = DEFINITION) -> None:
    """A home with the cohort, and nobody in it."""
    from hub.app import Hub
    from hub.cohorts.text.reading import definition_of_text
    from hub.projects import initialise
    from hub.settings import load

    initialise(load(home))
    Hub.open(home).cohorts.add(COHORT, definition_of_text(definition))


def _make(home: Path, people: int) -> None:
    empty(home)
    members, others = _people(0, people, "pro"), _people(people, people + people // OTHERS, "free")
    rows = _batches(_PROFILES.format(people=f"{members} union all by name {others}", seq=0))
    _lake(home).replace(PROFILES, rows, predicate="project_id = 1")  # as compacted


def _people(first: int, last: int, plan: str) -> str:
    return f"select n, '{plan}' as plan, {_FIELDS} from range({first}, {last}) numbers(n)"


def _lake(home: Path) -> Lake:
    from hub.settings import load

    return Lake(load(home).lake_root)


def _batches(query: str) -> Iterator[pa.RecordBatch]:
    import duckdb

    with duckdb.connect(config={"memory_limit": "2GiB"}) as connection:
        connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
        for batch in connection.execute(query).to_arrow_reader(100_000):
            yield pa.RecordBatch.from_arrays(batch.columns, names=batch.schema.names)


def _write_members(file: Path, people: int) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select email, country, first_name, ltv from ({_people(0, people, 'pro')}) order by email) "
            f"to '{file}' (format parquet, compression zstd, row_group_size 50000)"
        )


def _plugin(folder: Path) -> Path:
    """A distribution that brings the benchmark's connector, as an installer would have left it."""
    installed = folder / "hub_bench-1.dist-info"
    installed.mkdir(parents=True, exist_ok=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: hub-bench\nVersion: 1\n")
    (installed / "entry_points.txt").write_text(f"[hub.plugins]\n{NAME} = benchmarks.syncing.partner\n")
    return folder


def _linked(source: str, target: str) -> None:
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
