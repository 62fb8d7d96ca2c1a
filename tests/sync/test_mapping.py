"""What a mapping makes of values: the steps, what they refuse, and what a missing value does."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.cohorts.mapped import EMPTIED, decode
from hub.connectors.contract import Ability
from hub.errors import UsageError
from hub.sync.evaluated import MEMBERS
from hub.sync.mapped_values import unusable_values, with_values
from hub.sync.mapping import Missing, changes_of, checked, field_of, fields_of, pairs_of
from tests.by_target import column, texts
from tests.sync.tiny import Tiny

OSLO = ZoneInfo("Europe/Oslo")


class _Engine:
    """What `unusable_values` asks of a reader."""

    def __init__(self) -> None:
        self.backend = ibis.duckdb.connect(threads=1)

    def batches(self, expression):
        return self.backend.to_pyarrow_batches(expression)


@pytest.fixture(scope="module")
def engine():
    return _Engine()


def sent(engine, fields, values, zone=OSLO):
    """What is sent of members, each with its typed text under every target: (values, why not), member by member."""
    fields = fields_of(fields)
    people = _people([dict.fromkeys(fields, text) for text in values])
    made = with_values(people, fields, zone).order_by("person")
    found = engine.backend.to_pyarrow(made).to_pylist()
    assert all(set(row) == set(MEMBERS) for row in found)
    return [(texts(row["mapped"]), texts(row["unusable"])) for row in found]


def _people(rows):
    """Evaluated members, each with the typed texts of a row, and its number for a name."""
    names = [f"{number:04}" for number in range(len(rows))]
    known, invalid = [True] * len(rows), pa.nulls(len(rows), pa.string())
    columns = {"person": names, "has_profile": known, "key": names, "mapped": column(rows), "invalid": invalid}
    return ibis.memtable(pa.table(columns))


def told(engine, cases):
    """What each field sends of its own typed text, or why it does not: some in one query."""
    return [row for first in range(0, len(cases), 6) for row in _told(engine, cases[first : first + 6])]


def _told(engine, cases):
    fields = fields_of({f"T{number}": field for number, (field, _, _) in enumerate(cases)})
    people = _people([{target: case[1] for target, case in zip(fields, cases, strict=True)}])
    [found] = engine.backend.to_pyarrow(with_values(people, fields, OSLO)).to_pylist()
    values, why = texts(found["mapped"]), texts(found["unusable"])
    assert not values.keys() & why.keys()
    return [
        (field, text, why.get(target) or values.get(target))
        for target, (field, text, _) in zip(fields, cases, strict=True)
    ]


A_HASH = hashlib.sha256(b"ann@x.no").hexdigest()


def test_a_step_makes_a_value_or_says_why_not(engine):
    cases = [
        ("p|lower", "s:ÅNN", "s:ånn"),
        ("p|upper", "s:ann", "s:ANN"),
        ("p|trim|lower", "s: Ann\n", "s:ann"),
        ("p|lower", "n:3.0", "is no text"),
        ("p|lower", "b:true", "is no text"),
        ("p|trim", 'l:["a"]', "is no text"),
        ("p|email|hash", "s: Ann@X.no ", f"s:{A_HASH}"),
        ("p|hash", f"s:{A_HASH.upper()}", f"s:{A_HASH}"),
        ("p|hash:md5", "s:ann@x.no", f"s:{hashlib.md5(b'ann@x.no').hexdigest()}"),
        ("p|hash", "n:4791234567.0", f"s:{hashlib.sha256(b'4791234567').hexdigest()}"),
        ("p|hash", "n:1.5", "is no text or whole number"),
        ("p|email", "s:nobody", "is no e-mail address"),
        ("p|phone", "s:0047 912-34 567", "s:+4791234567"),
        ("p|phone|digits", "s:+47 (912) 34.567", "s:4791234567"),
        ("p|phone", "s:91234567", "is no phone number with its country's code"),
        ("p|digits", "s:none", "has no digits"),
        ("p|default:friend", None, "s:friend"),
        ("p|trim|default:friend|upper", "s:  ", "s:FRIEND"),
        ("p|default:0", None, "n:0.0"),
        ("p|default:false", None, "b:false"),
        ('p|default:"0|1"', None, "s:0|1"),
        ("p|default:x", "n:3.0", "n:3.0"),
        ("p|lower|default:x", "n:3.0", "is no text"),
        ("p", 'l:["a",1]', 'l:["a",1]'),
        ("p|trim", None, None),
        ("p|trim", f"s:{EMPTIED}", f"s:{EMPTIED}"),
    ]
    assert told(engine, cases) == cases


def test_a_date_is_shown_in_its_format_and_zone(engine):
    cases = [
        ("p|date:%d.%m.%Y", "s:1980-05-01", "s:01.05.1980"),  # a day is that day in every zone
        ("p|date:%d.%m.%Y@America/New_York", "s:1980-05-01", "s:01.05.1980"),
        ("p|date:%F %T", "s:2026-03-28T23:30:00", "s:2026-03-29 00:30:00"),
        ("p|date:%F %T%z", "s:2026-03-29T00:59:59Z", "s:2026-03-29 01:59:59+0100"),
        ("p|date:%F %T%z", "s:2026-03-29T01:00:00Z", "s:2026-03-29 03:00:00+0200"),
        ("p|date:%F %H@America/St_Johns", "s:2026-01-01 03:29:59.999", "s:2025-12-31 23"),
        ("p|date:%z@America/St_Johns", "s:2026-01-01T00:00:00+00:00", "s:-0330"),
        ("p|date:%FT%TZ@UTC", "s:2026-01-01T01:30+05:30", "s:2025-12-31T20:00:00Z"),
        ('p|date:"%H @ %M"@UTC', "s:2026-01-01T01:30-0100", "s:02 @ 30"),
        ("p|date:%-d/%-m/%y@UTC", "n:1767225600.0", "s:1/1/26"),
        ("p|date:%F@UTC", "n:1767225600000.0", "s:2026-01-01"),
        ("p|date:unix", "s:2026-01-01T01:00:00+01:00", "n:1767225600.0"),
        ("p|date:unix_ms", "s:2026-01-01", "n:1767225600000.0"),
        ("p|date:%F", "s:2026-02-30", "is no date"),
        ("p|date:%F", "s:01/02/2026", "is no date"),
        ("p|date:%F", "s:", "is no date"),
        ("p|date:%F", "b:true", "is no date"),
        ("p|date:%F", "n:1e+20", "is no date"),
    ]
    assert told(engine, cases) == cases


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from(["Europe/Oslo", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "UTC"]),
    st.lists(st.datetimes(datetime(1970, 1, 2), datetime(2040, 1, 1)), min_size=1, max_size=200),
)
def test_clocks_are_those_of_the_zone(engine, zone, instants):
    values = [f"s:{instant.isoformat()}" for instant in instants]
    found = sent(engine, {"T": f"p|date:%Y-%m-%dT%H:%M:%S%z@{zone}"}, values)
    local = [instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) for instant in instants]
    assert [values["T"] for values, _ in found] == [f"s:{each:%Y-%m-%dT%H:%M:%S%z}" for each in local]


def test_every_field_goes_its_own_way_and_what_is_refused_is_counted(engine):
    fields = fields_of({"A": "p", "B": "p|lower", "C": {"value": "p|lower", "missing": "clear"}})
    some = ["s:X", "n:1.0", None]
    assert sent(engine, fields, some) == [
        ({"A": "s:X", "B": "s:x", "C": "s:x"}, {}),
        ({"A": "n:1.0"}, {"B": "is no text", "C": "is no text"}),  # neither sent nor cleared
        ({"C": EMPTIED}, {}),
    ]
    people = _people([{"A": text, "B": text} for text in some if text])
    fields = {target: fields[target] for target in ("A", "B")}
    assert unusable_values(engine, with_values(people, fields, OSLO), fields) == {"B": {"is no text": 1}}
    assert decode(EMPTIED) is None


@pytest.mark.parametrize(
    "text",
    ["$first_name", "a b|trim", '"a|b"|lower', "p|date:%d.%m.%Y@Europe/Oslo", 'p|date:"%d@%m|x"@UTC', 'p|default:"a|b"',
     'p|default:he said "hi"', "p|hash:md5|default:1.5", '"\\"q"', 'p|default:"\\"|"', "p:q"],
)  # fmt: skip
def test_a_field_is_written_as_it_was_read(text):
    field = field_of(text)
    assert field.text == text
    assert field_of(field.stored) == field
    clearing = field_of({"value": text, "missing": "clear"})
    assert (clearing.missing, field_of(clearing.stored)) == (Missing.CLEAR, clearing)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p|lowr", "There is no step 'lowr'"),
        ("p|", "There is nothing between two bars"),
        ("|lower", "names no property"),
        ("p|lower:x", "lower takes no argument"),
        ("p|hash:sha1", "There is no hash 'sha1'"),
        ("p|default:", "default needs a value"),
        ('p|default:"x', "a quotation mark too few"),
        ("p|date", "date needs a format"),
        ("p|date:%Q", "the directive %Q"),
        ("p|date:%d%", "the directive %"),
        ("p|date:day", "shows nothing of a date"),
        ("p|date:%d@Oslo", "There is no time zone 'Oslo'"),
        ("p|date:unix@UTC", "the same in every zone"),
        ('"p|trim', "no name of a property"),
        ({"value": "p", "missing": "erase"}, "A missing value cannot erase"),
        ({"value": "p", "misssing": "clear"}, "A field is a text"),
        (7, "A field is a text"),
    ],
)
def test_what_cannot_be_read_is_said(text, said):
    with pytest.raises(UsageError) as raised:
        fields_of({"T": text})
    assert said in raised.value.message
    assert raised.value.message.startswith("T: ")
    assert raised.value.hint


def test_pairs_are_read_with_what_a_missing_value_does():
    found = pairs_of(["FNAME = $first_name|trim", "PLAN=plan"], missing=["PLAN=clear", "AGE=set-if-empty"],
                     of=fields_of({"AGE": "age|digits", "OLD": "old"}))  # fmt: skip
    assert {target: field.stored for target, field in found.items()} == {
        "FNAME": "$first_name|trim",
        "PLAN": {"value": "plan", "missing": "clear"},
        "AGE": {"value": "age|digits", "missing": "set-if-empty"},
    }
    for lines, missing, said in (
        (["FNAME"], [], "FNAME is not TARGET=PROPERTY"),
        (["A=a", "A=b"], [], "A stands twice"),
        (["A=a"], ["B=clear"], "Nothing is sent as B"),
        (["A=a"], ["A"], "A is not TARGET=clear"),
        (["A=a"], ["A=erase"], "cannot erase"),
    ):
        with pytest.raises(UsageError, match=said):
            pairs_of(lines, missing=missing)


def test_only_a_connector_that_can_clears(monkeypatch):
    clearing = {"PLAN": {"value": "plan", "missing": "clear"}}
    with pytest.raises(UsageError, match="Tiny cannot empty a field"):
        checked(clearing, Tiny)
    monkeypatch.setattr(Tiny, "abilities", frozenset({Ability.CLEAR}))
    assert checked(clearing, Tiny) == clearing


def test_a_change_is_told_field_by_field():
    before = {"A": "a", "B": "b", "C": {"value": "c", "missing": "clear"}, "D": "d"}
    after = {"A": "a|trim", "C": "c", "D": "d", "E": {"value": "e", "missing": "set-if-empty"}}
    assert [*changes_of(before, after)] == [
        "A is a|trim, where it was a",
        "B is not sent any more",
        "C is c, where it was c (a missing value clears it)",
        "E is e (set only if it is empty), and was not sent before",
    ]
