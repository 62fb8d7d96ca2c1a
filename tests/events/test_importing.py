"""Files of events into the lake: once, whole, and with a reason for what stays out."""

from __future__ import annotations

import gzip
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest
from sqlalchemy import select

from hub.errors import InputError, Interrupted, StoreError
from hub.events.importing import Sizes, import_events
from hub.events.report import SAMPLE
from hub.store.tables import import_rejects, imports

SMALL = Sizes(chunk_lines=40, block_bytes=1000)
BY_HELPERS = Sizes(chunk_lines=40, block_bytes=1000, alone_bytes=0)


def ids(rows):
    return sorted(int(row["insert_id"][1:]) for row in rows)


def entry(workspace):
    with workspace.store.reading() as connection:
        return connection.execute(select(imports)).one()


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
@pytest.mark.parametrize("sizes", [None, SMALL, BY_HELPERS])
def test_every_line_is_in_the_lake_once(workspace, lines, write, in_the_lake, name, sizes):
    report = import_events(workspace, write(name, lines(300)), sizes=sizes)

    assert (report.state, report.lines, report.accepted, report.rejected) == ("done", 300, 300, 0)
    assert ids(in_the_lake()) == list(range(300))


def test_an_event_arrives_with_all_its_columns(workspace, write, in_the_lake):
    properties = {
        "distinct_id": "ann",
        "time": 1_700_000_000,
        "$insert_id": "i0",
        "$user_id": "ann",
        "$source": "mailchimp",
    }
    import_events(workspace, write("a", [orjson.dumps({"event": "Open", "properties": {**properties, "n": 3}})]))
    [row] = in_the_lake()

    assert (row["project_id"], row["month"], row["event"]) == (workspace.project.id, "2023-11", "Open")
    assert (row["distinct_id"], row["user_id"], row["device_id"], row["source"]) == ("ann", "ann", None, "mailchimp")
    assert dict(row["numbers"]) == {"n": 3.0}
    assert row["received_at"] > row["time"]


def test_gzip_is_known_by_its_bytes_not_by_its_name(workspace, lines, write, in_the_lake):
    packed = write("a.jsonl.gz", lines(5)).rename(workspace.settings.home / "plain.txt")
    import_events(workspace, packed)

    assert ids(in_the_lake()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\n\n  \n"])
def test_line_ends_blank_lines_and_a_byte_order_mark_do_no_harm(workspace, lines, tmp_path, in_the_lake, ending):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n".join(lines(4)) + ending)
    report = import_events(workspace, path)

    assert (report.accepted, report.rejected) == (4, 0)
    assert ids(in_the_lake()) == [0, 1, 2, 3]


def test_a_second_import_of_the_same_bytes_adds_nothing_and_says_so(workspace, lines, write, in_the_lake):
    import_events(workspace, write("a", [*lines(50), b"bad"]))
    again = import_events(workspace, write("other-name", [*lines(50), b"bad"]))

    assert (again.state, again.lines, again.accepted, again.rejected) == ("already imported", 51, 50, 1)
    assert [(reject.line, reject.reason) for reject in again.rejects] == [(51, "The line is not JSON.")]
    assert len(in_the_lake()) == 50


def test_bad_lines_are_counted_by_reason_and_the_good_beside_them_go_in(workspace, lines, write, in_the_lake):
    good = lines(6)
    report = import_events(workspace, write("a", [*good[:3], b"{", b"", *good[3:5], b'{"event": "A"}', good[5], b"{"]))

    assert (report.lines, report.accepted, report.rejected) == (10, 6, 3)
    assert report.reasons == {"The line is not JSON.": 2, "properties is missing.": 1}
    assert [reject.line for reject in report.rejects] == [4, 8, 10]
    assert ids(in_the_lake()) == list(range(6))


def test_only_a_sample_of_bad_lines_is_kept_but_all_are_counted(workspace, write):
    report = import_events(workspace, write("a", [b"{%d" % n for n in range(250)]), sizes=SMALL)
    with workspace.store.reading() as connection:
        kept = connection.execute(select(import_rejects)).all()

    assert (report.rejected, report.reasons) == (250, {"The line is not JSON.": 250})
    assert [reject.line for reject in report.rejects] == list(range(1, SAMPLE + 1))
    assert len(kept) == SAMPLE
    assert kept[3].excerpt == "{3"


def test_a_line_longer_than_an_event_may_be_is_one_rejected_line(workspace, lines, write, in_the_lake):
    good = lines(2)
    report = import_events(workspace, write("a", [good[0], b'{"x":"' + b"y" * 3_000_000 + b'"}', good[1]]), sizes=SMALL)

    assert (report.lines, report.reasons) == (3, {"The line is larger than 1 MB.": 1})
    assert ids(in_the_lake()) == [0, 1]


def test_standard_input_is_a_file_like_any_other(cli, lines, in_the_lake):
    text = b"\n".join(lines(5)).decode()
    first, second = (cli("event", "import", "-", "--json", stdin=text) for _ in range(2))

    assert [orjson.loads(run.stdout)["state"] for run in (first, second)] == ["done", "already imported"]
    assert ids(in_the_lake()) == [0, 1, 2, 3, 4]


def test_a_named_pipe_is_read_to_its_end(workspace, lines, tmp_path, in_the_lake):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=lambda: pipe.write_bytes(b"\n".join(lines(5))))
    feeder.start()
    report = import_events(workspace, pipe)
    feeder.join()

    assert report.accepted == 5
    assert len(in_the_lake()) == 5


