"""Events out again: each once, in the order of time, whole, and fit to be taken in again."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import orjson
import pytest

from hub.app import Hub
from hub.errors import UsageError
from hub.people.event_export import Wanted
from hub.projects import initialise
from hub.settings import load
from tests.conftest import HUB


def line(name, who, time, insert_id, **properties):
    found = {"distinct_id": who, "time": time, "$insert_id": insert_id, **properties}
    return orjson.dumps({"event": name, "properties": found})


@pytest.fixture
def imported(hub, tmp_path):
    """Import lines as a file of their own."""

    def run(*lines, into=hub):
        path = tmp_path / f"{len([*tmp_path.iterdir()])}.jsonl"
        path.write_bytes(b"\n".join(lines))
        return into.events.import_file(path)

    return run


def exported(hub, **wanted):
    return [json.loads(each) for part in hub.export_events(Wanted(**wanted)) for each in part.splitlines()]


def ids(events):
    return [event["properties"]["$insert_id"] for event in events]


def at(text, zone="UTC"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


RICH = {
    "text": "æ \"quoted\" \n", "whole": 3, "part": 2.5, "yes": True, "when": "2026-01-02T03:04:05Z",
    "list": [1, "a", None, {"b": [2]}], "object": {"a": {"b": 1}}, "$source": "mailchimp",
}  # fmt: skip


def test_an_event_comes_out_as_mixpanels_raw_export_has_it(hub, imported):
    before = datetime.now(UTC).timestamp() * 1000 - 1
    imported(line("Purchase", "ann", 1_700_000_000.25, "i1", **RICH))

    (event,) = exported(hub)
    received = event["properties"].pop("mp_processing_time_ms")
    assert before <= received <= datetime.now(UTC).timestamp() * 1000 + 1
    assert event == {
        "event": "Purchase",
        "properties": {"time": 1_700_000_000.25, "distinct_id": "ann", "$insert_id": "i1", **RICH},
    }
    assert list(event["properties"])[:3] == ["time", "distinct_id", "$insert_id"]


def test_what_came_in_twice_comes_out_once_in_the_order_of_time_over_months(hub, imported):
    imported(line("B", "ann", at("2026-03-05"), "i3"), line("A", "ann", at("2026-01-05"), "i1"))
    imported(line("A", "bob", at("2026-02-05"), "i2"), line("A", "ann", at("2026-01-05"), "i1"))

    assert ids(exported(hub)) == ["i1", "i2", "i3"]
    assert ids(exported(hub, limit=2)) == ["i1", "i2"]
    assert ids(exported(hub, names=["B"])) == ["i3"]
    assert ids(exported(hub, names=["A", "B"], limit=10)) == ["i1", "i2", "i3"]


def test_days_are_those_of_the_projects_zone_and_the_last_is_included(tmp_path, imported):
    home = tmp_path / "oslo"
    initialise(load(home), timezone="Europe/Oslo")
    oslo = Hub.open(home)
    midnight = at("2026-11-01T00:00", "Europe/Oslo")
    imported(*(line("A", "ann", midnight + hours * 3600, f"i{hours}") for hours in (-1, 0, 23, 24)), into=oslo)

    assert ids(exported(oslo, first=date(2026, 11, 1), last=date(2026, 11, 1))) == ["i0", "i23"]
    assert ids(exported(oslo, last=date(2026, 10, 31))) == ["i-1"]
    assert ids(exported(oslo, first=date(2026, 11, 2))) == ["i24"]
    assert len(exported(oslo, first=date.min, last=date.max)) == 4
    with pytest.raises(UsageError, match="end on"):
        exported(oslo, first=date(2026, 11, 2), last=date(2026, 11, 1))


def test_events_are_their_persons_and_those_of_nobody_are_there_too(hub, imported):
    imported(
        line("View", "", at("2026-01-05"), "i1", **{"$device_id": "d1"}),
        line("Sign Up", "", at("2026-01-06"), "i2", **{"$device_id": "d1", "$user_id": "ann"}),
        line("Cron", "", at("2026-01-07"), "i3"),
    )

    told = [(event["event"], event["properties"]["distinct_id"]) for event in exported(hub)]
    assert told == [("View", "ann"), ("Sign Up", "ann"), ("Cron", "")]


def test_what_comes_out_can_be_taken_in_again_and_is_the_same(cli, hub, imported, tmp_path):
    imported(
        *(line("Purchase", f"p{n}", 1_700_000_000 + n * 1000.123456, f"i{n}", n=n, **RICH) for n in range(20)),
        line("Sign Up", "x", at("2026-01-06"), "i20", **{"$device_id": "d1", "$user_id": "ann"}),
    )
    (tmp_path / "out.gz").write_bytes(gzip.compress(b"".join(hub.export_events())))
    other = {"HUB_HOME": str(tmp_path / "other")}
    cli("init", **other)
    again = cli("event", "import", str(tmp_path / "out.gz"), **other)
    out = cli("event", "export", **other)

    assert again.returncode == 0
    told = [json.loads(each) for each in out.stdout.splitlines()]
    for event in [*told, *(found := exported(hub))]:
        del event["properties"]["mp_processing_time_ms"]
    assert told == found
    assert len(told) == 21


def test_the_command_takes_days_names_and_a_limit(cli, imported):
    imported(*(line(name, "ann", at(f"2026-01-0{day}"), f"{name}{day}") for name in "AB" for day in (1, 2, 3)))
    out = cli("event", "export", "--from", "2026-01-02", "--to", "2026-01-03", "--event", "A", "--limit", "1")
    wrong = cli("event", "export", "--from", "soon")

    assert ids(map(json.loads, out.stdout.splitlines())) == ["A2"]
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--from 'soon' is not a day" in wrong.stderr


@pytest.fixture
def many(imported, home):
    imported(*(line("A", "ann", 1_700_000_000 + n, f"i{n}", text="x" * 200) for n in range(30_000)))
    return {**os.environ, "HUB_HOME": str(home)}


def test_a_reader_that_has_seen_enough_ends_it_without_a_word(many):
    command = [HUB, "event", "export"]
    with subprocess.Popen(command, env=many, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        export.stdout.readline()
        export.stdout.close()
        said = export.stderr.read()

    assert (export.returncode, said) == (0, b"")


def test_ctrl_c_ends_it(many):
    command = [HUB, "event", "export"]
    with subprocess.Popen(command, env=many, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        export.stdout.readline()
        export.send_signal(signal.SIGINT)
        export.stdout.read()
        said = export.stderr.read()

    assert export.returncode == 130
    assert b"Traceback" not in said
