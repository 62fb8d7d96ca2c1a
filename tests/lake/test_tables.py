"""The tables themselves: read by another engine, written by one at a time, brought into the present layout."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from hub.errors import Busy
from hub.lake.lake import Lake
from hub.lake.tables import EVENT_COLUMNS, EVENTS, PROFILES
from hub.lake.typed import properties_of
from hub.maintenance import compact
from tests.lake.test_duplicates import table
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

DAY = datetime(2026, 10, 3, 12, 30, 15, 123_456, tzinfo=UTC)
PROPERTIES = {
    "plan": "pro",
    "trial ends": "2026-10-09T10:00:00+02:00",
    "amount": 12.5,
    "items": 3,
    "paid": True,
    "tags": ["a", 1, True, {"deep": None}],
    "address": {"city": "Malmö", "zip": [1, 2]},
}


def test_polars_reads_what_the_hub_wrote_typed_maps_included(tmp_path):
    workspace = make_workspace(tmp_path)
    add_profiles(workspace, [ProfileRow("ann", PROPERTIES, seq=7)])
    add_events(workspace, [EventRow(name, "Bought", DAY, PROPERTIES) for name in ("ann", "bob")])
    [*compact(workspace.store, workspace.lake, workspace.settings)]
    add_events(workspace, [EventRow("cid", "Bought", DAY, PROPERTIES, source="mailchimp")])

    events = pl.read_delta(str(workspace.lake.path(EVENTS))).sort("distinct_id").to_dicts()
    october = pl.scan_delta(str(workspace.lake.path(EVENTS))).filter(pl.col("month") == "2026-10", pl.col("tail") > 0)
    [profile] = pl.read_delta(str(workspace.lake.path(PROFILES))).to_dicts()

    assert [(row["distinct_id"], row["tail"], row["time"], row["source"]) for row in events] == [
        ("ann", 0, DAY, None),
        ("bob", 0, DAY, None),
        ("cid", 2, DAY, "mailchimp"),
    ]
    assert [properties_of(row) for row in (*events, profile)] == [PROPERTIES] * 4
    assert dict(profile["times"]) == {"trial ends": datetime(2026, 10, 9, 8, tzinfo=UTC)}
    assert (profile["seq"], profile["deleted"]) == (7, False)
    assert october.select("distinct_id").collect().to_series().to_list() == ["cid"]


def test_the_documented_sql_reads_each_event_once(tmp_path):
    documented = (Path(__file__).parents[2] / "docs" / "lake.md").read_text()
    [sql] = re.findall(r"```sql\n([^`]*PARTITION BY project_id, event[^`]*)```", documented)
    workspace = make_workspace(tmp_path)
    twice, other = (1, "A", "ann", DAY, "i1"), (1, "A", "ann", DAY, "i2")
    for first, keys in enumerate([[twice, other], [twice], [twice, twice]]):
        rows = table([(key, 10 * first + number) for number, key in enumerate(keys)])
        workspace.lake.append(EVENTS, rows, application="test", version=first + 1)
        if not first:
            [*compact(workspace.store, workspace.lake, workspace.settings)]
    frame = pl.read_delta(str(workspace.lake.path(EVENTS)))

    by_polars = pl.SQLContext(events=frame).execute(sql).collect()
    with duckdb.connect() as connection:
        by_duckdb = connection.register("events", frame.to_arrow()).execute(sql).pl()

    for found in (by_polars, by_duckdb):
        assert sorted((row["insert_id"], dict(row["numbers"])["number"]) for row in found.to_dicts()) == [
            ("i1", 21),
            ("i2", 1),
        ]


def test_somebody_else_has_moved_on(tmp_path):
    lake = Lake(tmp_path)
    lake.create()

    assert lake.append(EVENTS, table([((1, "A", "ann", DAY, "i"), 1)]), application="mover", version=5, after=0)
    with pytest.raises(Busy, match="up to 5, and not 0"):
        lake.append(EVENTS, table([((1, "A", "bob", DAY, "i"), 2)]), application="mover", version=4, after=0)
    assert lake.append(EVENTS, table([((1, "A", "bob", DAY, "i"), 2)]), application="mover", version=9, after=5)


@pytest.mark.parametrize("killed", ["", "before the old one was moved", "between the two moves"])
def test_a_table_of_the_older_layout_is_rebuilt(tmp_path, killed):
    older = [column for column in EVENT_COLUMNS if column.name != "source"]
    rows = table([((1, "A", f"user {n}", DAY - timedelta(days=n), f"i{n}"), n) for n in range(60)])
    write_deltalake(
        tmp_path / "events",
        rows.select([column.name for column in older]),
        partition_by=["project_id", "month"],
        commit_properties=CommitProperties(app_transactions=[Transaction("import:1:abc", 60)]),
    )
    lake = Lake(tmp_path)
    if killed:
        (tmp_path / ".events.new").mkdir()
        (tmp_path / ".events.new" / "half").write_text("")
    if killed == "between the two moves":
        lake.create()
        write_deltalake(tmp_path / ".events.old", pa.table({"x": [1]}))
        (tmp_path / "events").rename(tmp_path / ".events.new")

    lake.create()

    assert DeltaTable(tmp_path / "events").metadata().partition_columns == ["project_id", "month", "tail"]
    found = pl.read_delta(str(tmp_path / "events"))
    assert sorted(found["distinct_id"]) == sorted(f"user {n}" for n in range(60))
    assert set(found["tail"]) == {1}
    assert set(found["source"]) == {None}
    assert lake.committed(EVENTS, "import:1:abc") == 60
    assert not lake.append(EVENTS, rows, application="import:1:abc", version=60)
    assert not list(tmp_path.glob(".events*"))


def test_hub_lake_status_and_compact(cli, hub):
    lake, same = hub.workspace.lake, (1, "A", "ann", DAY, "i1")
    lake.append(EVENTS, table([(same, 1), ((1, "A", "ann", DAY - timedelta(days=9), "i1"), 2)]), **file("one"))
    lake.append(EVENTS, table([(same, 3)]), **file("two"))

    assert (hub.status().events, hub.status().newest_event) == (2, DAY)
    before = json.loads(cli("lake", "status", "--json").stdout)
    compacted = json.loads(cli("lake", "compact", "--json").stdout)
    after = cli("lake", "status").stdout

    events = before["tables"][0]
    assert (events["table"], events["rows"], events["tail_rows"]) == ("events", 3, 3)
    assert before["compacted_at"] is None
    assert before["backlog"] == {"requests": 0, "records": 0, "bytes": 0, "oldest_at": None}
    assert [(month["month"], month["read"], month["duplicates"]) for month in compacted] == [
        ("2026-09", 1, 0),
        ("2026-10", 2, 1),
    ]
    assert re.search(r"^events\t2\t2\t.*\t0 \(0.0%\)\tjust now$", after, re.MULTILINE)
    assert "Last compaction: just now" in after
    assert (hub.status().events, hub.status().newest_event) == (2, DAY)


def file(name):
    return {"application": f"import:1:{name}", "version": 1}