def test_an_empty_file_is_done_at_once(workspace, write, in_the_lake):
    report = import_events(workspace, write("a", []))

    assert (report.state, report.lines, report.accepted) == ("done", 0, 0)
    assert in_the_lake() == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b,c\n1,2,3\n", "is not JSON lines: it looks like CSV"),
        (b"Dear all,\nhello\n", "is not JSON lines"),
        (b'[1, 2, "three"]', "is a JSON array, but not of objects"),
        (b'[{"$distinct_id":"a","$set":{"x":1}}]', "looks like profiles, not events"),
        (b"\x28\xb5\x2f\xfdnot zstd after all", "broken zstd file"),
        (b"PK\x03\x04" + bytes(50), "is not text in UTF-8"),
        ('{"event":"A"}\n'.encode("utf-16"), "is not text in UTF-8"),
        (b'{"$distinct_id":"a","$set":{"x":1}}\n' * 3, "looks like profiles, not events"),
        (b'{"page":0,"results":[{"$distinct_id":"a"}]}', "is a page of answers"),
        (b"\x1f\x8bnot gzip after all", "broken gzip file"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_and_leaves_no_trace(workspace, tmp_path, content, said):
    path = tmp_path / "odd"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        import_events(workspace, path)
    with workspace.store.reading() as connection:
        noted = connection.execute(select(imports)).all()

    assert str(path) in caught.value.message
    assert caught.value.hint
    assert noted == []


@pytest.mark.parametrize(("name", "said"), [("nowhere", "There is no file"), (".", "is a directory")])
def test_a_file_that_cannot_be_opened_is_named(workspace, tmp_path, name, said):
    with pytest.raises(InputError, match=said):
        import_events(workspace, tmp_path / name)


def test_what_came_before_the_break_of_a_truncated_gzip_stays_and_is_told(workspace, lines, tmp_path, in_the_lake):
    packed = gzip.compress(b"\n".join(lines(20_000)))
    path = tmp_path / "cut.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match="truncated gzip file") as caught:
        import_events(workspace, path, sizes=Sizes(chunk_lines=500, block_bytes=10_000))
    kept = ids(in_the_lake())

    assert kept == list(range(entry(workspace).lines))
    assert f"{len(kept):,} events of it are in, up to line {len(kept):,}" in caught.value.message
    assert "$insert_id" in caught.value.hint


def test_a_file_that_grows_while_it_is_read_is_not_called_done(workspace, lines, write):
    path = write("a", lines(200))

    def append(*_counts):
        with path.open("ab") as file:
            file.write(b"more\n")

    with pytest.raises(InputError, match="was written to while it was read"):
        import_events(workspace, path, sizes=SMALL, progress=append)

    assert entry(workspace).state == "running"


def stop_after(lines_done):
    stop = threading.Event()

    def progress(_read, _size, accepted, _rejected):
        if accepted >= lines_done:
            stop.set()

    return stop, progress


@pytest.mark.parametrize("sizes", [SMALL, BY_HELPERS])
def test_a_stopped_import_says_how_far_it_came_and_goes_on_from_there(workspace, lines, write, in_the_lake, sizes):
    path = write("a", [*lines(150), b"bad", *lines(150, 150)])
    stop, progress = stop_after(120)
    with pytest.raises(Interrupted, match="events of it are in, up to line") as caught:
        import_events(workspace, path, sizes=sizes, stop=stop, progress=progress)
    some = ids(in_the_lake())
    report = import_events(workspace, path, sizes=sizes)

    assert caught.value.exit_code == 130
    assert 0 < len(some) < 300
    assert (report.lines, report.accepted, report.rejected) == (301, 300, 1)
    assert report.reasons == {"The line is not JSON.": 1}
    assert ids(in_the_lake()) == list(range(300))


def test_a_commit_that_was_not_noted_is_counted_again_but_not_written_again(workspace, lines, write, in_the_lake):
    path = write("a", [*lines(150), b"bad", *lines(150, 150)])
    import_events(workspace, path, sizes=SMALL)
    with workspace.store.writing() as connection:
        connection.execute(import_rejects.delete())
        connection.execute(
            imports.update().values(lines=0, accepted=0, rejected=0, reasons={}, chunk=0, state="running")
        )
    report = import_events(workspace, path, sizes=Sizes(chunk_lines=70, block_bytes=900))  # cut otherwise, too

    assert (report.accepted, report.rejected) == (300, 1)
    assert ids(in_the_lake()) == list(range(300))


def test_a_half_that_was_cut_otherwise_is_gone_on_with_at_the_very_line(workspace, lines, write, in_the_lake):
    path = write("a", lines(300))
    stop, progress = stop_after(120)
    with pytest.raises(Interrupted):
        import_events(workspace, path, sizes=SMALL, stop=stop, progress=progress)
    with workspace.store.writing() as connection:
        connection.execute(imports.update().values(lines=0, accepted=0, chunk=0))
    report = import_events(workspace, path, sizes=Sizes(chunk_lines=1000, block_bytes=100_000))

    assert report.accepted == 300
    assert ids(in_the_lake()) == list(range(300))


def test_two_who_import_the_same_file_at_once_write_it_once(workspace, lines, write, in_the_lake):
    path = write("a", [*lines(400), b"bad"])
    with ThreadPoolExecutor(2) as pool:
        reports = [*pool.map(lambda _: import_events(workspace, path, sizes=SMALL), range(2))]

    assert [(report.accepted, report.rejected) for report in reports] == [(400, 1), (400, 1)]
    assert ids(in_the_lake()) == list(range(400))


def test_projects_keep_the_same_file_apart(workspace, lines, write, in_the_lake):
    from dataclasses import replace

    from hub.clock import now
    from hub.store.tables import projects

    with workspace.store.writing() as connection:
        connection.execute(projects.insert().values(name="b", timezone="UTC", identity="simplified", created_at=now()))
    other = replace(workspace, project=replace(workspace.project, id=2, name="b"))
    path = write("a", lines(3))
    reports = [import_events(each, path) for each in (workspace, other)]

    assert [report.state for report in reports] == ["done", "done"]
    assert sorted(row["project_id"] for row in in_the_lake()) == [1, 1, 1, 2, 2, 2]


def test_progress_ends_at_the_size_of_the_file(workspace, lines, write):
    path, told = write("a.gz", lines(300)), []
    import_events(workspace, path, sizes=SMALL, progress=lambda *counts: told.append(counts))

    assert told[-1] == (path.stat().st_size, path.stat().st_size, 300, 0)
    assert [counts[2] for counts in told] == sorted(counts[2] for counts in told)


def test_a_lake_that_cannot_be_written_leaves_the_import_to_be_gone_on_with(workspace, lines, write, in_the_lake):
    path = write("a", lines(100))
    log = workspace.lake.root / "events" / "_delta_log"
    away = log.rename(log.with_name("away"))
    with pytest.raises(StoreError):
        import_events(workspace, path, sizes=SMALL)
    away.rename(log)
    report = import_events(workspace, path, sizes=SMALL)

    assert report.accepted == 100
    assert ids(in_the_lake()) == list(range(100))


def test_standard_input_that_does_not_fit_in_the_home_is_a_store_error(workspace, lines, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: Full())  # a full disk cannot be had in a test
    read, written = os.pipe()
    os.write(written, b"\n".join(lines(2)))
    os.close(written)
    with os.fdopen(read) as stream, monkeypatch.context() as patched:
        patched.setattr("sys.stdin", stream)
        with pytest.raises(StoreError, match="No space left"):
            import_events(workspace, "-")
