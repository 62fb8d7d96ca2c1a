"""Folding profile operators: each by its rule, in order."""

from __future__ import annotations

import copy
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.events.lines import BANNED_IDS, Rejected
from hub.people.profile_fold import Folding, fold
from hub.people.profile_update import Update, update_of

ARRIVED = 1_800_000_000_000_000
SEEN = "2027-01-15T08:00:00"


@pytest.mark.parametrize(
    ("current", "operator", "given", "after"),
    [
        (None, "$set", {"plan": "pro"}, {"plan": "pro"}),
        (None, "$set", {}, {}),
        ({"plan": "free", "age": 5}, "$set", {"plan": "pro"}, {"plan": "pro", "age": 5}),
        ({"plan": "free", "age": 5}, "$set", {"plan": None}, {"age": 5}),
        (None, "$set_once", {"first": 1}, {"first": 1}),
        ({"first": 1}, "$set_once", {"first": 2, "other": 3}, {"first": 1, "other": 3}),
        ({"first": 1}, "$set_once", {"other": None}, {"first": 1}),
        (None, "$add", {"visits": 3}, {"visits": 3}),
        ({"visits": 2}, "$add", {"visits": -5}, {"visits": -3}),
        ({"visits": 2}, "$add", {"visits": 0.5}, {"visits": 2.5}),
        ({"visits": "two"}, "$add", {"visits": 1}, {"visits": "two"}),
        ({"visits": True}, "$add", {"visits": 1}, {"visits": True}),
        ({"visits": 1e308}, "$add", {"visits": 1e308}, {"visits": 1e308}),
        (None, "$append", {"tags": "a"}, {"tags": ["a"]}),
        ({"tags": ["a"]}, "$append", {"tags": "a"}, {"tags": ["a", "a"]}),
        ({"tags": ["a"]}, "$append", {"tags": ["b"]}, {"tags": ["a", ["b"]]}),
        ({"tags": "a"}, "$append", {"tags": "b"}, {"tags": "a"}),
        (None, "$union", {"tags": ["a", "b", "a"]}, {"tags": ["a", "b"]}),
        ({"tags": ["a"]}, "$union", {"tags": ["b", "a"]}, {"tags": ["a", "b"]}),
        ({"tags": [1]}, "$union", {"tags": [True, 1.0, "1"]}, {"tags": [1, True, "1"]}),
        ({"tags": [{"a": 1, "b": 2}]}, "$union", {"tags": [{"b": 2, "a": 1}]}, {"tags": [{"a": 1, "b": 2}]}),
        ({"tags": ["a", "b", "a"]}, "$remove", {"tags": "a"}, {"tags": ["b"]}),
        ({"tags": [1, True]}, "$remove", {"tags": True}, {"tags": [1]}),
        ({"tags": ["a"]}, "$remove", {"tags": "x", "none": "y"}, {"tags": ["a"]}),
        ({"tags": "a"}, "$remove", {"tags": "a"}, {"tags": "a"}),
        (None, "$remove", {"tags": "a"}, None),
        ({"a": 1, "b": 2}, "$unset", ["a", "c"], {"b": 2}),
        ({"a": 1}, "$unset", ["a"], {}),
        (None, "$unset", ["a"], None),
        ({"a": 1}, "$delete", "", None),
        (None, "$delete", "", None),
    ],
)
def test_each_operator_keeps_its_rule(current, operator, given, after):
    assert fold(current, [(operator, given)]) == after


def test_operators_are_folded_in_their_order():
    operations = [("$set", {"n": 1}), ("$add", {"n": 2}), ("$delete", ""), ("$add", {"n": 5}), ("$set_once", {"n": 9})]

    assert fold({"old": True}, operations) == {"n": 5}


@pytest.mark.parametrize(
    ("current", "operations", "after"),
    [
        (None, [("$set", {"a": 1})], {"a": 1, "$last_seen": SEEN}),
        ({"a": 1}, [("$set_once", {"a": 2})], {"a": 1, "$last_seen": SEEN}),
        ({"$last_seen": "2020-01-01T00:00:00"}, [("$add", {"n": 1})], {"$last_seen": SEEN, "n": 1}),
        ({"$last_seen": "2030-01-01T00:00:00"}, [("$add", {"n": 1})], {"$last_seen": "2030-01-01T00:00:00", "n": 1}),
        ({"a": 1, "b": 1}, [("$unset", ["a"])], {"b": 1, "$last_seen": SEEN}),
        ({"a": 1}, [("$unset", ["b"])], {"a": 1}),
        ({"a": ["x"]}, [("$remove", {"a": "y"})], {"a": ["x"]}),
        (None, [("$set", {})], {}),
        ({"a": 1}, [("$set", {"b": 1}), ("$delete", "")], None),
    ],
)
def test_last_seen_moves_up_when_something_is_written(current, operations, after):
    assert fold(current, operations, ARRIVED) == after


