"""One event: what is let in, as what, and why something is not."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.events.batch import Job, decode_block
from hub.events.lines import BANNED_IDS, Rejected, decode
from hub.events.record import event_of, microseconds

NOV_14 = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
SECONDS = 1_700_000_000


def record(_name: Any = "Purchase", **properties: Any) -> dict[str, Any]:
    sent = {"distinct_id": "ann", "time": SECONDS, "$insert_id": "i-1", **properties}
    return {"event": _name, "properties": {name: value for name, value in sent.items() if value is not ...}}


def reason(given: Any) -> str:
    with pytest.raises(Rejected) as caught:
        event_of(given)
    return caught.value.reason


def line_reason(line: bytes) -> str:
    with pytest.raises(Rejected) as caught:
        event_of(decode(line))
    return caught.value.reason


def test_an_event_has_its_columns_and_the_rest_as_properties():
    event = event_of(
        record(
            **{
                "$user_id": "ann",
                "$device_id": "d-1",
                "$source": "mailchimp",
                "token": "t",
                "amount": 5,
                "$city": "Oslo",
            }
        )
    )

    assert (event.name, event.distinct_id, event.insert_id) == ("Purchase", "ann", "i-1")
    assert (event.user_id, event.device_id, event.source) == ("ann", "d-1", "mailchimp")
    assert event.time == NOV_14.timestamp() * 1_000_000
    assert event.properties == {"$source": "mailchimp", "amount": 5, "$city": "Oslo"}


def test_the_record_itself_is_not_changed():
    given = record(tags=["x" * 300], deep={"a": "y" * 300})
    before = copy.deepcopy(given)
    event_of(given)

    assert given == before


@pytest.mark.parametrize("time", [SECONDS, SECONDS * 1000, float(SECONDS), SECONDS * 1000.0])
def test_seconds_and_milliseconds_are_told_apart_by_size(time):
    assert event_of(record(time=time)).time == NOV_14.timestamp() * 1_000_000


def test_fractions_of_a_second_are_kept_to_the_microsecond():
    assert microseconds(1_700_000_000.123456) == 1_700_000_000_123_456


@settings(deadline=None)
@given(st.datetimes(datetime(1971, 1, 1), datetime(2099, 12, 31)).map(lambda found: found.replace(tzinfo=UTC)))
def test_every_instant_from_1971_to_2099_is_understood_in_either_unit(instant):
    seconds = int(instant.timestamp())

    assert microseconds(seconds) == microseconds(seconds * 1000) == seconds * 1_000_000


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (..., "properties.time is missing."),
        (None, "properties.time is missing."),
        ("1700000000", "properties.time is not a number."),
        (True, "properties.time is not a number."),
        (31_535_999, "properties.time is before 1971."),
        (-5, "properties.time is before 1971."),
        (-1e308, "properties.time is before 1971."),
        (4_102_444_800, "properties.time is neither seconds nor milliseconds since 1970: it is beyond 2099."),
        (SECONDS * 1_000_000, "properties.time is neither seconds nor milliseconds since 1970: it is beyond 2099."),
        (1e308, "properties.time is neither seconds nor milliseconds since 1970: it is beyond 2099."),
    ],
)
def test_a_time_that_cannot_be_is_refused(time, said):
    assert reason(record(time=time)) == said


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ({"distinct_id": "ann"}, "ann"),
        ({"distinct_id": 17}, "17"),
        ({"distinct_id": 17.0}, "17"),
        ({"distinct_id": ..., "$user_id": "ann", "$device_id": "d"}, "ann"),
        ({"distinct_id": ..., "$device_id": "d"}, "$device:d"),
        ({"distinct_id": "", "$user_id": "ann"}, "ann"),
        ({"distinct_id": ""}, ""),
    ],
)
def test_who_did_it_is_the_first_id_at_hand(ids, expected):
    assert event_of(record(**ids)).distinct_id == expected


@pytest.mark.parametrize(("simplified", "expected"), [(True, ["u", "$device:d"]), (False, ["sent", "sent"])])
def test_in_a_file_too_whose_an_event_is_depends_on_the_identity_system(simplified, expected):
    lines = [orjson.dumps(record(distinct_id="sent", **ids)) for ids in ({"$user_id": "u"}, {"$device_id": "d"})]
    job = Job(1, NOV_14, first=1, counted=0, written=0, simplified=simplified)
    _, batch = decode_block(b"\n".join(lines), job)

    assert batch.column("distinct_id").to_pylist() == expected


@pytest.mark.parametrize("banned", [*sorted(BANNED_IDS), "NULL", "Anonymous", 0, -1])
def test_ids_that_stand_for_nobody_are_refused(banned):
    assert reason(record(distinct_id=banned)) == "distinct_id is a value that stands for nobody."


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ({"distinct_id": ...}, "distinct_id is missing, and so are $user_id and $device_id."),
        ({"distinct_id": True}, "distinct_id is neither text nor a number."),
        ({"distinct_id": ["a"]}, "distinct_id is neither text nor a number."),
        ({"distinct_id": "x" * 256}, "distinct_id is longer than 255 characters."),
        ({"$user_id": "undefined"}, "$user_id is a value that stands for nobody."),
        ({"$insert_id": "x" * 37}, "$insert_id is not 1 to 36 letters, digits and hyphens."),
        ({"$insert_id": "a b"}, "$insert_id is not 1 to 36 letters, digits and hyphens."),
        ({"$insert_id": "é"}, "$insert_id is not 1 to 36 letters, digits and hyphens."),
        ({"$insert_id": "-"}, "$insert_id is not 1 to 36 letters, digits and hyphens."),
        ({"$insert_id": "null"}, "$insert_id is a value that stands for nothing."),
        ({"bucket": 1}, "bucket and $bucket are not allowed as properties."),
        ({"$ignore": True}, "The event asks to be ignored ($ignore)."),
        ({"deep": {"a": {"b": {"c": {}}}}}, "A property nests more than 3 deep."),
        ({"deep": [[[[]]]]}, "A property nests more than 3 deep."),
        ({"long": [0] * 255}, "A list or an object within the properties has more than 254 items."),
        ({f"p{n}": n for n in range(255)}, "The event has more than 254 properties."),
    ],
)
def test_properties_out_of_bounds_are_refused(ids, said):
    assert reason(record(**ids)) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "The line is not a JSON object."),
        ("text", "The line is not a JSON object."),
        ({"properties": {}}, "event is missing."),
        ({"event": "", "properties": {}}, "event is not a text, or empty."),
        ({"event": 5, "properties": {}}, "event is not a text, or empty."),
        ({"event": "A"}, "properties is missing."),
        ({"event": "A", "properties": []}, "properties is not an object."),
        ({"$distinct_id": "ann", "$set": {}}, "This is a profile, not an event: use `hub profile import`."),
    ],
)
def test_what_is_no_event_is_refused(given, said):
    assert reason(given) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "The line is not JSON."),
        (b"{", "The line is not JSON."),
        (b'{"event":"A","properties":{"x":NaN}}', "A number is not finite, or too large."),
        (b'{"event":"A","properties":{"x":-Infinity}}', "A number is not finite, or too large."),
        (b'{"event":"A","properties":{"x":1e999}}', "A number is not finite, or too large."),
        (b'{"event":"A","properties":{"x":"\\ud800"}}', "A text holds half of a surrogate pair."),
        (b'{"event":"A","properties":{"x":"\\u0000"}}', "A text holds a NUL character."),
        (b'{"event":"A","properties":{"\\\\\\u0000":1}}', "A text holds a NUL character."),
        (b'{"event":"A","properties":{"x":"\xff"}}', "The line is not valid UTF-8."),
        (b'{"event":"A","properties":{"x":"a\x00b"}}', "The line is not JSON."),
        (b'{"event":"A","properties":' + b'{"x":' * 5000 + b"1" + b"}" * 5001, "A property nests more than 3 deep."),
        (b"[" * 100_000, "A property nests more than 3 deep."),
        (b'{"event":"' + b"x" * 1024 * 1024 + b'"}', "The line is larger than 1 MB."),
    ],
)
def test_lines_that_are_no_strict_json_are_refused(line, said):
    assert line_reason(line) == said


def test_an_escaped_backslash_before_u0000_is_no_nul():
    line = orjson.dumps(record(path="C:\\u0000"))

    assert event_of(decode(line)).properties == {"path": "C:\\u0000"}


def test_texts_within_lists_and_objects_are_cut_at_255_characters():
    event = event_of(record("n" * 300, tags=["x" * 300], deep={"a": "y" * 300}))

    assert event.name == "n" * 255
    assert event.properties == {"tags": ["x" * 255], "deep": {"a": "y" * 255}}


def test_texts_are_cut_at_255_characters_on_the_way_into_the_lake():
    line = orjson.dumps(record(note="é" * 300))
    _, batch = decode_block(line, Job(1, NOV_14, first=1, counted=0, written=0))

    assert batch.to_pylist()[0]["strings"] == [("note", "é" * 255)]


def test_a_missing_insert_id_follows_from_the_contents_not_their_order():
    given = record(**{"$insert_id": ..., "a": 1, "b": 2})
    turned = {"properties": dict(reversed(given["properties"].items())), "event": given["event"]}
    other = record(**{"$insert_id": ..., "a": 1, "b": 3})

    assert event_of(given).insert_id == event_of(turned).insert_id
    assert event_of(given).insert_id != event_of(other).insert_id
    assert len(event_of(given).insert_id) == 32


@pytest.mark.parametrize(
    ("markers", "source"),
    [
        ({"$source": "mailchimp", "$partner_id": "braze"}, "mailchimp"),
        ({"$partner_id": "braze"}, "braze"),
        ({"$source": 5}, None),
        ({}, None),
    ],
)
def test_the_source_is_the_marker_of_who_sent_it(markers, source):
    assert event_of(record(**markers)).source == source


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(["distinct_id", "time", "$insert_id", "$user_id", "$device_id", "$source", "x", "\0", ""])


@settings(deadline=None)
@given(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")))
def test_no_bytes_raise_anything_but_a_reason(line):
    tally, batch = decode_block(line, Job(1, NOV_14, first=1, counted=0, written=0))

    assert tally.accepted == batch.num_rows == 0


@settings(deadline=None)
@given(st.dictionaries(names, json_value, max_size=6), json_value)
def test_no_record_raises_anything_but_a_reason(properties, name):
    line = json.dumps({"event": name, "properties": {"distinct_id": "a", "time": SECONDS, **properties}}).encode()
    tally, batch = decode_block(line, Job(1, NOV_14, first=1, counted=0, written=0))

    assert tally.accepted + tally.rejected == 1
    assert batch.num_rows == tally.accepted
    batch.validate(full=True)
