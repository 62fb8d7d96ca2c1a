"""What somebody reads whose text is wrong: the place, what could stand there, and what was probably meant."""

# ruff: noqa: E501 (tables: a row a case)

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cohorts.text.printing import text_of
from hub.cohorts.text.reading import LONGEST, definition_of_text
from hub.cohorts.text.words import SPOKEN
from hub.errors import DefinitionError


def refused(text: str) -> DefinitionError:
    """The error for a text, with its place checked: the caret stands under a letter of the text, or after the last."""
    with pytest.raises(DefinitionError) as caught:
        definition_of_text(text, source="--where")
    error = caught.value
    assert error.exit_code == 2
    place = re.match(r"--where, line (\d+), column (\d+): ", error.message)
    assert place
    line, column = int(place[1]), int(place[2])
    lines = text.split("\n")
    assert 1 <= line <= len(lines)
    assert 1 <= column <= len(lines[line - 1]) + 1
    shown, caret = error.message.split("\n")[-2:]
    assert caret.strip() == "^"
    assert len(caret) <= len(shown) + 1
    return error


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", 1, "the text ends here, and there must be a clause (`did \"EVENT\"`, `user.PROPERTY = VALUE`"),
        ("did", 4, "there must be the name of an event in double quotes, or `any event`"),
        ("did Purchase", 5, "\"Purchase\" cannot stand here: there can be the name of an event in double quotes"),
        ("dod \"A\"", 1, "did you mean did?"),
        ("DID \"A\"", 1, "did you mean did?"),
        ("plan = \"pro\"", 1, "there can be a clause"),
        ("did \"A\" in last 30 dyas", 20, "\"dyas\" cannot stand here: there can be hours, days, weeks or months: did you mean days?"),
        ("did \"A\" in last days", 17, "there can be a number"),
        ("did \"A\" and", 12, "the text ends here"),
        ("did \"A\" nad did \"B\"", 9, "a window such as `in last 30 days`"),
        ("did \"A\" nad did \"B\"", 9, "did you mean and?"),
        ("did \"A\" atleast 3 times", 9, "did you mean at least?"),
        ("did \"A\" at leest 3 times", 12, "did you mean least?"),
        ("did \"A\" where a == 1", 17, "did you mean =?"),
        ("did \"A\" where a = 1 or b = 2", 24, "there can be a clause"),
        ("did \"A\" where a = 1 and b", 26, "there must be an operator (=, !=, >"),
        ("user.plan in \"pro\"", 14, "there can be a list in brackets such as (\"pro\", \"team\")"),
        ("user.plan in (\"pro\", team)", 22, "a value (a text in double quotes, a number, true or false)"),
        ("in cohort winback-90", 18, "\"-\" cannot stand here: there can be `and`, `or`, or the end of the text"),
        ("(did \"A\"", 9, "the text ends here, and there must be a closing bracket"),
        ("did \"A\")", 8, "there can be"),
        ("did \"A\" then \"B\"", 17, "there must be `where`, or `within`"),
        ("did \"A\" && did \"B\"", 9, "did you mean and?"),
        ("# Why\ndid \"A\"\n  and did \"B\"\n  wher x = 1", 3, "line 4, column 3: \"wher\" cannot stand here"),
        # what the grammar takes, and the definition does not
        ("did \"A\" in last 0 days", 17, "must be at least 1, not 0"),
        ("did \"A\" in last 40000 days", 17, "must not be more than 100 years"),
        ("did \"A\" exactly 1.5 times", 17, "must be a whole number, not 1.5"),
        ("did \"A\" between 3 and 9 days ago", 23, "must not be more than n (3)"),
        ("did \"A\" since 2026-13-01", 15, "must be a day such as 2026-11-23"),
        ("did \"A\" between 2026-02-02 and 2026-02-01", 32, "must not be before from (2026-02-02)"),
        ("did \"A\" where a > \"much\"", 19, "must be a number or a date such as 2026-11-23 after '>'"),
        ("did \"A\" where a between 3 and 1", 25, "must begin with the least"),
        ("did \"A\" at least 3 times for the first time", 26, "can have only one of count and first"),
        ("did \"A\" sum of x contains \"a\"", 18, "must be one of =, !=, >"),
        ("did \"A\" less than 0 % of the 3 days before in last 3 days", 19, "must be more than 0 percent"),
        ("did \"A\" less than 50 % of the 3 days before ever", 45, "must have a beginning, such as 30 days"),
        ("user.tags any of (> \"2026-01-01\")", 19, "cannot have a date ('>')"),
        ("did \"\"", 5, "must not be empty"),
        ("did \"a\\0b\"", 7, "is no escape of a text in quotes"),
        ("did \"a\\u0000b\"", 5, "must not hold a NUL character"),
        ("did \"\\ud800\"", 5, "is not valid text (half of a surrogate pair)"),
        ("user.a = " + "9" * 500, 10, "is too long for a number"),
        ("user.a = 1e999", 10, "must be a finite number"),
        ("not " * 60 + "did \"A\"", 245, "is nested more than 50 deep"),
        (" or ".join(["did \"A\""] * 501), 5, "has 501 clauses and tests, and can have 500 at most"),
    ],
)  # fmt: skip
def test_an_error_points_at_the_place_and_says_what_could_stand_there(text, place, said):
    message = refused(text).message
    assert f"column {place}: " in message
    assert said in message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("did Purchase", 'Did you mean "Purchase"?'),
        ("did 'Purchase'", "straight double quotes"),
        ("did “Purchase”", "straight double quotes"),
        ('did "Purchase', "do not end on this line"),
        ('did "A\nB"', "do not end on this line"),
        ("user.a-b = 3", "A name with other letters"),
        ("in cohort winback-90", "A name with other letters"),
        ("plan = 3", "A property of the profile begins with `user.`"),
        ('did "A" where a = 1 or b = 2', "stand in one bracket after `where`"),
        ('user.plan is "pro"', "values are compared with ="),
        ('did "A" nad did "B"', "Nothing was saved."),
    ],
)
def test_a_frequent_slip_has_its_hint(text, hint):
    assert hint in refused(text).hint


