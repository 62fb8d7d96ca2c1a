"""A JSON array cut into its elements, whatever they are, however they are laid out, wherever the pieces end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.events.array import ArraySplitter, BrokenArray
from hub.events.lines import MAX_BYTES

json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
odd_text = st.text(alphabet='}{][,:"\\ \nab', max_size=10)
record = st.builds(
    lambda name, items: {"event": name, "properties": {"items": items}},
    odd_text,
    st.lists(st.dictionaries(st.sampled_from(["event", "$x", "a"]), odd_text | json_value, max_size=2), max_size=3),
)
space = st.text(alphabet=" \t\r\n", max_size=3)


def split(data: bytes, cuts=()):
    """The elements of an array that comes in pieces: (line, text)."""
    splitter, found, begin = ArraySplitter(), [], 0
    for end in [*sorted(cuts), len(data)]:
        found += splitter.feed(data[begin:end])
        begin = max(begin, end)
    return [*found, *splitter.finish()]


@st.composite
def laid_out(draw, elements):
    """An array's elements, where each begins (line, byte), its text with any space between its parts, and cuts."""
    values = draw(st.lists(elements, max_size=6))
    text, begins = draw(space) + "[" + draw(space), []
    for number, value in enumerate(values):
        begins.append((text.count("\n") + 1, len(text.encode(errors="surrogatepass"))))
        text += json.dumps(value, indent=draw(st.sampled_from([None, 0, 2])), ensure_ascii=draw(st.booleans()))
        text += draw(space) + ("," + draw(space) if number < len(values) - 1 else "")
    data = (text + "]" + draw(space)).encode(errors="surrogatepass")
    return values, begins, data, draw(st.lists(st.integers(0, len(data)), max_size=8))


@settings(deadline=None, max_examples=300)
@given(laid_out(json_value | record))
def test_any_array_in_any_pieces_gives_the_elements_of_json_and_their_lines(array):
    values, begins, data, cuts = array
    found = split(data, cuts)

    assert json.dumps([json.loads(text) for _, text in found]) == json.dumps(values)
    assert [line for line, _ in found] == [line for line, _ in begins]


@settings(deadline=None)
@given(laid_out(record), st.data())
def test_an_array_that_is_cut_off_gives_what_was_whole_and_says_that_it_is_not_closed(array, data):
    values, begins, text, _ = array
    closed = len(text.rstrip()) - 1
    splitter, found = ArraySplitter(), []
    end = data.draw(st.integers(text.index(b"[") + 1, closed))
    with pytest.raises(BrokenArray, match="ends early, on line"):
        found += splitter.feed(text[:end])
        found += splitter.finish()

    assert [json.loads(element) for _, element in found] == values[: len(found)]
    assert len(found) >= sum(begin < end for _, begin in begins) - 1


BAD = [
    b"nonsense",
    b"",
    b'{"event": }',
    b'{"event": "A" "properties": {}}',
    b'{"event": "A", "properties": {"x": [1}}',
    b'{"event": "A", "properties": {"x": 1}',
    b'{"event": "A, "properties": {"x": 1}}',
    b'{"event": "A", "properties": {"x": 1]}}',
    b'{"event": "A", "properties": {"x": "unclosed}}',
    b'{"event": "A"}}',
    b'{"event": "\xff"}',
    b'{"event": "a\\"}, [" 5}',
    b'[[{"event": "a", 5}]]',
]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("between", [b",", b",\n  "])
def test_beside_a_bad_element_the_others_are_found(bad, between):
    good = [
        json.dumps({"event": f"E{n}", "properties": {"n": n, "list": [{"a": 1}, {"b": 2}]}}).encode() for n in range(6)
    ]
    text = b"[" + between.join([*good[:3], bad, *good[3:]]) + b"]"
    for cuts in ([], range(0, len(text), 7)):
        found = split(text, cuts)

        assert [text for _, text in found if text in good] == good
        assert len(found) == 7


@pytest.mark.parametrize("size", [MAX_BYTES - 30, MAX_BYTES + 10, 3 * MAX_BYTES])
def test_a_large_element_is_one_and_of_one_that_is_too_large_only_the_beginning_is_kept(size):
    large = b'{"event":"A","properties":{"x":"' + b"},\\\n{" * (size // 5) + b'"}}'
    text = b'[{"a":1},\n' + large + b',\n{"b":2}]'
    found = split(text, range(0, len(text), 100_000))

    assert [element for _, element in found][::2] == [b'{"a":1}', b'{"b":2}']
    assert large.startswith(found[1][1])
    assert found[1][1] == large or len(found[1][1]) > MAX_BYTES
    assert found[2][0] == 3 + large.count(b"\n")


def test_what_follows_the_array_is_told_with_its_line():
    with pytest.raises(BrokenArray, match="goes on after the end of its JSON array, on line 3"):
        split(b"[1,\n2]\n[3]")


def test_a_comma_before_the_end_is_no_element():
    assert split(b"[1, 2,\n]") == [(1, b"1"), (1, b"2")]
