"""Arrays, zstd files and strict imports: as exact as lines, and told as clearly."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import time
from dataclasses import replace

import orjson
import pytest
from backports import zstd
from sqlalchemy import select

from hub.errors import InputError
from hub.events.importing import Sizes, import_events
from hub.events.mapping import Mapping
from hub.events.report import Refused
from hub.people.profiles import import_profiles
from hub.store.tables import imports, profiles

SMALL = Sizes(chunk_lines=40, block_bytes=1000)
BY_HELPERS = replace(SMALL, alone_bytes=0)
BUY = Mapping(event_name="Purchase", id="who", time="when", insert_id="id")


@pytest.fixture
def put(tmp_path):
    def to(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return to


def ids(rows):
    return sorted(int(row["insert_id"][1:]) for row in rows)


def array(lines, between=b","):
    return b"[" + between.join(lines) + b"]"


def pretty(lines):
    return orjson.dumps([orjson.loads(line) for line in lines], option=orjson.OPT_INDENT_2)


def table(count):
    return b"id,who,when\n" + b"".join(b"i%d,p%d,2026-01-%02d\n" % (n, n % 7, 1 + n % 28) for n in range(count))


def told(report):
    return [(reject.line, reject.element, reject.reason) for reject in report.rejects]


@pytest.mark.parametrize("layout", [array, pretty])
@pytest.mark.parametrize("sizes", [None, SMALL, BY_HELPERS])
def test_every_element_of_an_array_is_in_the_lake_once(workspace, lines, put, in_the_lake, layout, sizes):
    path = put("a.jsonl", layout(lines(300)))  # its name does not matter
    first, second = (import_events(workspace, path, sizes=sizes) for _ in range(2))

    assert (first.state, first.lines, first.accepted, first.unit) == ("done", 300, 300, "element")
    assert second.state == "already imported"
    assert ids(in_the_lake()) == list(range(300))


def test_bad_elements_are_told_with_line_and_number_and_the_rest_goes_in(workspace, lines, put, in_the_lake):
    good = lines(4)
    path = put("a", b"[\n" + good[0] + b',\n42, {"event": },\n' + good[1] + b', {"event":1},' + array(good[2:])[1:])
    first, again = (import_events(workspace, path) for _ in range(2))

    assert (
        told(first)
        == told(again)
        == [
            (3, 2, "The element is not a JSON object."),
            (3, 3, "The element is not JSON."),
            (4, 5, "event is not a text, or empty."),
        ]
    )
    assert first.reasons == dict.fromkeys([reject.reason for reject in first.rejects], 1)
    assert ids(in_the_lake()) == [0, 1, 2, 3]


def test_the_command_names_the_element(cli, lines, put):
    path = put("a.json", array([*lines(2), b"{}"]))
    run = cli("event", "import", str(path), "--json")

    assert run.returncode == 4
    assert run.stderr == f"{path}:1: element 3: event is missing.\n"
    assert orjson.loads(run.stdout)["rejects"] == [{"line": 1, "element": 3, "reason": "event is missing."}]


@pytest.mark.parametrize("sizes", [None, SMALL, BY_HELPERS])
def test_what_came_before_the_break_of_a_truncated_array_is_in_and_it_is_told(
    workspace, lines, put, in_the_lake, sizes
):
    whole = array(lines(300), b",\n")
    path = put("a", whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"ends early, on line .*: its JSON array is not closed") as caught:
        import_events(workspace, path, sizes=sizes)
    count = len(in_the_lake())

    assert ids(in_the_lake()) == list(range(count))
    assert count in (149, 150, 151, 152)
    assert f"{count} events of it are in, up to element {count}" in caught.value.message


@pytest.mark.parametrize("content", [b"[]", b" \n[ ]\n"])
def test_an_empty_array_is_done_at_once(workspace, put, content):
    assert import_events(workspace, put("a", content)).accepted == 0


def test_an_array_of_profiles_is_folded_in_its_order(workspace, put):
    updates = [{"$distinct_id": "ann", "$set": {"n": n}} for n in range(50)]
    path = put("a.zst", zstd.compress(orjson.dumps([*updates, {"$distinct_id": "ann"}], option=orjson.OPT_INDENT_2)))
    report = import_profiles(workspace, path, block_bytes=500)
    with workspace.store.reading() as connection:
        [row] = connection.execute(select(profiles)).all()

    assert (report.accepted, report.rejected) == (50, 1)
    assert told(report) == [(302, 51, "The element has no operator such as $set, and no $properties.")]
    assert orjson.loads(row.properties) == {"n": 49}


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("layout", [b"\n".join, array])
def test_zstd_is_known_by_its_bytes_also_in_several_frames(workspace, lines, put, in_the_lake, frames, layout):
    data = layout(lines(300))
    step = len(data) // frames + 1
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd"  # a frame without content, as pzstd writes first
    parts = [zstd.compress(data[at : at + step]) for at in range(0, len(data), step)]
    import_events(workspace, put("a.gz", (skipped if frames > 1 else b"") + b"".join(parts)), sizes=SMALL)

    assert ids(in_the_lake()) == list(range(300))


def test_a_truncated_zstd_file_is_called_that_and_what_came_before_stays(workspace, lines, put, in_the_lake):
    packed = zstd.compress(b"\n".join(lines(20_000)))
    path = put("a.zst", packed[: len(packed) // 2])
    with pytest.raises(InputError, match="truncated zstd file") as caught:
        import_events(workspace, path, sizes=Sizes(chunk_lines=500, block_bytes=10_000))
    count = len(in_the_lake())

    assert count > 1000
    assert f"{count:,} events of it are in" in caught.value.message


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
@pytest.mark.parametrize("layout", [b"\n".join, lambda made: array(made, b",\n")])
@pytest.mark.parametrize("sizes", [None, BY_HELPERS])
def test_of_a_small_truncated_file_the_whole_lines_before_the_break_are_in(
    workspace, lines, put, in_the_lake, pack, layout, sizes
):
    packed = pack(layout(lines(3000)))  # zstd packs 128 KiB at a time
    with pytest.raises(InputError, match=r"ends early.*: it is a truncated"):
        import_events(workspace, put("a", packed[:-10]), sizes=sizes)
    found = ids(in_the_lake())

    assert found == list(range(len(found)))
    assert len(found) > 1000


def test_a_corrupt_zstd_file_is_called_broken(workspace, lines, put):
    checked = {zstd.CompressionParameter.checksum_flag: 1}
    packed = bytearray(zstd.compress(b"\n".join(lines(3000)), options=checked))
    packed[-1] ^= 255
    with pytest.raises(InputError, match=r"is a broken zstd file.*checksum"):
        import_events(workspace, put("a.zst", bytes(packed)))


@pytest.mark.parametrize(
    ("name", "data", "mapping", "line"),
    [
        ("a.jsonl", lambda good: b"\n".join([*good, b"{"]), None, 301),
        ("a.jsonl.gz", lambda good: gzip.compress(b"\n".join([*good, b"{"])), None, 301),
        ("a.json", lambda good: array([*good, b"{}"], b",\n"), None, 301),
        ("a.csv", lambda _: table(300) + b"i300,p1,never\n", BUY, 302),
    ],
)
@pytest.mark.parametrize("sizes", [SMALL, BY_HELPERS])
def test_strict_refuses_the_file_whole_and_leaves_no_trace(
    workspace, lines, put, in_the_lake, name, data, mapping, line, sizes
):
    path = put(name, data(lines(300)))
    with pytest.raises(Refused, match=r"1 of 301 .* cannot go in, so nothing of it went in") as caught:
        import_events(workspace, path, mapping=mapping, strict=True, sizes=sizes)
    with workspace.store.reading() as connection:
        noted = connection.execute(select(imports)).all()
    empty = in_the_lake()
    report = import_events(workspace, path, mapping=mapping, sizes=sizes)

    assert [reject.line for reject in caught.value.report.rejects] == [line]
    assert (empty, noted) == ([], [])
    assert (report.accepted, report.rejected) == (300, 1)


def test_strict_takes_a_good_file_in_and_refuses_a_truncated_one(workspace, lines, put, in_the_lake):
    whole = array(lines(300))
    good = import_events(workspace, put("a", whole), strict=True, sizes=SMALL)
    with pytest.raises(InputError, match=r"not closed. Nothing of it went in"):
        import_events(workspace, put("b", whole[:-1]), strict=True, sizes=SMALL)

    assert good.accepted == len(in_the_lake()) == 300


def test_strict_refuses_profiles_whole(workspace, put):
    path = put("a", b'{"$distinct_id":"ann","$set":{"a":1}}\n' * 50 + b"{")
    with pytest.raises(Refused):
        import_profiles(workspace, path, strict=True, block_bytes=200)
    with workspace.store.reading() as connection:
        found = connection.execute(select(profiles)).all() + connection.execute(select(imports)).all()

    assert found == []


@pytest.mark.parametrize("noun", ["event", "profile"])
def test_the_strict_command_lists_the_wrong_lines_and_ends_with_2(cli, lines, put, in_the_lake, noun):
    good = lines(2) if noun == "event" else [b'{"$distinct_id":"ann","$set":{"a":1}}'] * 2
    path = put("a", b"\n".join([*good, b"{", b"{"]))
    run = cli(noun, "import", "--strict", "--json", str(path))
    found = orjson.loads(run.stdout)

    assert run.returncode == 2
    assert run.stderr.startswith(f"{path}:3: The line is not JSON.\n{path}:4: The line is not JSON.\nError: ")
    assert (found["state"], found["accepted"], found["rejected"]) == ("refused", 0, 2)
    assert in_the_lake() == []


PROGRAM = """
import sys
from pathlib import Path
from hub.app import Hub
from hub.events.importing import Sizes, import_events
from hub.events.mapping import Mapping

