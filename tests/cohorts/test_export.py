"""Members with their properties, printed and exported."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hub.cohorts.export import Format, whole_file
from hub.cohorts.service import Cohorts
from hub.errors import InputError, StoreError
from tests.conftest import HUB
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles

AT = datetime(2026, 11, 1, tzinfo=UTC)
ANN = {"$email": "ann@x.no", "plan": "pro", "ltv": 12, "vip": True, "tags": ["a", 1], "home": {"city": "Oslo"}}


@pytest.fixture
def buyers(workspace):
    """Ann with a profile, bob with another kind of plan, and a ghost without any."""
    add_events(workspace, [EventRow(person, "Purchase", AT) for person in ("ann", "bob", "ghost")])
    add_profiles(workspace, [ProfileRow("ann", ANN), ProfileRow("bob", {"plan": 7, "ltv": 1.5})])
    Cohorts(workspace).add("buyers", "version: 1\ndid: Purchase\n")
    return workspace


PROPERTIES = ["plan", "ltv", "vip", "tags", "home", "email"]


def _exported(workspace, kind: Format) -> bytes:
    stream = io.BytesIO()
    assert Cohorts(workspace).export("buyers", stream, kind, properties=PROPERTIES) == 3
    return stream.getvalue()


def test_properties_come_with_their_types_and_what_is_not_set_is_not_there(buyers):
    found = {
        row["person"]: row for row in Cohorts(buyers).members("buyers", properties=[*PROPERTIES[:5], "distinct_id"])
    }
    assert found["ann"]["properties"] == {**{name: ANN[name] for name in PROPERTIES[:5]}, "distinct_id": "ann"}
    assert found["bob"]["properties"] == {"plan": 7, "ltv": 1.5, "distinct_id": "bob"}
    assert isinstance(found["bob"]["properties"]["plan"], int)
    assert found["ghost"] == {
        "person": "ghost",
        "distinct_id": "ghost",
        "user_id": "ghost",
        "email": None,
        "properties": {},
    }


def test_csv_has_texts_and_a_property_that_is_called_like_a_column_has_user_in_front(buyers):
    rows = {row["person"]: row for row in csv.DictReader(io.StringIO(_exported(buyers, Format.CSV).decode()))}
    assert rows["ann"] == {
        "person": "ann", "distinct_id": "ann", "user_id": "ann", "email": "ann@x.no", "plan": "pro", "ltv": "12",
        "vip": "true", "tags": '["a",1]', "home": '{"city":"Oslo"}', "user.email": "",
    }  # fmt: skip
    assert (rows["bob"]["plan"], rows["bob"]["ltv"], rows["ghost"]["plan"]) == ("7", "1.5", "")


def test_parquet_has_types_where_all_values_are_of_one(buyers):
    table = pq.read_table(io.BytesIO(_exported(buyers, Format.PARQUET)))
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["ltv"], types["vip"], types["plan"], types["tags"]) == ("double", "bool", "string", "string")
    rows = {row["person"]: row for row in table.to_pylist()}
    assert (rows["ann"]["ltv"], rows["ann"]["vip"], rows["bob"]["vip"], rows["bob"]["plan"]) == (12.0, True, None, "7")


def test_a_file_is_there_as_a_whole_or_not_at_all(tmp_path):
    file = tmp_path / "members.csv"
    file.write_text("before")
    with pytest.raises(RuntimeError), whole_file(file) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert (file.read_text(), [*tmp_path.iterdir()]) == ("before", [file])
    with whole_file(file) as stream:
        stream.write(b"after")
    assert (file.read_text(), [*tmp_path.iterdir()]) == ("after", [file])
    with pytest.raises(StoreError, match="no-folder"), whole_file(tmp_path / "no-folder" / "x.csv"):
        pass


def test_a_property_is_not_asked_for_twice(buyers):
    with pytest.raises(InputError, match="twice"):
        Cohorts(buyers).export("buyers", io.BytesIO(), Format.CSV, properties=["plan", "plan"])


def test_the_commands_write_the_same(buyers, cli, tmp_path):
    file = tmp_path / "members.parquet"
    told = json.loads(cli("cohort", "export", "buyers", str(file), "--property", "plan", "--json").stdout)
    assert told == {"cohort": "buyers", "file": str(file), "format": "parquet", "members": 3}
    assert (pq.read_table(file).num_rows, file.stat().st_mode & 0o077) == (3, 0)
    printed = cli("cohort", "members", "buyers", "--csv", "--property", "plan").stdout.splitlines()
    assert printed[0] == '"person","distinct_id","user_id","email","plan"'
    assert '"ann","ann","ann","ann@x.no","pro"' in printed
    lines = cli("cohort", "members", "buyers", "--property", "plan").stdout.splitlines()
    assert lines[0] == "person\tdistinct_id\tuser_id\temail\tplan"
    assert "ann\tann\tann\tann@x.no\tpro" in lines
    missing = cli("cohort", "export", "buyerz", str(tmp_path / "none.csv"))
    assert (missing.returncode, (tmp_path / "none.csv").exists()) == (2, False)


def test_a_full_disk_and_a_reader_that_goes_away_are_sentences(buyers, home):
    environment = {**os.environ, "HUB_HOME": str(home)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [HUB, "cohort", "export", "buyers", "-"], stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )
    assert (done.returncode, "the disk is full" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [HUB, "cohort", "export", "buyers", "-"], stdout=writer, stderr=subprocess.PIPE, text=True, env=environment
    )
    assert (done.returncode, "Nobody reads" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    os.close(writer)
