"""What somebody writes by hand who needs no ledger: a loop over httpx that posts the members of a Parquet file.

httpx's own transport, orjson, batches of 500, 8 in flight. It records nothing, tries nothing again, and goes on
knowing nothing of what it has done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.syncing.partner import AT_ONCE, BATCH, body
from benchmarks.syncing.receiver import PATH


def post_file(url: str, file: Path) -> None:
    """Post everybody in a Parquet file (`email` and the values), in its order."""
    with pq.ParquetFile(file) as members:
        asyncio.run(post(url, _batches(members)))


def post_differences(url: str, home: Path) -> dict[str, int]:
    """Post whom the newest profiles have in the cohort otherwise than the audience holds them; tells how many."""
    import duckdb

    from hub.lake.lake import Lake
    from hub.lake.tables import HELD, PROFILES
    from hub.settings import load

    lake = Lake(load(home).lake_root)
    with duckdb.connect(config={"memory_limit": "2GiB"}) as connection:
        query = _DIFFERENCES.format(profiles=lake.files(PROFILES), held=lake.files(HELD))
        found = connection.execute(query).to_arrow_table()
    batches = (batch for batch in found.combine_chunks().to_batches(max_chunksize=BATCH))
    asyncio.run(post(url, batches))
    return {"sent": found.num_rows}


_DIFFERENCES = """
    with newest as (select distinct_id, max(seq) as seq from read_parquet({profiles}) group by 1),
    now as (
        select nullif(lower(trim(map_extract_value(strings, '$email'))), '') as email,
            map_extract_value(strings, 'country') as country, map_extract_value(strings, '$first_name') as first_name,
            map_extract_value(numbers, 'ltv') as ltv
        from read_parquet({profiles}) semi join newest using (distinct_id, seq)
        where not deleted and map_extract_value(strings, 'plan') = 'pro'
    ),
    before as (select key, mapped from read_parquet({held}) where not gone)
    select coalesce(email, key) as email, country, first_name, ltv
    from now full join before on email = key
    where key is null or email is null
        or 's:' || country is distinct from map_extract_value(mapped, 'country')
        or 's:' || first_name is distinct from map_extract_value(mapped, 'first_name')
        or 'n:' || ltv is distinct from map_extract_value(mapped, 'ltv')
    order by key is null desc, email is null, 1
"""


async def post(url: str, batches: Iterator[pa.RecordBatch]) -> None:
    """Post each batch, eight at a time."""
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30, trust_env=False) as client:

        async def work() -> None:
            for batch in batches:
                content = orjson.dumps(body("add", _members(batch)))
                answer = await client.post(PATH, content=content, headers={"Content-Type": "application/json"})
                answer.raise_for_status()

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    for group in file.iter_batches(batch_size=50_000):
        for first in range(0, group.num_rows, BATCH):
            yield group.slice(first, BATCH)


def _members(batch: pa.RecordBatch) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in batch.to_pylist():
        yield row.pop("email"), row
