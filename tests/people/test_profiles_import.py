"""Files of profiles into the control plane and on to the lake: once, in order, whatever happens to the process."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from sqlalchemy import select

from hub.errors import Busy, InputError, Interrupted, StoreError
from hub.lake.tables import PROFILES
from hub.lake.typed import properties_of
from hub.people.profiles import import_profiles, publish_profiles
from hub.store.tables import imports, profiles


@pytest.fixture
def write(tmp_path):
    def to(name, *updates):
        path = tmp_path / name
        path.write_bytes(
            b"".join((each if isinstance(each, bytes) else orjson.dumps(each)) + b"\n" for each in updates)
        )
        return path

    return to


@pytest.fixture
def current(workspace):
    """The profiles of the control plane: distinct_id -> (seq, properties); None for one that is deleted."""

    def read():
        with workspace.store.reading() as connection:
            rows = connection.execute(select(profiles)).all()
        return {row.distinct_id: (row.seq, None if row.deleted else orjson.loads(row.properties)) for row in rows}

    return read


@pytest.fixture
def in_the_lake(workspace):
    """All rows of the lake's table of profiles, by `seq`."""

    def read():
        with workspace.reading() as reader:
            rows = [row for batch in reader.batches(reader.table(PROFILES)) for row in batch.to_pylist()]
        return sorted(rows, key=lambda row: row["seq"])

    return read


def newest(rows):
    """The newest state of each profile in the lake, in the form of `current`."""
    return {row["distinct_id"]: (row["seq"], None if row["deleted"] else properties_of(row)) for row in rows}


def add(person, amount=1):
    return {"$distinct_id": person, "$add": {"n": amount}}


def test_updates_become_profiles_here_and_in_the_lake(workspace, write, current, in_the_lake):
    report = import_profiles(
        workspace,
        write(
            "a",
            {"$distinct_id": "ann", "$set": {"$email": "ann@example.com", "since": "2026-01-01"}},
            {"$distinct_id": "bo", "$properties": {"$email": "bo@example.com", "tags": ["x"]}},
            {"$distinct_id": "ann", "$set": {"plan": "pro"}, "$unset": ["since"]},
        ),
    )

    assert (report.state, report.lines, report.accepted, report.rejected) == ("done", 3, 3, 0)
    assert current() == {
        "ann": (1, {"$email": "ann@example.com", "plan": "pro"}),
        "bo": (2, {"$email": "bo@example.com", "tags": ["x"]}),
    }
    assert newest(in_the_lake()) == current()


def test_a_deleted_profile_stays_as_a_tombstone_and_may_come_back(workspace, write, current, in_the_lake):
    import_profiles(workspace, write("a", {"$distinct_id": "ann", "$set": {"a": 1}}))
    import_profiles(workspace, write("b", {"$distinct_id": "ann", "$delete": ""}))
    gone = current()
    import_profiles(workspace, write("c", {"$distinct_id": "ann", "$set": {"b": 2}}))

    assert gone == {"ann": (2, None)}
    assert current() == {"ann": (3, {"b": 2})}
    assert [(row["seq"], row["deleted"]) for row in in_the_lake()] == [(1, False), (2, True), (3, False)]
    assert in_the_lake()[1]["strings"] == []


def test_a_profile_that_does_not_change_gets_no_new_row(workspace, write, current, in_the_lake):
    import_profiles(workspace, write("a", {"$distinct_id": "ann", "$set": {"a": 1}}))
    import_profiles(workspace, write("b", {"$distinct_id": "ann", "$set_once": {"a": 9}}, add("bo")))

    assert current() == {"ann": (1, {"a": 1}), "bo": (2, {"n": 1})}
    assert len(in_the_lake()) == 2


def test_the_same_bytes_are_not_folded_twice(workspace, write, current):
    import_profiles(workspace, write("a", add("ann"), b"bad"))
    again = import_profiles(workspace, write("b", add("ann"), b"bad"))

    assert (again.state, again.accepted, again.rejected) == ("already imported", 1, 1)
    assert again.reasons == {"The line is not JSON.": 1}
    assert current() == {"ann": (1, {"n": 1})}


def test_bad_lines_stay_out_and_the_others_go_in(workspace, write, current):
    report = import_profiles(
        workspace, write("a", add("ann"), b"{", b"", {"$distinct_id": "null", "$set": {}}, add("bo")), block_bytes=60
    )

    assert (report.lines, report.accepted, report.rejected) == (5, 2, 2)
    assert [(reject.line, reject.reason) for reject in report.rejects] == [
        (2, "The line is not JSON."),
        (4, "$distinct_id is a value that stands for nobody."),
    ]
    assert set(current()) == {"ann", "bo"}


