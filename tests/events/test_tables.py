"""CSV into the lake: which column is what, how cells are read, and what is told of a row that cannot go in."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import InputError
from hub.events.importing import Sizes, import_events
from hub.events.mapping import Mapping, table_of
from hub.events.rows import RowReader, lines_of
from hub.events.table import pack, record_of, unpack
from hub.lake.typed import properties_of

BUY = Mapping(event_name="Purchase", id="who", time="when")
SMALL = Sizes(chunk_lines=40, block_bytes=1000)


@pytest.fixture
def csv_file(tmp_path):
    def write(text, name="a.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refusal(workspace, path, mapping=None):
    with pytest.raises(InputError) as caught:
        import_events(workspace, path, mapping=mapping)
    return caught.value.message, caught.value.hint


def rejected(report):
    return [(reject.line, reject.reason) for reject in report.rejects]


def test_other_columns_become_texts_and_an_empty_cell_is_not_set(workspace, csv_file, in_the_lake):
    import_events(
        workspace, csv_file("who,when,plan,n\nann,2026-01-02T03:04:05Z,pro,7\nbo,2026-01-03,,\n"), mapping=BUY
    )
    first, second = in_the_lake()

    assert (first["event"], first["distinct_id"]) == ("Purchase", "ann")
    assert first["time"] == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert properties_of(first) == {"plan": "pro", "n": "7"}
    assert properties_of(second) == {}


def test_properties_have_the_names_and_types_that_were_asked_for(workspace, csv_file, in_the_lake):
    path = csv_file("what,who,when,n,ok,at,note,id\nSign Up,ann,2026-01-02,1e2,Yes,2026-02-03 04:05,x,i-1\n")
    wanted = ("n=units:number", "ok:boolean", "at:time", "note:text")
    import_events(
        workspace, path, mapping=Mapping(event_column="what", id="who", time="when", insert_id="id", properties=wanted)
    )
    [row] = in_the_lake()

    assert (row["event"], row["insert_id"]) == ("Sign Up", "i-1")
    assert properties_of(row) == {"units": 100, "ok": True, "at": "2026-02-03T04:05:00Z", "note": "x"}
    assert dict(row["times"]) == {"at": datetime(2026, 2, 3, 4, 5, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("time_format", "cell", "instant"),
    [
        ("iso", "2026-07-01 12:00", "2026-07-01T10:00:00Z"),
        ("iso", "2026-07-01T12:00:00.25+05:00", "2026-07-01T07:00:00.250Z"),
        ("iso", "2026-01-01", "2025-12-31T23:00:00Z"),
        ("epoch", "1700000000.5", "2023-11-14T22:13:20.500Z"),
        ("epoch-ms", "1700000000123", "2023-11-14T22:13:20.123Z"),
        ("%d.%m.%Y %H:%M", "03.10.2026 14:30", "2026-10-03T12:30:00Z"),
        ("%Y-%m-%d %H:%M:%S %z", "2026-10-03 14:30:00 +0000", "2026-10-03T14:30:00Z"),
    ],
)
def test_a_time_is_read_in_its_format_and_without_a_zone_in_the_projects(time_format, cell, instant):
    table = table_of(
        Mapping(event_name="A", id="who", time="when", time_format=time_format),
        ["who", "when"],
        name="a.csv",
        zone="Europe/Oslo",
    )

    assert record_of(["ann", cell], table)["properties"]["time"] == datetime.fromisoformat(instant).timestamp()


def test_what_is_wrong_with_a_row_is_told_with_its_line_and_the_rest_goes_in(workspace, csv_file, in_the_lake):
    text = (
        "who,when,n,note\n"
        'ann,2026-01-01,1,"two\nlines, ""quoted"""\n'
        "bo,yesterday,1,\n"
        "\n"
        "cy,2026-01-02,many,\n"
        "dd,2026-01-03\n"
        "ee,2026-01-03,1,x,y\n"
        ",2026-01-03,1,\n"
        "ff,,1,\n"
        'gg,2026-01-04,4,"\n'
        "hh,2026-01-05,5,z\n"
        "null,2026-01-06,6,\n"
        "ii,2999-01-07,6,\n"
    )
    report = import_events(
        workspace,
        csv_file(text),
        mapping=Mapping(event_name="A", id="who", time="when", properties=("n:number", "note")),
    )

    assert rejected(report) == [
        (4, "Column when is not a time in the format iso."),
        (6, "Column n is not a number."),
        (7, "The row has fewer cells than the header's 4."),
        (8, "The row has more cells than the header's 4."),
        (9, "Column who is empty."),
        (10, "Column when is empty."),
        (11, "The row cannot be read: a quote is not closed or not doubled, or a cell is larger than 128 KiB."),
        (13, "distinct_id is a value that stands for nobody."),
        (14, "Column when is a time after 2099."),
    ]
    assert (report.lines, report.accepted, report.unit) == (11, 2, "row")
    assert [properties_of(row) for row in in_the_lake()] == [
        {"n": 1, "note": 'two\nlines, "quoted"'},
        {"n": 5, "note": "z"},
    ]


def test_a_row_that_is_no_utf8_is_one_rejected_row(workspace, csv_file):
    report = import_events(workspace, csv_file(b"who,when,n\na,2026-01-01,\xff\nb,2026-01-01,1\n"), mapping=BUY)

    assert rejected(report) == [(2, "The row is not valid UTF-8.")]
    assert report.accepted == 1


