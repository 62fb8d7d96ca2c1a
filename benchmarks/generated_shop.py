"""A lake of a generated shop: events of 180 days, twenty a person, with profiles and linked devices; all compacted.

30 names of events, Zipf-like; a person's share falls off, too. One person in ten has a device that is linked to them,
and half of their events came in by its id. Every person has a profile, one in ten with an older state; some devices
have one of before they were somebody's.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from hub.clock import utc_months
from hub.lake.lake import Lake
from hub.lake.tables import EVENTS, IDENTITY, PROFILES, TableLayout

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 180
EVENTS_A_PERSON = 20
_MEMORY = "3GiB"
_DONE = ".whole"

_NAMES = [
    "Page View", "App Open", "Search", "Message Opened", "Add to Cart", "Purchase", "Product Viewed", "Sign In",
    "Category Viewed", "Unsubscribed", *(f"Event {number}" for number in range(20)),
]  # fmt: skip

_EVENTS = """
    select 1::int as project_id, strftime(instant, '%Y-%m') as month, 0::int as tail, event,
        case when person % 10 = 0 and half then '$device:' || person else 'user-' || person end as distinct_id,
        null::varchar as device_id, null::varchar as user_id, instant as time, md5(n::varchar) as insert_id,
        null::varchar as source, instant + interval 2 second as received_at,
        map {{'$os': ['iOS', 'Android', 'Web'][1 + (one % 3)::int],
              '$city': ['Oslo', 'Bergen', 'Malmö', 'Paris', 'Rome'][1 + (one // 3 % 5)::int],
              '$browser': ['Safari', 'Chrome', 'Firefox', 'Edge'][1 + (one // 15 % 4)::int]}} as strings,
        map {{'duration': (two % 600)::double, 'amount': (two // 600 % 10000) / 100.0::double}} as numbers,
        map([]::varchar[], []::boolean[]) as booleans, map([]::varchar[], []::timestamptz[]) as times,
        map([]::varchar[], []::varchar[][]) as lists, null::varchar as nested
    from (
        select n, floor(pow(hash(n, 1) % 1000000007 / 1000000007.0, 1.4) * {people})::bigint as person,
            hash(n, 7) % 2 = 0 as half, {name} as event,
            make_timestamptz({start} + (hash(n, 3) % ({end} - {start}))::bigint) as instant,
            hash(n, 5) as one, hash(n, 6) as two
        from range({first}, {last}) numbers(n)
    )
    order by event, distinct_id, time
"""

_PROFILES = """
    select 1::int as project_id, distinct_id, seq, timestamptz '2026-10-01 00:00:00+00' as known_at, false as deleted,
        map {{'country': ['NO', 'SE', 'DK', 'US', 'DE', 'FR'][1 + (one % 6)::int],
              'plan': ['free', 'pro', 'team'][1 + (one // 6 % 3)::int],
              '$last_seen': strftime(seen, '%Y-%m-%dT%H:%M:%S'),
              '$email': distinct_id || '@example.com'}} as strings,
        map {{'ltv': (one // 18 % 3000) / 10.0::double}} as numbers,
        map {{'newsletter': one // 54000 % 2 = 0}} as booleans, map {{'$last_seen': seen}} as times,
        map([]::varchar[], []::varchar[][]) as lists, null::varchar as nested
    from (
        select 'user-' || n as distinct_id, n as seq, hash(n, 21) as one,
            timestamptz '{now}' - to_seconds((hash(n, 22) % 43200000)::bigint) as seen from range(0, {people}) t(n)
        union all
        select 'user-' || n, -1 - n, hash(n, 23), timestamptz '{now}' from range(0, {people}, 10) t(n)
        union all
        select '$device:' || n, {people} + n, hash(n, 24), timestamptz '{now}' from range(0, {people}, 50) t(n)
    )
"""

_IDENTITY = """
    select 1::int as project_id, '$device:' || n as id, 'user-' || n as person,
        timestamptz '2026-05-01 00:00:00+00' as known_from, null::timestamptz as known_to
    from range(0, {people}, 10) t(n)
"""


def generated(folder: Path, events: int) -> Lake:
    """The lake of so many events below a folder: one that is there is used again."""
    root = folder / f"{events}"
    lake = Lake(root)
    if not (root / _DONE).exists():
        lake.create()
        _fill(lake, events)
        (root / _DONE).touch()
    return lake


def _fill(lake: Lake, events: int) -> None:
    people, begin, done = events // EVENTS_A_PERSON, NOW - timedelta(days=DAYS), 0
    for month in utc_months(begin, NOW):
        start = max(begin, datetime.fromisoformat(f"{month}-01T00:00:00+00:00"))
        end = min(NOW, (start.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0))
        last = round(events * ((end - begin) / (NOW - begin)))
        instants = {name: int(instant.timestamp() * 1e6) for name, instant in (("start", start), ("end", end))}
        query = _EVENTS.format(people=people, name=_name(), first=done, last=last, **instants)
        _put(lake, EVENTS, query, f"project_id = 1 and month = '{month}' and tail = 0")
        done = last
    _put(lake, PROFILES, _PROFILES.format(people=people, now=NOW), "project_id = 1")
    _put(lake, IDENTITY, _IDENTITY.format(people=people), "project_id = 1")


def _name() -> str:
    """SQL for a name, by its Zipf-like share."""
    total = sum(1 / rank for rank in range(1, len(_NAMES) + 1))
    cases, below = [], 0.0
    for rank, name in enumerate(_NAMES, start=1):
        below += 1 / rank / total
        cases.append(f"when hash(n, 2) % 1000000007 < {round(below * 1_000_000_007)} then '{name}'")
    return f"case {' '.join(cases)} else '{_NAMES[-1]}' end"


def _put(lake: Lake, layout: TableLayout, query: str, predicate: str) -> None:
    import duckdb

    with duckdb.connect(config={"memory_limit": _MEMORY}) as connection:
        connection.execute("set timezone = 'UTC'; set enable_progress_bar = false")
        stored = connection.execute(query).to_arrow_reader(100_000)
        rows = (pa.RecordBatch.from_arrays(batch.columns, names=batch.schema.names) for batch in stored)
        lake.replace(layout, (batch.select(layout.schema.names) for batch in rows), predicate=predicate)
