"""Files of Currents in a folder: every row once, whatever appears when, and what cannot be read is told."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub import PartnerUnavailable
from hub_braze import files
from hub_braze.files import pull
from hub_braze.sandbox.currents import numbering, write
from hub_braze.sandbox.engagement import one_of_each

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ANN = {"braze_id": "5f8d04e2", "external_id": "ann", "email": "ann@example.com"}
PLACE = "dataexport/event_type=users.messages.email.Open/date={day}-10/417/zone"


def row(number: int, **more: Any) -> bytes:
    return (
        orjson.dumps({"id": f"e{number}", "time": SECONDS, "user_id": "5f", "external_user_id": "ann", **more}) + b"\n"
    )


def read(
    folder: Path, cursor: dict[str, Any] | None = None, *, at: datetime = NOW, pages: int | None = None
) -> tuple[list[str], dict[str, Any], str]:
    """The ids that are told, the last cursor, and the complaint at the end; broken off after so many pages."""

    async def all_pages() -> tuple[list[str], dict[str, Any], str]:
        told, last = list[str](), dict(cursor or {})
        try:
            async for events, after in pull(folder, last, external_id_property="$braze_external_id", now=lambda: at):
                told += [event.id.removeprefix("braze:") for event in events]
                last = orjson.loads(orjson.dumps(after))
                nonlocal pages
                pages = None if pages is None else pages - 1
                if pages == 0:
                    return told, last, ""
        except PartnerUnavailable as error:
            return told, last, error.message
        return told, last, ""

    return asyncio.run(all_pages())


def place(folder: Path, name: str, content: bytes, *, day: str = "2026-11-26", at: datetime = NOW) -> Path:
    path = folder / PLACE.format(day=day) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


@pytest.mark.parametrize("form", ["avro", "json", "wrapped"])
def test_all_types_are_read_alike_from_avro_and_from_json(tmp_path, form):
    events = one_of_each(ANN, SECONDS)
    asyncio.run(write(tmp_path, events, form, numbering()))

    told, cursor, complaint = read(tmp_path)

    assert sorted(told) == sorted(event["id"] for event in events)
    assert complaint == ""
    assert read(tmp_path, cursor)[0] == []


def test_a_file_that_grows_goes_on_where_it_was_and_one_cut_in_the_middle_waits(tmp_path):
    path = place(tmp_path, "a.json", row(1) + row(2)[:20])
    first, cursor, quiet = read(tmp_path)
    place(tmp_path, "a.json", row(1) + row(2) + row(3))
    second, grown, _ = read(tmp_path, cursor)
    later = NOW + timedelta(hours=1)
    place(tmp_path, "a.json", row(1) + row(2) + row(3) + b'{"id"', at=NOW)
    third, cut, complaint = read(tmp_path, grown, at=later)

    assert (first, second, third) == (["e1"], ["e2", "e3"], [])
    assert quiet == ""
    assert "1 of the files" in complaint and "not whole" in complaint
    assert "not whole" in read(tmp_path, cut, at=later)[2]  # it is told as long as it lies there
    path.unlink()
    assert read(tmp_path, cut, at=later)[2] == ""


def test_what_cannot_be_read_is_told_and_the_rest_goes_in_and_mended_it_is_read_whole(tmp_path):
    place(tmp_path, "a.json", row(1) + b"no json\n" + row(2))
    place(tmp_path, "b.avro", b"Obj\x01 and nonsense after it")
    place(tmp_path, "c.json.gz", b"no gzip")
    place(tmp_path, "d.json", row(3))
    place(tmp_path, "e.json", orjson.dumps({"id": "e9", "user_id": "5f"}) + b"\n")
    place(tmp_path, "notes.txt", b"not of Currents")
    place(tmp_path, ".partial.json", b"{")
    told, cursor, complaint = read(tmp_path)

    assert told == ["e1", "e2", "e3"]
    assert "4 of the files" in complaint
    assert "line 2 is not JSON" in complaint and "no Avro file" in complaint
    place(tmp_path, "a.json", row(1) + row(4) + row(2) + row(5))
    assert set(read(tmp_path, cursor)[0]) >= {"e4", "e5"}
    assert "is not there" in read(tmp_path / "gone")[2]


def test_an_avro_file_that_is_cut_waits_for_the_rest(tmp_path):
    events = [event for event in one_of_each(ANN, SECONDS) if event["event_type"].endswith("email.Open")]
    [path] = asyncio.run(write(tmp_path, events, "avro", numbering()))
    whole = (tmp_path / path).read_bytes()
    cursor: dict[str, Any] = {}
    for length in (0, 3, 60, len(whole) - 20):
        (tmp_path / path).write_bytes(whole[:length])
        os.utime(tmp_path / path, (SECONDS, SECONDS))
        told, cursor, complaint = read(tmp_path, cursor)
        assert (told, complaint) == ([], ""), length
    (tmp_path / path).write_bytes(whole)
    assert read(tmp_path, cursor)[0] == [events[0]["id"]]


def test_days_that_are_over_are_one_digest_and_what_appears_late_in_them_is_read(tmp_path):
    for number in range(30):
        place(tmp_path, f"{number}.json", row(number), day="2026-11-20")
    _, cursor, _ = read(tmp_path)
    place(tmp_path, "late.json", row(99), day="2026-11-20")
    again, late, _ = read(tmp_path, cursor)

    assert list(cursor["days"]) == ["2026-11-20"] and cursor["files"] == {}
    assert "e99" in again
    assert read(tmp_path, late)[0] == []


def test_a_type_without_a_name_is_read_when_it_has_one(tmp_path, monkeypatch):
    typed = place(tmp_path, "a.json", row(1, event_type="users.messages.hologram.Send") + row(2))
    told, cursor, complaint = read(tmp_path)
    assert (told, complaint, cursor["unnamed"]) == (["e2"], "", ["users.messages.hologram.Send"])

    known = {**files.BY_KIND, "users.messages.hologram.Send": files.BY_KIND["users.messages.email.Open"]}
    monkeypatch.setattr("hub_braze.files.BY_KIND", known)
    monkeypatch.setattr("hub_braze.events.BY_KIND", known)
    assert typed.exists() and read(tmp_path, cursor)[0] == ["e1", "e2"]


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 3), st.integers(1, 4)),
        st.tuples(st.just("pull"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("days pass"), st.integers(1, 4), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=35, deadline=None)
@given(acts=ACTS)
def test_whatever_is_written_when_and_wherever_a_pull_dies_nothing_is_skipped(acts: Sequence[tuple[str, int, int]]):
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr("hub_braze.files.EVENTS_A_PAGE", 2)
        folder, at, cursor, told, written = Path(name), NOW, dict[str, Any](), set[str](), 0
        contents: dict[str, bytes] = {}
        for what, number, rows in acts:
            if what == "write":
                key = f"{number}.json"
                contents[key] = contents.get(key, b"") + b"".join(row(written + each) for each in range(rows))
                written += rows
                place(folder, key, contents[key], day=f"2026-11-{20 + number * 2}", at=at)
            elif what == "pull":
                ids, cursor, _ = read(folder, cursor, at=at, pages=number)
                told |= set(ids)
            else:
                at += timedelta(days=number)
        ids, cursor, complaint = read(folder, cursor, at=at)

        assert told | set(ids) == {f"e{number}" for number in range(written)}
        assert complaint == ""
        assert read(folder, cursor, at=at)[0] == []
