"""Folding profile operators: each by its rule, in order."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.events.lines import BANNED_IDS, Rejected
from hub.people.profile_fold import fold
from hub.people.profile_update import Update, update_of

ANN = {"plan": "pro", "visits": 2, "tags": ["a", "b", "a"]}


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


@settings(deadline=None)
@given(profile, st.lists(operation, max_size=6), st.integers(0, 6))
def test_folding_in_two_halves_is_folding_at_once(current, operations, half):
    assert fold(fold(current, operations[:half]), operations[half:]) == fold(current, operations)


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
        ({"$distinct_id": "a", "$union": {"n": 1}}, "$union has a value that is not a list."),
        ({"$distinct_id": "a", "$unset": {"n": 1}}, "$unset is not a list of names."),
        ({"$distinct_id": "a", "$unset": [1]}, "$unset is not a list of names."),
        ({"$distinct_id": "a", "$set": {"x" * 256: 1}}, "The name of a property is longer than 255 characters."),
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