def test_an_update_that_would_break_a_limit_changes_nothing_and_the_next_one_does():
    folding = Folding({f"p{n}": n for n in range(1999)})
    folding.apply([("$set", {"tags": ["x" * 250] * 1000})], ARRIVED)
    before = folding.profile

    with pytest.raises(Rejected, match="more than 2,000 properties"):
        folding.apply([("$set", {"p0": "new"}), ("$set", {"one more": 1})])
    with pytest.raises(Rejected, match="larger than 256 KB"):
        folding.apply([("$set", {"p0": "new"}), ("$union", {"tags": [f"{n:0250}" for n in range(50)]})])
    with pytest.raises(Rejected, match="larger than 256 KB"):
        folding.apply([("$append", {"tags": ["y" * 250] * 50})])
    assert folding.profile == before
    folding.apply([("$union", {"tags": ["x" * 250, f"{1:0250}"]}), ("$unset", ["p0"])])

    assert folding.profile["tags"] == [*before["tags"], f"{1:0250}"]
    assert "p0" not in folding.profile


name = st.sampled_from(["a", "b", "c"])
scalar = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "y"])
value = scalar | st.lists(scalar, max_size=3)
operation = st.one_of(
    st.tuples(st.sampled_from(["$set", "$set_once", "$append", "$remove"]), st.dictionaries(name, value, max_size=3)),
    st.tuples(st.just("$add"), st.dictionaries(name, st.integers(-5, 5), max_size=3)),
    st.tuples(st.just("$union"), st.dictionaries(name, st.lists(scalar, max_size=3), max_size=3)),
    st.tuples(st.just("$unset"), st.lists(name, max_size=3)),
    st.tuples(st.just("$delete"), st.just("")),
)
profile = st.none() | st.dictionaries(name, value.filter(lambda found: found is not None), max_size=3)


@settings(deadline=None, max_examples=200)
@given(profile, st.lists(st.lists(operation, max_size=3), max_size=6), st.integers(0, 6))
def test_folding_a_batch_is_folding_one_by_one_however_it_is_split(current, updates, half):
    with (
        mock.patch("hub.people.profile_fold.MAX_PROPERTIES", 3),
        mock.patch("hub.people.profile_fold.MAX_VALUE_BYTES", 24),
    ):
        together, refused_together = folded(current, updates)
        first, refused_first = folded(current, updates[:half])
        last, refused_last = folded(first, updates[half:])
        alone, refused_alone = current, []
        for update in updates:
            alone, refused = folded(alone, [update])
            refused_alone += refused

    assert last == alone == together
    assert refused_first + refused_last == refused_alone == refused_together


def folded(current, updates):
    """The profile after some updates, and why which of them were refused."""
    folding, refused = Folding(current), []
    for number, update in enumerate(updates):
        try:
            folding.apply(update, ARRIVED + number)
        except Rejected as error:
            refused.append(error.reason)
    return folding.profile, refused


@settings(deadline=None)
@given(profile, st.lists(operation, max_size=6))
def test_folding_changes_neither_its_profile_nor_its_operations_and_leaves_no_null(current, operations):
    before = copy.deepcopy((current, operations))
    after = fold(current, operations)

    assert (current, operations) == before
    assert after is None or None not in after.values()


@settings(deadline=None)
@given(
    profile, st.lists(operation.filter(lambda found: found[0] in ("$set", "$set_once", "$union", "$unset")), max_size=1)
)
def test_setting_uniting_and_unsetting_twice_is_doing_it_once(current, operations):
    assert fold(current, operations * 2) == fold(current, operations)


def test_an_update_has_its_operators_in_the_order_of_the_line():
    update = update_of({"$token": "t", "$distinct_id": 17, "$time": 5, "$unset": ["b"], "$set": {"a": 1}, "$ip": "0"})

    assert update == Update("17", (("$unset", ["b"]), ("$set", {"a": 1})))