@pytest.mark.parametrize(
    ("mapping", "said", "hint"),
    [
        (None, "say which column is what with --id, --time, --event-name or --event-column", "Its columns: who, when"),
        (Mapping(event_name="A", id="who"), "say which column is what with --time", "Its columns: who, when"),
        (Mapping(event_name="A", id="whom", time="when"), "has no column whom (--id)", "Did you mean who?"),
        (Mapping(event_name="A", id="who", time="Wen"), "has no column Wen (--time)", "Did you mean when?"),
        (Mapping(event_name="A", event_column="who", id="who", time="when"), "exclude each other", ""),
        (Mapping(event_name="A", id="who", time="when", time_format="ISO8601"), "no format of a time", "iso, epoch"),
        (Mapping(event_name="A", id="who", time="when", time_format="%Q"), "no format of a time", "iso, epoch"),
        (Mapping(event_name="A", id="who", time="when", delimiter="||"), "is not one character", "tab"),
        (
            Mapping(event_name="A", id="who", time="when", properties=("n:float",)),
            "has no column n:float",
            "Its columns",
        ),
        (Mapping(event_name="A", id="twice", time="when"), "has 2 columns twice", "Rename"),
        (Mapping(event_name="A", id="when", time="when", properties=("who=time",)), "meaning of its own", "--property"),
        (BUY, "two columns would become the property twice", "Rename"),
    ],
)
def test_a_mapping_that_does_not_fit_the_header_is_refused_with_advice(workspace, csv_file, mapping, said, hint):
    message, advice = refusal(workspace, csv_file("who,when,twice,twice\n"), mapping)

    assert said in message
    assert hint in advice


@pytest.mark.parametrize("content", [b"", "who,when\n".encode("utf-16"), b'"who,when\n'])
def test_a_file_without_a_header_is_refused(workspace, csv_file, content):
    message, _ = refusal(workspace, csv_file(content), BUY)

    assert "has no header in its first line" in message


def test_a_tab_is_between_the_cells_of_a_tsv_and_any_character_that_is_named(workspace, csv_file, in_the_lake):
    import_events(workspace, csv_file("\ufeffwho\twhen\r\na\t2026-01-01\r\n", "a.tsv"), mapping=BUY)
    import_events(
        workspace,
        csv_file("who;when\nb;2026-01-02", "b.txt"),
        mapping=Mapping(event_name="A", id="who", time="when", delimiter=";"),
    )

    assert [row["distinct_id"] for row in in_the_lake()] == ["a", "b"]


def test_the_same_file_with_another_mapping_is_another_import(workspace, csv_file, in_the_lake):
    path = csv_file("who,when\na,2026-01-01\n")
    other = Mapping(event_name="Refund", id="who", time="when")
    states = [import_events(workspace, path, mapping=mapping).state for mapping in (BUY, BUY, other)]

    assert states == ["done", "already imported", "done"]
    assert sorted(row["event"] for row in in_the_lake()) == ["Purchase", "Refund"]


def test_a_row_without_an_id_of_its_own_is_the_same_event_in_another_file(workspace, csv_file, in_the_lake):
    import_events(workspace, csv_file("who,when,n\na,2026-01-01,1\n"), mapping=BUY)
    import_events(workspace, csv_file("who,when,n\na,2026-01-01,1\na,2026-01-01,2\n"), mapping=BUY)

    assert len({row["insert_id"] for row in in_the_lake()}) == 2


def test_the_command_takes_the_columns_as_options(cli, csv_file, in_the_lake):
    path = csv_file("who,when,n\nann,1700000000,3\nbo,x,3\n", "export.txt")
    columns = [
        "--event-name",
        "Buy",
        "--id",
        "who",
        "--time",
        "when",
        "--time-format",
        "epoch",
        "--property",
        "n:number",
    ]
    run = cli("event", "import", str(path), *columns)

    assert run.returncode == 4
    assert "1 events, 1 row rejected" in run.stdout
    assert run.stderr == f"{path}:3: Column when is not a time in the format epoch.\n"
    assert dict(in_the_lake()[0]["numbers"]) == {"n": 3.0}


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
cell_rows = st.lists(st.lists(cells, min_size=3, max_size=3), max_size=6)


@settings(deadline=None)
@given(cell_rows, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]), st.integers(1, 40))
def test_any_cells_come_back_with_the_lines_they_begin_on(rows, delimiter, end, size):
    out, begins = io.StringIO(newline=""), []
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    for row in rows:
        begins.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    data = out.getvalue().encode()
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    found = [*RowReader(lines_of(pieces), delimiter).rows(3)]

    assert [(line, row) for line, _, row in found] == [*zip(begins, rows, strict=True)]
    assert unpack(pack([row for _, _, row in found])) == rows


@settings(deadline=None)
@given(st.binary(max_size=80))
def test_no_bytes_raise_anything_but_a_reason(data):
    rows = [*RowReader(lines_of([data]), ",").rows(3)]

    assert [line for line, _, _ in rows] == sorted({line for line, _, _ in rows})
    assert orjson.loads(orjson.dumps(len(rows))) <= data.count(b"\n") + 1