def test_no_name_of_the_grammars_own_is_ever_shown():
    texts = ['did "A" ' + word for word in ("at", "more", "between", "less", "then", "where", "for", "min")]
    for text in [*texts, "user.a is", "user.a not", "user.a any of (", "in cohort", 'did "A" where (a = 1']:
        capitals = set(re.findall(r"\b[A-Z_]{2,}\b", refused(text).message))
        assert capitals <= {"EVENT", "PROPERTY", "VALUE", "NAME"}


WORDS = [word for words in SPOKEN.values() for word in words]
PIECES = st.sampled_from([*WORDS, *WORDS, "user.", "in cohort", "any event", "all (", "any (", "any of (", "has (", "(", ")", ",",
                          "=", "!=", ">", "<=", "%", '"A"', '"B"', '"', "a", "$b", "3", "30", "0.5", "2026-01-01",
                          "where", "and", "or", "not", "did", "#", "\n", "\\", "é"])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=25).map(" ".join) | st.text(max_size=40))
def test_any_text_is_a_definition_or_an_error_of_ours_with_a_place(text):
    try:
        definition = definition_of_text(text, source="--where")
    except DefinitionError:
        refused(text)
    else:
        assert definition_of_text(text_of(definition)) == definition


@pytest.mark.parametrize(
    "text",
    ["(" * 100_000, "not " * 100_000, '"' * 100_000, 'did "' + "\\" * 100_000, 'did "A" and ' * 30_000, "#\n" * 100_000,
     'did "A" where ' + ("a = 1 and" + " " * 1_000) * 300, "user.a = " + "9" * 100_000],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_long_text_that_is_wrong_is_refused_and_not_pondered(text):
    refused(text)


def test_a_list_may_be_long_and_a_text_not_endless():
    ids = ", ".join(f'"user-{number}"' for number in range(20_000))
    assert len(definition_of_text(f"user.id in ({ids})").clause.value) == 20_000
    with pytest.raises(DefinitionError, match="is longer than"):
        definition_of_text(" " * (LONGEST + 1))
