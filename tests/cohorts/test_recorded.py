"""Who enters and leaves a cohort, as the lake table `membership_changes` has it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from hub.clock import now
from hub.cohorts.counting import refresh
from hub.cohorts.recorded import evaluations, recorded_members
from hub.cohorts.service import Cohorts
from hub.errors import Busy, StoreError
from hub.lake.lake import Lake
from hub.lake.tables import MEMBERSHIP_CHANGES
from tests.lake_rows import EventRow, ProfileRow, add_events, add_identity, add_profiles

WITHOUT_VIPS = "{version: 1, all: [{did: Purchase, window: 10 days}, {profile: vip, op: is not set}]}"
DOCUMENT = Path(__file__).parents[2] / "docs" / "lake.md"


@pytest.fixture
def buyers(workspace):
    """A cohort of those who bought within ten days: ann and bob."""
    Cohorts(workspace).add("buyers", "version: 1\ndid: Purchase\nwindow: 10 days\n")
    _bought(workspace, "ann", "bob")
    return workspace


def _bought(workspace, *people: str, days_ago: int = 1) -> None:
    at = now() - timedelta(days=days_ago)
    add_events(workspace, [EventRow(person, "Purchase", at) for person in people])


def _recorded(workspace) -> set[str]:
    cohort = Cohorts(workspace).get("buyers")
    with workspace.reading() as reader:
        found = recorded_members(reader, workspace.project, cohort.id)
        return {person for batch in reader.batches(found) for person in batch.column("person").to_pylist()}


def _rows(workspace) -> list[tuple]:
    table = DeltaTable(workspace.lake.path(MEMBERSHIP_CHANGES)).to_pyarrow_table()
    rows = sorted(table.to_pylist(), key=lambda row: (row["evaluation"], row["person"]))
    return [(row["evaluation"], row["person"], row["entered"], row["merged"]) for row in rows]


def _refresh(workspace) -> tuple:
    (found,) = refresh(workspace, ["buyers"])
    return found.size, found.entered, found.left


def test_everybody_enters_first_and_then_what_differs_is_recorded(buyers):
    assert _refresh(buyers) == (2, 2, 0)
    assert _refresh(buyers) == (2, 0, 0)
    _bought(buyers, "cid")
    Cohorts(buyers).edit("buyers", WITHOUT_VIPS)
    add_profiles(buyers, [ProfileRow("bob", {"vip": True})])
    assert _refresh(buyers) == (2, 1, 1)
    assert _rows(buyers) == [
        (1, "ann", True, False), (1, "bob", True, False), (2, "bob", False, False), (2, "cid", True, False),
    ]  # fmt: skip
    assert _recorded(buyers) == {"ann", "cid"}
    cohort = Cohorts(buyers).get("buyers")
    assert cohort.size == 2
    with buyers.reading() as reader:
        found = evaluations(reader, buyers.project, cohort.id)
    told = [(each.number, each.version, each.entered, each.left, each.size) for each in found]
    assert told == [(1, 1, 2, 0, 2), (2, 2, 1, 1, 2)]


def test_a_merge_is_neither_a_leaving_nor_an_entering(buyers):
    _bought(buyers, "$device:1", "$device:2")
    assert _refresh(buyers) == (4, 4, 0)
    add_identity(buyers, {"$device:1": "ann", "$device:2": "dora"})
    assert _refresh(buyers) == (3, 0, 0)
    assert [row for row in _rows(buyers) if row[0] == 2] == [
        (2, "$device:1", False, True), (2, "$device:2", False, True), (2, "dora", True, True),
    ]  # fmt: skip
    assert _recorded(buyers) == {"ann", "bob", "dora"}
    assert _refresh(buyers) == (3, 0, 0)


def test_somebody_whose_ids_were_merged_leaves_once(buyers):
    _bought(buyers, "$device:1", "$device:2")
    _refresh(buyers)
    add_identity(buyers, {"$device:1": "eve", "$device:2": "eve"})
    Cohorts(buyers).edit("buyers", WITHOUT_VIPS)
    add_profiles(buyers, [ProfileRow("eve", {"vip": True})])
    assert _refresh(buyers) == (2, 0, 1)
    assert _recorded(buyers) == {"ann", "bob"}


def test_somebody_known_by_an_address_alone_stays_when_becoming_known(buyers):
    add_events(buyers, [EventRow("$match:$email:x@y.no", "Purchase", now() - timedelta(days=1), source="mailchimp")])
    assert _refresh(buyers) == (3, 3, 0)
    add_profiles(buyers, [ProfileRow("xenia", {"$email": "X@y.no"})])
    assert _refresh(buyers) == (3, 0, 0)
    assert _recorded(buyers) == {"ann", "bob", "xenia"}


def test_whoever_is_killed_after_the_commit_or_before_it_records_nothing_twice(buyers, monkeypatch):
    append = Lake.append

    def killed_before(self, layout, *rows, **more):
        if layout is MEMBERSHIP_CHANGES:
            raise StoreError("killed")
        return append(self, layout, *rows, **more)

    def killed_after(self, layout, *rows, **more):
        append(self, layout, *rows, **more)
        raise StoreError("killed")

    for killed, entered in ((killed_before, 2), (killed_after, 0)):
        monkeypatch.setattr(Lake, "append", killed)
        with pytest.raises(StoreError):
            refresh(buyers, ["buyers"])
        monkeypatch.setattr(Lake, "append", append)
        if not entered:
            assert _refresh(buyers) == (2, 0, 0)
    assert [row[:2] for row in _rows(buyers)] == [(1, "ann"), (1, "bob")]


def test_of_two_at_once_one_records(buyers, monkeypatch):
    append, others = Lake.append, []

    def overtaken(self, *rows, **more):
        if not others:
            others.append(True)
            others.append(_refresh(buyers))
        return append(self, *rows, **more)

    monkeypatch.setattr(Lake, "append", overtaken)
    (mine,) = refresh(buyers, ["buyers"])
    assert (mine.entered, mine.size, others[1]) == (None, 2, (2, 2, 0))
    assert [row[:2] for row in _rows(buyers)] == [(1, "ann"), (1, "bob")]


def test_an_older_evaluation_does_not_undo_a_newer_one(buyers):
    from hub.cohorts.recorded import record

    _refresh(buyers)
    cohort = Cohorts(buyers).get("buyers")
    with buyers.reading() as reader, pytest.raises(Busy):
        nobody = recorded_members(reader, buyers.project, cohort.id).filter(False)
        record(buyers, reader, cohort, now() - timedelta(hours=1), nobody)
    assert _recorded(buyers) == {"ann", "bob"}


async def test_a_syncs_run_records_its_cohort(connected):
    connected.syncs.start("loyal", "news", every=None)
    run = await connected.syncs.run("loyal-news")
    cohort = connected.cohorts.get("loyal")
    with connected.workspace.reading() as reader:
        (found,) = evaluations(reader, connected.workspace.project, cohort.id)
    assert (found.entered, found.size, cohort.size) == (run.qualified, run.qualified, run.qualified)


def test_the_sentence_of_sql_in_the_documentation_names_who_is_in_now(buyers):
    _refresh(buyers)
    _bought(buyers, "cid")
    add_identity(buyers, {"bob": "ann"})
    _refresh(buyers)
    query = DOCUMENT.read_text().split("<!-- current membership -->\n```sql\n")[1].split("```")[0]
    membership_changes = DeltaTable(buyers.lake.path(MEMBERSHIP_CHANGES)).to_pyarrow_dataset()  # noqa: F841
    assert {*duckdb.sql(query).to_arrow_table()["person"].to_pylist()} == {"ann", "cid"} == _recorded(buyers)


def test_a_home_of_before_the_table_gets_it_by_init(buyers, cli):
    import shutil

    shutil.rmtree(buyers.lake.path(MEMBERSHIP_CHANGES))
    refused = cli("cohort", "refresh", "buyers")
    assert (refused.returncode, "hub init" in refused.stderr) == (1, True)
    assert cli("init").returncode == 0
    (found,) = json.loads(cli("cohort", "refresh", "--all", "--json").stdout)
    assert (found["count"], found["entered"], found["left"], found["recorded"]) == (2, 2, 0, True)