def test_the_properties_of_an_export_are_set():
    assert update_of({"$distinct_id": "ann", "$properties": {"a": 1}}) == Update("ann", (("$set", {"a": 1}),))


def test_union_takes_a_single_value_as_a_list_of_one():
    update = update_of({"$distinct_id": "ann", "$union": {"tags": "a", "more": ["b", "c"]}})

    assert update.operations == (("$union", {"tags": ["a"], "more": ["b", "c"]}),)


def test_names_and_texts_are_cut_at_255_characters():
    long = "ü" * 300
    update = update_of({"$distinct_id": "ann", "$set": {long: long, "in": [{"a": [long]}]}, "$unset": [long]})

    cut = "ü" * 255
    assert update.operations == (("$set", {cut: cut, "in": [{"a": [cut]}]}), ("$unset", [cut]))


@pytest.mark.parametrize(
    ("side", "seen"),
    [
        ({}, ARRIVED),
        ({"$time": 1_700_000_000.5}, 1_700_000_000_500_000),
        ({"$time": 1_700_000_000_500}, 1_700_000_000_500_000),
        ({"$time": ARRIVED / 1_000_000 + 60}, ARRIVED),
        ({"$time": "yesterday"}, ARRIVED),
        ({"$time": 0}, ARRIVED),
        ({"$time": 1_700_000_000, "$ignore_time": True}, None),
        ({"$ignore_time": "true"}, None),
        ({"$ignore_time": False}, ARRIVED),
    ],
)
def test_a_profile_is_seen_at_its_time_or_on_arrival_or_not_at_all(side, seen):
    record = {"$distinct_id": "ann", "$set": {}, **side}

    assert update_of(record, arrived=ARRIVED).seen == seen
    assert update_of(record).seen is None  # a file is no sighting


@pytest.mark.parametrize(
    ("flag", "exactly"), [(True, True), ("true", True), (1, True), (False, False), ("false", False), (None, False)]
)
def test_ignore_alias_means_exactly_that_id(flag, exactly):
    assert update_of({"$distinct_id": "ann", "$delete": "", "$ignore_alias": flag}).ignore_alias is exactly


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "The line is not a JSON object."),
        ({"event": "A", "properties": {}}, "This is an event, not a profile: use `hub event import`."),
        ({"$set": {}}, "$distinct_id is missing, or empty."),
        ({"$distinct_id": "", "$set": {}}, "$distinct_id is missing, or empty."),
        ({"$distinct_id": ["a"], "$set": {}}, "$distinct_id is neither text nor a number."),
        ({"$distinct_id": "a" * 256, "$set": {}}, "$distinct_id is longer than 255 characters."),
        ({"$distinct_id": "a"}, "The line has no operator such as $set, and no $properties."),
        ({"$distinct_id": "a", "$sett": {}}, "The line has no operator such as $set, and no $properties."),
        ({"$distinct_id": "a", "$set": []}, "$set is not an object."),
        ({"$distinct_id": "a", "$append": "x"}, "$append is not an object."),
        ({"$distinct_id": "a", "$properties": None}, "$properties is not an object."),
        ({"$distinct_id": "a", "$add": {"n": "1"}}, "$add has a value that is not a number."),
        ({"$distinct_id": "a", "$add": {"n": True}}, "$add has a value that is not a number."),
        ({"$distinct_id": "a", "$union": {"n": None}}, "$union has a value that is null."),
        ({"$distinct_id": "a", "$unset": {"n": 1}}, "$unset is not a list of names."),
        ({"$distinct_id": "a", "$unset": [1]}, "$unset is not a list of names."),
        ({"$distinct_id": "a", "$set": {"x": ["y" * 200] * 1500}}, "A list or an object is larger than 256 KB."),
        ({"$distinct_id": "a", "$set": {"x": [[[[1]]]]}}, "A property nests more than 3 deep."),
    ],
)
def test_what_is_no_update_is_refused(given, said):
    with pytest.raises(Rejected) as caught:
        update_of(given)

    assert caught.value.reason == said


@pytest.mark.parametrize("banned", sorted(BANNED_IDS))
def test_profiles_of_nobody_are_refused(banned):
    with pytest.raises(Rejected, match="stands for nobody"):
        update_of({"$distinct_id": banned, "$set": {}})
