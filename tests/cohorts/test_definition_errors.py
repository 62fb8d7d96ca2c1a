"""What somebody reads who wrote a definition wrong: the file, the line, the path, and what could stand there."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cohorts.reading import read_definition, read_definition_file, stored_definition
from hub.errors import DefinitionError, HubError, InputError

WINBACK = """version: 1
description: Three or more purchases, none in 90 days
all:
  - did: Purchase
    count: {at_least: 3}
  - did_not: Purchase
    window: {last: {n: 90, unit: day}}
  - any:
      - profile: plan
        op: in
        value: [pro, team]
      - not: {profile: country, op: "=", value: NO}
"""


def _error(text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        read_definition(text, source="winback.yaml")
    assert caught.value.exit_code == 2
    return caught.value.message


def test_the_sample_of_the_docs_reads_and_no_is_norway():
    definition = read_definition(WINBACK)
    assert definition.description == "Three or more purchases, none in 90 days"
    assert definition.clause.all[2].any[1].not_.value == "NO"
    assert definition.clause.all[0].count.comparison == ("at_least", 3)


@pytest.mark.parametrize(
    ("was", "is_now", "said"),
    [
        ("unit: day", "unit: dya", "line 7: all[1].window.last.unit: must be one of hour, day, week, month"),
        ("n: 90", "n: 0", "line 7: all[1].window.last.n: must be at least 1, not 0"),
        ("n: 90", "n: -1", "all[1].window.last.n: must be at least 1, not -1"),
        ("n: 90", "n: 36526", "all[1].window.last.n: must not be more than 100 years"),
        ("n: 90", 'n: "90"', "all[1].window.last.n: must be a whole number, not '90'"),
        ("n: 90", "n: true", "all[1].window.last.n: must be a whole number, not true"),
        ("n: 90", "n: 1.5", "all[1].window.last.n: must be a whole number, not 1.5"),
        ("{last: {n: 90, unit: day}}", "90 dayz", "all[1].window: must be one of hour, day, week, month, not 'dayz'"),
        ("{last: {n: 90, unit: day}}", "{last: {unit: day}}", "all[1].window.last.n: is missing"),
        ("{last: {n: 90, unit: day}}", "{lats: 1}", "all[1].window.lats: is not known here: did you mean last?"),
        ("{last: {n: 90, unit: day}}", "{since: 2026-02-30}", "window.since: must be a day such as 2026-11-23"),
        ("{last: {n: 90, unit: day}}", "{since: 1826-02-20}", "window.since: must lie between 1900 and 2199"),
        ("{last: {n: 90, unit: day}}", "{from: 2026-02-02, to: 2026-02-01}", "window.to: must not be before from"),
        ("{last: {n: 90, unit: day}}", "between 3 and 9 days ago", "all[1].window: must not be more than n (3)"),
        ("at_least: 3", "at_leest: 3", "line 5: all[0].count.at_leest: is not known here: did you mean at_least?"),
        ("at_least: 3", "at_least: -3", "all[0].count.at_least: must be at least 0, not -3"),
        ("at_least: 3", "at_least: 1, at_most: 3", "all[0].count: can have only one of at_least, at_most"),
        ("at_least: 3", "fewer_than: 0", "all[0].count.fewer_than: must be at least 1"),
        ("at_least: 3", "at_least: 3, unit: hours", "all[0].count.unit: must be one of times, days"),
        ("{at_least: 3}", "3", "all[0].count: must say how, such as {at_least: 3}"),
        ("{at_least: 3}", "{}", "all[0].count: must have one of at_least, at_most, exactly, more_than, fewer_than"),
        ("count:", "cuont:", "line 5: all[0].cuont: is not known here: did you mean count?"),
        ("did: Purchase", "dod: Purchase", "all[0].dod: is not known here: did you mean did?"),
        ("did: Purchase", 'did: ""', "all[0].did: must not be empty"),
        ("did: Purchase", "did: 3", "all[0].did: must be text, not 3"),
        ("did_not: Purchase", "did_not: P\n    did: Q", "all[1]: has both did and did_not"),
        ("op: in", "op: ==", "line 10: all[2].any[0].op: must be one of =, !=, >"),
        ("op: in", "op: ==", "did you mean =?"),
        ("[pro, team]", "pro", "line 11: all[2].any[0].value: must be a list of values after 'in'"),
        ("[pro, team]", "[]", "all[2].any[0].value: must be a list of values after 'in'"),
        ("[pro, team]", "[pro, {a: 1}]", "all[2].any[0].value[1]: must be text, a number, true or false, not a group"),
        ("op: in", 'op: ">"', "all[2].any[0].value: must be a single value after '>'"),
        ('op: "=", value: NO', 'op: ">", value: NO', "value: must be a number or a date such as 2026-11-23 after '>'"),
        ('op: "=", value: NO', 'op: "="', "all[2].any[1].not.value: is missing: '=' needs one"),
        ('op: "=", value: NO', "op: is set, value: 1", "value: must not be there: 'is set' has no value"),
        ('op: "=", value: NO', "op: between, value: [3, 1]", "value: must begin with the least"),
        ('op: "=", value: NO', "op: between, value: [1, x]", "value: must be two numbers or two dates"),
        ("all:", "alll:", "line 3: alll: is not known here: did you mean all?"),
        ("version: 1", "version: 2", "version: is 2, and this hub reads definitions up to version 1"),
        ("version: 1", "versio: 1", "version: is missing"),
        ("version: 1", 'version: "1"', "version: must be 1, not '1'"),
    ],
)
def test_an_error_names_the_field_and_what_could_stand_there(was, is_now, said):
    assert was in WINBACK
    message = _error(WINBACK.replace(was, is_now, 1))
    assert said in message
    assert message.startswith("winback.yaml")


NESTED = "profile: a\nop: any of\nvalue: "


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("did: A\naggregate: {summ: a, op: '>', value: 1}", "line 3: aggregate.summ: is not known here"),
        ("did: A\naggregate: {op: '>', value: 1}", "aggregate: must have one of sum, average, min, max, median"),
        ("did: A\naggregate: {sum: a, max: a, op: '>', value: 1}", "aggregate: can have only one of sum, average"),
        ("did: A\naggregate: {sum: a, op: '>', value: 2026-01-01}", "aggregate.value: must be a number after sum"),
        ("did: A\naggregate: {sum: a, op: in, value: [1]}", "aggregate.op: must be one of =, !=, >"),
        ("did: A\naggregate: {max: a, op: '=', value: 2026-01-01}", "aggregate.value: must be a number after '='"),
        ("did: A\naggregate: {max: a, op: '='}", "aggregate.value: is missing"),
        ("did: A\ncount: {at_least: 1}\nfirst: true", "line 4: first: can have only one of count and first"),
        ("did: A\nfirst: false", "first: must be true, or be left out"),
        ("did: A\nwithin: 3 days", "then: is missing"),
        ("did: A\nthen: {did: B}", "within: is missing"),
        ("did: A\nthen: {did: B}\nwithin: 7", "within: must be a group of n, unit, not 7"),
        ("did: A\nthen: {did: B}\nwithin: a week", "within: must be a length of time such as"),
        ("did: A\nthen: {did: B}\nwithin: 0 days", "within: must be at least 1, not 0"),
        ("did: A\nthen: {ddi: B}\nwithin: 7 days", "then.ddi: is not known here: did you mean did?"),
        ("did: A\nthen: B\nwithin: 7 days", "then: must be the second step of a sequence"),
        ("did: A\nthen: {did: B}\nwithin: 7 days\ncount: {at_least: 2}", "line 5: count: is not known here"),
        ("did_not: A\nthen: {did: B}\nwithin: 7 days", "line 3: then: is not known here"),
        ("did: A\nchange: {less_than: 0, before: 7 days}\nwindow: 7 days", "less_than: must be more than 0 percent"),
        ("did: A\nchange: {less_than: 50, before: 7 days}", "window: is missing"),
        ("did: A\nchange: {less_than: 50, before: 7 days}\nwindow: ever", "window: must have a beginning"),
        ("profile: a\nop: on\nvalue: 2026-01-01T12:00:00Z", "value: must be a day such as 2026-11-23 after 'on'"),
        ("profile: a\nop: before\nvalue: 3", "value: must be a date such as 2026-11-23 after 'before'"),
        ("profile: a\nop: in the last\nvalue: 3 dyas", "value: must be one of hour, day, week, month, not 'dyas'"),
        ("profile: a\nop: in the last\nvalue: {n: 200, unit: years}", "value.unit: must be one of hour, day"),
        ("profile: a\nop: in the next\nvalue: 2000 months", "value: must not be more than 100 years"),
        ("profile: a\nop: in the last", "value: is missing: 'in the last' needs one"),
        ("profile: a\nop: not between\nvalue: [3, 1]", "value: must begin with the least"),
        (f"{NESTED}3", "value: must be a test (one of property, op, all, any, not), not 3"),
        (f"{NESTED}{{op: has}}", "value.value: is missing: 'has' needs one"),
        (f"{NESTED}{{all: []}}", "value.all: must not be empty"),
        (f"{NESTED}{{op: '>', value: 2026-01-01}}", "value: cannot have a date ('>'): dates within lists"),
        (f"{NESTED}{{any: [{{op: in the last, value: 3 days}}]}}", "value: cannot have a date ('in the last')"),
        ("profile: a\nop: has\nvalue: {op: '=', value: 3}", "value: must name the property of the object"),
        ("cohort: 3", "cohort: must be text, not 3"),
        ("cohort: ''", "cohort: must not be empty"),
    ],
)  # fmt: skip
def test_an_error_in_any_clause_names_the_field_and_what_to_do(text, said):
    assert said in _error(f"version: 1\n{text}")


def test_what_is_nested_counts_as_parts_too():
    inner = "{any: [" + "{op: '=', value: 1}, " * 500 + "]}"
    assert "has 501 clauses and tests" in _error(f"version: 1\nprofile: a\nop: any of\nvalue: {inner}")


@pytest.mark.parametrize("text", ["all: []", "any: []", "all:", "not:", "all: {}", "did: A\nwhere: []", ""])
def test_an_empty_group_is_refused(text):
    assert "must" in _error(f"version: 1\n{text}")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("version: 1\nall: [\n  did: x\nany: 3", "line 4, column 4"),
        ("version: 1\n\tdid: A", "line 2, column 1"),
        ("version: 1\ndid: A\ndid: B", "line 3, column 1: the key 'did' stands twice"),
        ("a: &x [1]\nb: *x", "line 2, column 4: aliases"),
        ("version: !!python/object:os.system ls", "line 1, column 10"),
    ],
)
def test_a_syntax_error_has_its_line_and_column(text, place):
    assert place in _error(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"did: {'k' * 256}", "line 2: did: must not be longer than 255 letters."),
        ('did: "a\\0b"', "line 2: did: must not hold a NUL character."),
        ('profile: plan\nop: "="\nvalue: "a\\0b"', "line 4: value: must not hold a NUL character."),
        ("any: [" + "{did: A}, " * 501 + "]", "has 501 clauses and tests, and can have 500 at most"),
        (
            "did: A\nwhere: [" + '{property: a, op: "is set"}, ' * 500 + "]",
            "has 501 clauses and tests, and can have 500 at most",
        ),
    ],
)
def test_what_no_query_can_hold_is_refused_before_it_is_kept(text, said):
    assert said in _error(f"version: 1\n{text}")


def test_a_syntax_error_in_json_has_its_line_and_column():
    with pytest.raises(DefinitionError, match=r"w\.json, line 2, column 8"):
        read_definition('{"version": 1,\n"did": ]}', source="w.json")


def test_a_key_that_stands_twice_is_refused_in_json_too():
    assert "stands twice" in _error('{"version": 1, "did": "A", "did": "B"}')


def test_several_errors_are_told_at_once():
    message = _error(WINBACK.replace("unit: day", "unit: dya").replace("op: in", "op: ni"))
    assert "window.last.unit" in message
    assert "any[0].op" in message


def test_plain_words_are_those_of_yaml_1_2():
    text = "version: 1\nprofile: a\nop: in\nvalue: [NO, yes, 00123, +4712345678, 12:30, 2026-01-01, true, 1.50]"
    expected = ("NO", "yes", "00123", "+4712345678", "12:30", "2026-01-01", True, 1.5)
    assert read_definition(text).clause.value == expected


def test_a_newer_definition_in_the_control_plane_is_refused_by_name():
    with pytest.raises(DefinitionError, match="the cohort 'x': version: is 7"):
        stored_definition({"version": 7, "did": "A"}, name="x")


def test_a_file_that_is_not_there_or_no_text_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_definition_file(tmp_path / "none.yaml")
    (tmp_path / "image.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="not UTF-8"):
        read_definition_file(tmp_path / "image.yaml")


@pytest.mark.parametrize("text", ["[" * 5000, '{"a":' * 50_000, '{"a":' * 60 + "1" + "}" * 60, "- " * 3000])
def test_a_text_nested_too_deeply_is_refused(text):
    with pytest.raises(DefinitionError, match=r"nested too deeply|must be"):
        read_definition(text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5)
            | st.sampled_from(
                [
                    "did",
                    "did_not",
                    "where",
                    "count",
                    "window",
                    "profile",
                    "op",
                    "value",
                    "all",
                    "any",
                    "not",
                    "last",
                    "n",
                    "unit",
                    "from",
                    "to",
                    "since",
                    "between_ago",
                    "m",
                    "property",
                    "at_least",
                    "version",
                    "ever",
                    "then",
                    "within",
                    "change",
                    "less_than",
                    "aggregate",
                    "sum",
                    "first",
                    "cohort",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                "all",
                "any",
                "not",
                "did",
                "profile",
                "op",
                "value",
                "window",
                "count",
                "where",
                "then",
                "within",
                "change",
                "aggregate",
                "first",
                "cohort",
            ]
        ),
        JSON_VALUES,
        max_size=4,
    )
)
def test_no_document_ends_in_anything_but_a_definition_or_an_error_for_people(document):
    for text in (json.dumps({"version": 1, **document}), yaml.safe_dump({"version": 1, **document})):
        try:
            definition = read_definition(text)
        except HubError as error:
            assert error.message
        else:
            assert stored_definition(definition.document(), name="x") == definition


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet="{}[]:,-&*!|>'\"%@`#\n \tadin1~", max_size=40))
def test_no_text_ends_in_a_traceback(text):
    try:
        read_definition(text)
    except HubError as error:
        assert error.message
