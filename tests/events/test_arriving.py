"""The events of a request, by the rules of `/track` and of `/import`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.events.arriving import address_hash, imported, microseconds_since_1970, tracked
from hub.events.record import event_of
from hub.events.request import decode_request

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
NOW_US = SECONDS * 1_000_000
TOKENS = {"simple": True, "original": False}


def record(_name="Purchase", **properties):
    sent = {"token": "simple", "distinct_id": "ann", "time": SECONDS, "$insert_id": "i-1", **properties}
    return {"event": _name, "properties": {name: value for name, value in sent.items() if value is not ...}}


def track(*records, ip="192.0.2.1", flags="", now=NOW):
    query = {"ip": flags} if flags else {}
    return tracked(decode_request(orjson.dumps(records), query=query), now=now, client_ip=ip, simplified=TOKENS.get)


def bring(*records, strict="1", simplified=True, now=NOW):
    return imported(decode_request(orjson.dumps(records), query={"strict": strict}), now=now, simplified=simplified)


def only(arrived):
    """The one event that went in."""
    events = (
        arrived.events if isinstance(arrived.events, list) else [e for some in arrived.events.values() for e in some]
    )
    assert not arrived.refusals, arrived.refusals
    [event] = events
    return event


def why(arrived):
    """Field and message of the one record that was refused."""
    assert not arrived.events
    [refusal] = arrived.refusals
    return refusal.field, refusal.message


def at(**ago):
    return (NOW - timedelta(**ago)).timestamp()


def test_each_event_is_for_the_project_of_its_own_token_and_by_its_identity_system():
    sent = [
        record(token="simple", **{"$user_id": "u", "$device_id": "d", "$insert_id": "1"}),
        record(token="original", **{"$user_id": "u", "$device_id": "d", "$insert_id": "2"}),
        record(token="simple", distinct_id="bob", **{"$insert_id": "3"}),
        record(token="nobody's"),
    ]
    found = track(*sent)

    assert {token: [event.distinct_id for event in events] for token, events in found.events.items()} == {
        "simple": ["u", "bob"],
        "original": ["ann"],
    }
    assert [(each.index, each.token, each.field) for each in found.refusals] == [(3, "nobody's", "properties.token")]


def test_a_token_is_asked_for_once_a_request():
    asked = []
    request = decode_request(orjson.dumps([record(**{"$insert_id": str(n)}) for n in range(1, 50)]))
    tracked(request, now=NOW, client_ip=None, simplified=lambda token: asked.append(token) or True)

    assert asked == ["simple"]


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (..., "properties.token is missing."),
        (5, "properties.token is no token."),
        ("", "properties.token is no token."),
    ],
)
def test_on_track_an_event_needs_a_token(token, said):
    assert why(track(record(token=token))) == ("properties.token", said)


def test_on_import_an_event_needs_no_token():
    assert only(bring(record(token=...))).distinct_id == "ann"


@pytest.mark.parametrize(
    ("ids", "simplified", "original"),
    [
        ({"distinct_id": "sent"}, "sent", "sent"),
        ({"distinct_id": "sent", "$device_id": "d"}, "$device:d", "sent"),
        ({"distinct_id": "sent", "$user_id": "u"}, "u", "sent"),
        ({"distinct_id": "sent", "$device_id": "d", "$user_id": "u"}, "u", "sent"),
        ({"distinct_id": "sent", "$device_id": "d", "$user_id": ""}, "$device:d", "sent"),
        ({"distinct_id": "sent", "$device_id": "d", "$user_id": None}, "$device:d", "sent"),
        ({"distinct_id": ..., "$device_id": "d", "$user_id": "u"}, "u", "u"),
        ({"distinct_id": ..., "$device_id": "d"}, "$device:d", "$device:d"),
        ({"distinct_id": "", "$device_id": "d"}, "$device:d", "$device:d"),
        ({"distinct_id": ""}, "", ""),
    ],
)
def test_whose_an_event_is_depends_on_the_identity_system(ids, simplified, original):
    found = [only(bring(record(**ids), simplified=system)).distinct_id for system in (True, False)]

    assert found == [simplified, original]


def test_the_device_that_mixpanel_js_makes_is_one_id_by_either_system():
    uuid = "0b4ae85c-6f0c-4e5f-8d4b-5ffd9e0e9f2b"
    sent = record(distinct_id=f"$device:{uuid}", **{"$device_id": uuid})

    assert {only(bring(sent, simplified=system)).distinct_id for system in (True, False)} == {f"$device:{uuid}"}


@pytest.mark.parametrize("flags", ["", "1"])
def test_on_track_a_missing_distinct_id_is_a_hash_of_the_clients_address(flags):
    event, again, other = (
        only(track(record(distinct_id=...), ip=ip, flags=flags)) for ip in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    )

    assert event.distinct_id == again.distinct_id == address_hash("192.0.2.1")
    assert event.distinct_id != other.distinct_id
    assert "192.0.2" not in event.distinct_id


@pytest.mark.parametrize("sent", [{"ip": None}, {"flags": "0"}])
def test_without_an_address_a_missing_distinct_id_is_refused_as_it_is_on_import(sent):
    missing = ("properties.distinct_id", "distinct_id is missing, and so are $user_id and $device_id.")

    assert why(track(record(distinct_id=...), **sent)) == missing
    assert why(bring(record(distinct_id=...))) == missing


@pytest.mark.parametrize(
    ("time", "on_track", "on_import"),
    [
        (SECONDS - 1.25, NOW_US - 1_250_000, NOW_US - 1_250_000),
        (SECONDS * 1000 - 1250, NOW_US - 1_250_000, NOW_US - 1_250_000),
        (at(days=4, hours=23), NOW_US - 119 * 3_600_000_000, NOW_US - 119 * 3_600_000_000),
        (at(days=5, seconds=1), "properties.time is more than 5 days ago: /import takes such events.", None),
        (at(minutes=-59), NOW_US + 59 * 60_000_000, NOW_US + 59 * 60_000_000),
        (at(minutes=-61), NOW_US, "properties.time is more than 1 hour in the future."),
        (at(days=-4000), NOW_US, "properties.time is more than 1 hour in the future."),
        (253_402_300_799, NOW_US, None),  # the year 9999 in seconds is 1978 in milliseconds
        (253_402_300_799_000, NOW_US, "properties.time is more than 1 hour in the future."),
        (1e308, NOW_US, "properties.time is more than 1 hour in the future."),
        (-62_167_219_200, "properties.time is before 1971.", "properties.time is before 1971."),  # the year 0
        (-1e308, "properties.time is before 1971.", "properties.time is before 1971."),
        (0, "properties.time is before 1971.", "properties.time is before 1971."),
        ("2026-11-23", "properties.time is not a number.", "properties.time is not a number."),
        (True, "properties.time is not a number.", "properties.time is not a number."),
        (..., NOW_US, "properties.time is missing."),
        (None, NOW_US, "properties.time is missing."),
    ],
)
def test_which_times_go_in_and_as_what(time, on_track, on_import):
    tracked_, imported_ = track(record(time=time)), bring(record(time=time))
    if time == 253_402_300_799:
        on_track = "properties.time is more than 5 days ago: /import takes such events."

    for arrived, expected in ((tracked_, on_track), (imported_, on_import)):
        if isinstance(expected, str):
            assert why(arrived) == ("properties.time", expected)
        elif expected is not None:
            assert only(arrived).time == expected
        else:
            assert only(arrived).time < NOW_US


def test_two_equal_events_of_one_request_without_an_insert_id_are_two_and_sent_again_the_same_two():
    sent = [record(**{"$insert_id": ...})] * 3
    once, again = track(*sent), track(*sent, now=NOW + timedelta(seconds=5))
    ids = [event.insert_id for event in once.events["simple"]]

    assert len(set(ids)) == 3
    assert [event.insert_id for event in again.events["simple"]] == ids


def test_an_event_without_insert_id_is_the_same_through_a_request_and_from_a_file():
    sent = record(**{"$insert_id": ...})

    assert only(track(sent)).insert_id == only(bring(sent, strict="0")).insert_id == event_of(sent).insert_id


def test_an_event_without_a_time_is_another_one_each_time_that_it_arrives():
    sent = record(time=..., **{"$insert_id": ...})
    arrivals = [*track(sent, sent).events["simple"], only(track(sent, now=NOW + timedelta(microseconds=1)))]

    assert len({event.insert_id for event in arrivals}) == 3


def test_an_insert_id_that_was_sent_is_kept_without_a_time():
    assert only(track(record(time=..., **{"$insert_id": "mine"}))).insert_id == "mine"


def test_strict_needs_an_insert_id():
    sent = record(**{"$insert_id": ...})

    assert why(bring(sent)) == ("properties.$insert_id", "$insert_id is missing.")
    assert only(bring(sent, strict="0")).insert_id


@pytest.mark.parametrize(
    ("event", "properties", "distinct_id"),
    [
        ("$merge", {"$distinct_ids": ["a", "b"]}, ""),  # mixpanel-python's merge
        ("$merge", {"$distinct_ids": ["a", "b"], "distinct_id": "", "time": SECONDS * 1000}, ""),  # mixpanel-utils
        ("$create_alias", {"distinct_id": "a", "alias": "b"}, "a"),  # mixpanel-python's alias
        ("$identify", {"$identified_id": "a", "$anon_id": "b"}, "a"),  # the reference of /track#create-identity
        ("$identify", {"distinct_id": "a", "$anon_distinct_id": "b", "$user_id": "a", "$device_id": "b"}, "a"),  # js
    ],
)
def test_identity_events_need_what_clients_send(event, properties, distinct_id):
    sent = {"event": event, "properties": {"token": "simple", **properties}}
    found = only(bring(sent))

    assert (found.name, found.distinct_id, found.time) == (event, distinct_id, NOW_US)
    assert found.properties.keys() == properties.keys() - {"distinct_id", "time", "$user_id", "$device_id"}
    if event != "$merge":
        assert only(track(sent)).distinct_id == distinct_id


def test_merge_goes_in_through_import_alone():
    sent = {"event": "$merge", "properties": {"token": "simple", "$distinct_ids": ["a", "b"]}}

    assert why(track(sent)) == ("event", "$merge is taken by /import alone.")


def test_an_event_that_asks_to_be_ignored_is_counted_and_not_refused():
    sent = [record(**{"$ignore": True}), record(**{"$ignore": False}), record(**{"$ignore": True, "time": "x"})]

    assert (track(*sent).ignored, bring(*sent).ignored) == (2, 2)
    assert (len(bring(*sent).events), bring(*sent).refusals) == (1, [])


@pytest.mark.parametrize(
    ("properties", "field", "said"),
    [
        ({"bucket": 1}, "properties.bucket", "bucket and $bucket are not allowed as properties."),
        ({"$bucket": None}, "properties.$bucket", "bucket and $bucket are not allowed as properties."),
        ({"distinct_id": "anonymous"}, "properties.distinct_id", "distinct_id is a value that stands for nobody."),
        ({"$user_id": ["u"]}, "properties.$user_id", "$user_id is neither text nor a number."),
        ({"$insert_id": "a_b"}, "properties.$insert_id", "$insert_id is not 1 to 36 letters, digits and hyphens."),
        ({"deep": {"a": {"b": {"c": {}}}}}, "properties.deep", "A property nests more than 3 deep."),
        ({f"p{n}": n for n in range(255)}, "properties", "The event has more than 254 properties."),
    ],
)
def test_a_refusal_names_the_field_and_keeps_the_records_beginning(properties, field, said):
    for arrived in (track(record(**properties)), bring(record(**properties))):
        [refusal] = arrived.refusals

        assert (refusal.index, refusal.field, refusal.message) == (0, field, said)
        assert refusal.excerpt == orjson.dumps(record(**properties))[:200].decode()
        assert refusal.token == "simple"
        assert refusal.insert_id == properties.get("$insert_id", "i-1")


@pytest.mark.parametrize("given", [5, None, "text", [], [record()], True])
def test_what_is_no_object_is_refused(given):
    assert why(track(given)) == why(bring(given)) == ("", "The record is not a JSON object.")


@pytest.mark.parametrize("size", [1, 2 * 1024 * 1024])
@pytest.mark.parametrize("depth", [250, 300, 900, 1020, 5000])
def test_depth_that_can_be_read_and_not_written_is_refused_like_any_other(depth, size):
    deep = b"[" * depth + b"]" * depth
    bodies = [
        b'{"event":"A","properties":{"token":"simple","distinct_id":"a","x":' + deep + b"}}",
        b'{"event":"A","properties":{"token":"simple","distinct_id":"a"},"x":' + deep + b"}",
        b'{"$token":"t","x":' + deep + b"}",
        orjson.dumps(record(x="y" * (size // 4))),
        *([orjson.dumps(record(x="y" * (size // 4)))] * 4),
    ]
    request = decode_request(b"[" + b",".join(bodies) + b"]")
    found = tracked(request, now=NOW, client_ip=None, simplified=TOKENS.get)

    assert len(found.events["simple"]) == (6 if depth == 250 else 5)
    assert [refusal.index for refusal in found.refusals] == ([0, 2] if depth == 250 else [0, 1, 2])


GOOD = [
    record(),
    record(distinct_id="", **{"$insert_id": "2"}),
    record(tags=["x", {"a": [1]}], **{"$insert_id": "3"}),
    record(**{"$device_id": "d", "$insert_id": "4"}),
]
BAD = [
    *(json.dumps(given).encode() for given in (5, {}, {"event": "A"}, record(time="x"), record(token="nobody's"))),
    json.dumps(record(bucket=1, lone="\ud800")).encode(),
    json.dumps(record(x=float("nan"))).encode(),
    json.dumps(record(x="\0")).encode(),
    b'{"event":"A",}',
    b"{} {}",
    b'{"event":"\xff"}',
]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(GOOD) | st.sampled_from(BAD), min_size=1, max_size=12),
    st.sampled_from([(b"[", b",", b"]"), (b"", b"\n", b"")]),
)
def test_of_any_mixture_exactly_the_good_records_go_in(mixture, layout):
    begin, between, end = layout
    texts = [orjson.dumps(given) if isinstance(given, dict) else given for given in mixture]
    request = decode_request(begin + between.join(texts) + end, content_type="application/x-ndjson")
    found = tracked(request, now=NOW, client_ip=None, simplified=TOKENS.get)
    expected = [event_of(given) for given in mixture if isinstance(given, dict)]

    assert found.events.get("simple", []) == expected
    assert [refusal.index for refusal in found.refusals] == [
        n for n, each in enumerate(mixture) if not isinstance(each, dict)
    ]


def test_an_aware_instant_is_told_in_whole_microseconds():
    assert microseconds_since_1970(datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC)) == NOW_US + 1
