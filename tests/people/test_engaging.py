"""The updates of a request to `/engage`."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from hub.events.request import decode_request
from hub.people.engaging import engaged

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NOW_US = int(NOW.timestamp()) * 1_000_000


def engage(*items, body=None):
    request = decode_request(body or orjson.dumps(items))
    return engaged(request, now=NOW, known=lambda token: token != "nobody's")


def test_updates_are_for_the_project_of_their_token_and_keep_their_order():
    found = engage(
        {"$token": "t", "$distinct_id": "ann", "$set": {"a": 1}},
        {"$token": "s", "$distinct_id": "bob", "$unset": ["a"]},
        {"$token": "t", "$distinct_id": "ann", "$set": {"a": 2}, "$add": {"n": 1}},
    )

    assert {token: [update.operations for update in updates] for token, updates in found.updates.items()} == {
        "t": [(("$set", {"a": 1}),), (("$set", {"a": 2}), ("$add", {"n": 1}))],
        "s": [(("$unset", ["a"]),)],
    }
    assert found.refusals == []


def test_wrong_items_are_told_by_their_place_and_the_others_go_in():
    good = orjson.dumps({"$token": "t", "$distinct_id": "ann", "$set": {"a": 1}})
    bad = [
        b"5",
        b'{"$distinct_id":"ann","$set":{}}',
        b'{"$token":5,"$distinct_id":"ann","$set":{}}',
        b'{"$token":"nobody\'s","$distinct_id":"ann","$set":{}}',
        b'{"$token":"t","$set":{}}',
        b'{"$token":"t","$distinct_id":"ann"}',
        b'{"$token":"t","$distinct_id":"ann","$set":{"a":NaN}}',
    ]
    found = engage(body=b"[" + b",".join([*bad, good]) + b"]")

    assert [update.distinct_id for update in found.updates["t"]] == ["ann"]
    assert [(refusal.index, refusal.message) for refusal in found.refusals] == [
        (0, "The record is not a JSON object."),
        (1, "$token is missing."),
        (2, "$token is no token."),
        (3, "The token is no project's."),
        (4, "$distinct_id is missing, or empty."),
        (5, "The record has no operator such as $set, and no $properties."),
        (6, "A number is not finite, or too large."),
    ]
    assert [refusal.field for refusal in found.refusals[1:4]] == ["$token"] * 3
    assert found.refusals[3].token == "nobody's"


def test_a_profile_is_seen_when_the_update_was_made_and_not_after_it_arrived():
    [update] = engage({"$token": "t", "$distinct_id": "ann", "$set": {}, "$time": NOW.timestamp() + 60}).updates["t"]

    assert update.seen == NOW_US


def test_what_mixpanel_js_and_mixpanel_utils_add_is_no_operation():
    js = {"$token": "t", "$distinct_id": "a", "$device_id": "d", "$user_id": "a", "$had_persisted_distinct_id": True}
    utils = {"$token": "t", "$distinct_id": "a", "$ignore_time": True, "$ip": 0, "$ignore_alias": True}
    found = engage({**js, "$delete": "a"}, {**utils, "$set": {"x": 1}}).updates["t"]

    assert [[name for name, _ in update.operations] for update in found] == [["$delete"], ["$set"]]
    assert [update.ignore_alias for update in found] == [False, True]