def test_a_file_of_events_is_told_apart_and_leaves_no_trace(workspace, write):
    path = write("a", {"event": "A", "properties": {"distinct_id": "ann"}})
    with pytest.raises(InputError, match="looks like events") as caught:
        import_profiles(workspace, path)
    with workspace.store.reading() as connection:
        noted = connection.execute(select(imports)).all()

    assert caught.value.hint == f"Use `hub event import {path}`."
    assert noted == []


def test_a_stopped_import_goes_on_where_it_was(workspace, write, current, in_the_lake):
    path = write("a", *[add(f"p{n % 10}") for n in range(400)])
    stop = threading.Event()
    with pytest.raises(Interrupted, match="updates of it are in, up to line"):
        import_profiles(workspace, path, stop=stop, block_bytes=1000, progress=lambda *_: stop.set())
    some = sum(found["n"] for _, found in current().values())
    published = newest(in_the_lake())
    report = import_profiles(workspace, path)

    assert 0 < some < 400
    assert len(published) == 10
    assert (report.lines, report.accepted) == (400, 400)
    assert {found["n"] for _, found in current().values()} == {40}
    assert newest(in_the_lake()) == current()


def test_what_was_folded_but_not_published_is_published_by_the_next_call(workspace, write, current, in_the_lake):
    log = workspace.lake.root / "profiles" / "_delta_log"
    path = write("a", add("ann"))
    away = None

    def lose_the_lake(*_counts):
        nonlocal away
        away = log.rename(log.with_name("away"))

    with pytest.raises(StoreError):
        import_profiles(workspace, path, progress=lose_the_lake)
    away.rename(log)

    assert in_the_lake() == []
    assert publish_profiles(workspace) == 1
    assert publish_profiles(workspace) == 0
    assert newest(in_the_lake()) == current() == {"ann": (1, {"n": 1})}


def test_publishers_at_once_publish_each_row_once(workspace, write, in_the_lake, monkeypatch):
    monkeypatch.setattr("hub.people.profiles.publish_profiles", lambda _workspace: 0)
    monkeypatch.setattr("hub.people.profile_publishing._PAGE", 7)
    import_profiles(workspace, write("a", *[add(f"p{n}") for n in range(100)]))
    with ThreadPoolExecutor(3) as pool:
        counts = [*pool.map(lambda _: publish_profiles(workspace), range(3))]

    assert sum(counts) == 100
    assert [row["seq"] for row in in_the_lake()] == list(range(1, 101))


def test_two_who_import_the_same_file_at_once_fold_it_once(workspace, write, current):
    path = write("a", *[add("ann") for _ in range(500)])

    def once(_):
        try:
            return import_profiles(workspace, path, block_bytes=1000).accepted
        except Busy:
            return "busy"

    with ThreadPoolExecutor(2) as pool:
        assert 500 in [*pool.map(once, range(2))]
    assert current()["ann"][1] == {"n": 500}


PROGRAM = """
import sys
from pathlib import Path
from hub.app import Hub
from hub.people.profiles import import_profiles

import_profiles(Hub.open(Path(sys.argv[1])).workspace, sys.argv[2], block_bytes=3000,
                progress=lambda *_: print("chunk", flush=True))
"""


def test_killed_at_random_instants_and_gone_on_with_every_line_is_folded_once(
    home, workspace, write, current, in_the_lake
):
    path = write("a", *[add(f"p{n % 50}") for n in range(5000)])
    chance = random.Random(3)
    for _ in range(5):
        command = [sys.executable, "-c", PROGRAM, str(home), str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(chance.randrange(1, 15)):
            process.stdout.readline()
        time.sleep(chance.random() * 0.03)  # an instant of no meaning
        process.send_signal(signal.SIGKILL)
        process.communicate()
    report = import_profiles(workspace, path)
    rows = in_the_lake()

    assert report.accepted == 5000
    assert {found["n"] for _, found in current().values()} == {100}
    assert len({row["seq"] for row in rows}) == len(rows)
    assert newest(rows) == current()


def test_the_command_tells_rejected_lines_and_ends_with_4(cli, write):
    path = write("a", add("ann"), b"{")
    run = cli("profile", "import", str(path), "--json")
    found = orjson.loads(run.stdout)

    assert run.returncode == 4
    assert run.stderr == f"{path}:2: The line is not JSON.\n"
    assert (found["state"], found["accepted"], found["rejected"]) == ("done", 1, 1)
