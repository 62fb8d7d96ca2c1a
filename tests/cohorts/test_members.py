"""The members of a cohort as people read them and as a partner needs them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.cohorts.mapped import decode
from hub.cohorts.members import members, qualified
from hub.cohorts.question import Question
from hub.cohorts.reading import read_definition
from hub.connectors.matching import MatchOn
from tests.by_target import texts
from tests.cohorts.asking import rows_of
from tests.lake_rows import EventRow, ProfileRow, add_events, add_profiles, make_workspace

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
EMAIL = MatchOn("$email", "$email", "email")
EVERYBODY = Question(read_definition("version: 1\ndid_not: Nothing"), NOW)


@pytest.fixture
def few(tmp_path):
    made = make_workspace(tmp_path / "home")
    add_events(made, [EventRow("ghost", "A", NOW), EventRow("$device:1", "A", NOW)])
    add_profiles(
        made,
        [
            ProfileRow(
                "ann",
                {"$email": " Ann@Example.COM ", "n": 3, "big": 1e20, "yes": True, "no": False,
                 "l": ["a,b", 1, None, {"q": '"'}], "none": [], "day": "2026-01-01", "colon": "s:b:1"},
                seq=1,
            ),
            ProfileRow("blank", {"$email": "   ", "code": 42}, seq=2),
            ProfileRow("bare", {}, seq=3),
            ProfileRow("deep", {"object": {"a": 1}, "code": "0042"}, seq=4),
        ],
    )  # fmt: skip
    return made


def _qualified(workspace, key=EMAIL, mapping=None):
    rows = rows_of(workspace, qualified, EVERYBODY, match=[key], mapping=mapping or {})
    return {row["person"]: row for row in rows}


def test_every_member_has_its_ids_and_address(few):
    rows = {row["person"]: row for row in rows_of(few, members, EVERYBODY)}
    assert rows["ann"] == {
        "person": "ann",
        "distinct_id": "ann",
        "user_id": "ann",
        "email": " Ann@Example.COM ",
        "has_profile": True,
    }
    assert rows["$device:1"]["user_id"] is None
    assert {person: row["has_profile"] for person, row in rows.items()} == {
        "ann": True, "blank": True, "bare": False, "deep": True, "ghost": False, "$device:1": False,
    }  # fmt: skip


def test_original_identity_has_no_user_id(tmp_path):
    made = make_workspace(tmp_path / "original", identity="original")
    add_profiles(made, [ProfileRow("ann", {"a": 1})])
    assert [row["user_id"] for row in rows_of(made, members, EVERYBODY)] == [None]


def test_an_address_is_trimmed_and_lower_case_and_a_blank_one_is_none(few):
    keys = {person: row["key"] for person, row in _qualified(few).items()}
    assert keys == {
        "ann": "ann@example.com",
        "blank": None,
        "bare": None,
        "deep": None,
        "ghost": None,
        "$device:1": None,
    }


def test_an_exact_key_is_left_as_it_is_and_a_whole_number_is_its_digits(few):
    found = _qualified(few, key=MatchOn("code", "code"))
    assert (found["blank"]["key"], found["deep"]["key"], found["ann"]["key"]) == ("42", "0042", None)


def test_the_own_id_may_be_the_key(few):
    found = _qualified(few, key=MatchOn("distinct_id", "distinct_id"))
    assert all(row["key"] == person for person, row in found.items())


def test_mapped_values_come_back_with_their_type_and_missing_ones_are_absent(few):
    names = ("n", "big", "yes", "no", "l", "none", "day", "colon", "distinct_id", "missing")
    found = _qualified(few, mapping={name.upper(): name for name in names})
    values = {target: decode(text) for target, text in texts(found["ann"]["mapped"]).items()}
    assert values == {
        "N": 3.0, "BIG": 1e20, "YES": True, "NO": False, "L": ["a,b", 1, None, {"q": '"'}], "NONE": [],
        "DAY": "2026-01-01", "COLON": "s:b:1", "DISTINCT_ID": "ann",
    }  # fmt: skip
    assert isinstance(values["YES"], bool)
    assert isinstance(values["N"], float)
    assert texts(found["blank"]["mapped"]) == {"DISTINCT_ID": "s:blank"}
    assert texts(found["ghost"]["mapped"]) == {}


def test_an_object_is_not_mapped(few):
    assert _qualified(few, mapping={"O": "object"})["deep"]["mapped"] == {"0 O": None}


def test_without_a_mapping_nothing_is_mapped(few):
    assert all(row["mapped"] is None for row in _qualified(few).values())


@pytest.mark.parametrize("text", ["", "x", "s", "b:1", "n:x", "l:{}", "q:1", ":a"])
def test_a_text_of_no_type_is_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        decode(text)


@given(st.text())
def test_a_text_stands_as_it_is(text):
    assert decode(f"s:{text}") == text