mapping = Mapping(event_name="Purchase", id="who", time="when", insert_id="id") if sys.argv[2].endswith("csv") else None
import_events(Hub.open(Path(sys.argv[1])).workspace, sys.argv[2], mapping=mapping,
              progress=lambda *counts: print("block", flush=True),
              sizes=Sizes(chunk_lines=150, block_bytes=4000, alone_bytes=0))
"""


@pytest.mark.parametrize(
    ("name", "data", "mapping"),
    [
        ("a.json", lambda made: array([*made[:2000], b"{}", *made[2000:]]), None),
        ("a.csv", lambda _: table(2000) + b"bad\n" + table(4000).split(b"\n", 2001)[2001], BUY),
    ],
)
def test_killed_at_random_instants_and_gone_on_with_every_row_is_there_once(
    home, workspace, lines, put, in_the_lake, name, data, mapping
):
    path = put(name, data(lines(4000)))
    chance = random.Random(11)
    for _ in range(4):
        command = [sys.executable, "-c", PROGRAM, str(home), str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(chance.randrange(1, 40)):
            process.stdout.readline()
        time.sleep(chance.random() * 0.05)  # an instant of no meaning
        process.kill()
        process.communicate()
    report = import_events(workspace, path, mapping=mapping, sizes=replace(BY_HELPERS, block_bytes=3000))

    assert (report.lines, report.accepted, report.rejected) == (4001, 4000, 1)
    assert ids(in_the_lake()) == list(range(4000))
