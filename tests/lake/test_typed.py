"""Typed maps: what goes where, and that it comes back."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.lake.tables import PROPERTY_MAPS
from hub.lake.typed import microseconds_of, properties_of, property_columns

NAMES = [name for name, _ in PROPERTY_MAPS]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
number = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_value = st.recursive(
    st.none() | st.booleans() | number | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


def table(*rows):
    return pa.table(dict(zip(NAMES, property_columns(rows), strict=True)))


def only(properties):
    return table(properties).to_pylist()[0]


@settings(deadline=None)
@given(st.lists(st.dictionaries(text, json_value, max_size=5), max_size=6))
def test_properties_come_back_as_they_went_in_but_for_nulls(rows):
    back = [properties_of(row) for row in table(*rows).to_pylist()]

    assert back == [{name: value for name, value in row.items() if value is not None} for row in rows]


@settings(deadline=None)
@given(st.lists(st.dictionaries(text, json_value, max_size=5), max_size=6))
def test_the_columns_have_the_types_of_the_lake(rows):
    columns = property_columns(rows)

    assert [(name, column.type) for name, column in zip(NAMES, columns, strict=True)] == list(PROPERTY_MAPS)
    for column in columns:
        column.validate(full=True)


def test_each_type_has_its_own_map():
    row = only({"s": "a", "n": 2, "f": 2.5, "b": True, "l": [1, "x", None, {"k": 1}], "o": {"k": [1]}, "nothing": None})

    assert row == {
        "strings": [("s", "a")],
        "numbers": [("n", 2.0), ("f", 2.5)],
        "booleans": [("b", True)],
        "times": [],
        "lists": [("l", ["1", '"x"', "null", '{"k":1}'])],
        "nested": '{"o":{"k":[1]}}',
    }


def test_a_text_that_is_a_date_is_a_text_and_an_instant():
    row = only({"at": "2026-10-03T12:00:00+02:00"})

    assert row["strings"] == [("at", "2026-10-03T12:00:00+02:00")]
    assert row["times"] == [("at", datetime(2026, 10, 3, 10, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-10-03", datetime(2026, 10, 3, tzinfo=UTC)),
        ("2026-10-03T12:30", datetime(2026, 10, 3, 12, 30, tzinfo=UTC)),
        ("2026-10-03T12:30:05", datetime(2026, 10, 3, 12, 30, 5, tzinfo=UTC)),
        ("2026-10-03T12:30:05.25Z", datetime(2026, 10, 3, 12, 30, 5, 250_000, tzinfo=UTC)),
        ("2026-10-03T12:30:05-0330", datetime(2026, 10, 3, 16, 0, 5, tzinfo=UTC)),
        ("1969-12-31T23:59:59Z", datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59-05:00", None),
    ],
)
def test_iso_8601_is_read_as_utc_unless_it_names_a_zone(written, instant):
    found = microseconds_of(written)

    if instant is None:
        assert found is not None  # beyond what datetime shows in UTC, and yet no error
    else:
        assert found == round(instant.timestamp() * 1_000_000)


@pytest.mark.parametrize(
    "written",
    [
        "2026-02-31",
        "2026-1-3",
        "20261003",
        "2026-10-03 12:00:00",
        "2026-W40-1",
        "2026-10-03x",
        " 2026-10-03",
        "٢٠٢٦-10-03",
    ],
)
def test_other_texts_are_no_instants(written):
    assert microseconds_of(written) is None


def test_names_and_texts_are_cut_by_characters_when_asked():
    columns = property_columns([{"n" * 9: "é" * 9, "m" * 9: 1.0}], longest=5)
    row = pa.table(dict(zip(NAMES, columns, strict=True))).to_pylist()[0]

    assert row["strings"] == [("nnnnn", "ééééé")]
    assert row["numbers"] == [("mmmmm", 1.0)]


def test_whole_numbers_beyond_a_double_go_in_as_the_nearest():
    [(_, value)] = only({"id": 2**63 - 1})["numbers"]

    assert math.isclose(value, 2**63)
