"""The records of a request: every form that clients send, and bodies that are none."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
import zlib
from urllib.parse import parse_qsl, quote_plus, unquote_to_bytes, urlencode, urlsplit

import mixpanel
import orjson
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.events.elements import NotClosed, elements
from hub.events.lines import Rejected
from hub.events.request import MAX_RECORDS, MAX_REQUEST_BYTES, BadRequest, Flags, _unquoted, decode_request

EVENT = {"event": "Søk", "properties": {"token": "t", "distinct_id": "a+b/c=?&", "time": 1_700_000_000, "n": [1, "x"]}}
FORM, JSON, LINES = "application/x-www-form-urlencoded", "application/json", "application/x-ndjson"


def text(records) -> bytes:
    return json.dumps(records).encode()


def js(records, *, packed=True) -> dict:
    """As mixpanel-js: `_encode_data_for_request`, `_send_request`."""
    data = base64.b64encode(text(records)).decode() if packed else text(records).decode()
    query = {"verbose": "1", "ip": "1", "_": "1795640595122"}
    return {"body": b"data=" + quote_plus(data, safe="!*'()").encode(), "content_type": FORM, "query": query}


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)  # the same bytes in every process of a test run


def lines(records) -> bytes:
    return b"\n".join(map(text, records if isinstance(records, list) else [records]))


FORMS = {
    "mixpanel-python": lambda sent: {
        "body": urlencode({"data": json.dumps(sent, separators=(",", ":")), "verbose": 1, "ip": 0}).encode(),
        "content_type": FORM,
    },
    "mixpanel-js": js,
    "mixpanel-js, json": lambda sent: js(sent, packed=False),
    "mixpanel-js, beacon": lambda sent: {**js(sent), "content_type": "text/plain;charset=UTF-8"},
    "mixpanel-js, GET": lambda sent: {
        "body": b"",
        "query": {"data": base64.b64encode(text(sent)).decode(), "ip": "1", "callback": "jsc[1]"},
    },
    "URL-safe base64": lambda sent: {"body": b"data=" + base64.urlsafe_b64encode(text(sent)), "content_type": FORM},
    "base64 as it is": lambda sent: {"body": b"ip=1&data=" + base64.b64encode(text(sent)), "content_type": FORM},
    "mixpanel-android, gzip": lambda sent: {
        "body": packed(urlencode({"data": base64.b64encode(text(sent))}).encode()),
        "content_type": FORM,
        "content_encoding": "gzip",
    },
    "mixpanel-swift, mixpanel-utils": lambda sent: {"body": text(sent), "content_type": JSON, "query": {"ip": "1"}},
    "mixpanel-go": lambda sent: {"body": text(sent)},
    "mixpanel-go, gzip": lambda sent: {"body": packed(text(sent)), "content_encoding": "gzip"},
    "curl": lambda sent: {"body": text(sent), "content_type": FORM},
    "JSON lines": lambda sent: {"body": lines(sent), "content_type": LINES},
    "JSON lines, gzip": lambda sent: {
        "body": packed(lines(sent)),
        "content_type": LINES,
        "content_encoding": "gzip",
    },
    "JSON lines that nobody announced": lambda sent: {"body": lines(sent) + b"\r\n", "content_type": JSON},
    "with a byte order mark": lambda sent: {"body": b"\xef\xbb\xbf " + text(sent), "content_type": JSON},
}


def short(value) -> str | None:
    """What a body of a parametrized test is called."""
    return repr(value[:24]) if isinstance(value, bytes) else None


def records_of(body: bytes, **how) -> list:
    """The records of a request, with reasons in the place of those that could not be parsed."""
    found = decode_request(body, **how).records
    return [record.reason if isinstance(record, Rejected) else record for record in found]


def refusal(body: bytes, **how) -> tuple[int, str]:
    with pytest.raises(BadRequest) as caught:
        decode_request(body, **how)
    return caught.value.status, caught.value.message


json_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
json_record = st.fixed_dictionaries(
    {
        "event": json_text,
        "properties": st.dictionaries(json_text, json_text | st.booleans() | st.integers(-9, 9) | st.lists(json_text)),
    }
)


@settings(deadline=None, max_examples=40)
@given(json_record | st.lists(json_record, min_size=1, max_size=4))
def test_every_form_of_every_sdk_is_read_as_the_same_records(sent):
    expected = sent if isinstance(sent, list) else [sent]

    for name, form in FORMS.items():
        assert decode_request(**form(sent)).records == expected, name


def test_the_official_python_client_is_read_with_its_flags():
    sent = []

    class Transport(requests.adapters.BaseAdapter):
        def send(self, request, **_):
            sent.append(request)
            answer = requests.Response()
            answer.status_code, answer._content, answer.request = 200, b'{"status":1,"error":null}', request
            return answer

        def close(self):
            pass

    consumer = mixpanel.BufferedConsumer(api_host="hub.example")
    consumer._consumer._session.mount("https://", Transport())
    client = mixpanel.Mixpanel("the-token", consumer)
    client.track("ann", "Søk & kjøp", {"amount": 5})
    client.track("bob", "Open")
    client.people_set("ann", {"plan": "pro"})
    client.merge(None, "ann", "anna", api_secret="secret")
    consumer.flush()
    found = {
        urlsplit(request.url).path: decode_request(
            request.body.encode(),
            content_type=request.headers["Content-Type"],
            query=dict(parse_qsl(urlsplit(request.url).query)),
        )
        for request in sent
    }

    assert {decoded.form for decoded in found.values()} == {"form"}
    assert {decoded.flags for decoded in found.values()} == {Flags(verbose=True, ip=False)}
    assert [record["event"] for record in found["/track"].records] == ["Søk & kjøp", "Open"]
    assert found["/engage"].records[0]["$set"] == {"plan": "pro"}
    assert found["/import"].records == [
        {"event": "$merge", "properties": {"$distinct_ids": ["ann", "anna"], "token": "the-token"}}
    ]


@pytest.mark.parametrize(
    ("query", "body", "flags"),
    [
        ({}, text([EVENT]), Flags()),
        ({"verbose": "1", "ip": "0", "img": "1"}, text([EVENT]), Flags(verbose=True, ip=False, img=True)),
        ({"strict": "true", "img": "2"}, text([EVENT]), Flags(strict=True)),
        ({"ip": "1"}, b"ip=0&verbose=1&callback=f&data=e30=", Flags(ip=True, verbose=True, callback="f")),
    ],
)
def test_flags_come_from_the_query_and_from_the_form(query, body, flags):
    assert decode_request(body, query=query).flags == flags


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "There is no data."),
        (b" \n", 400, "There is no data."),
        (b"hello", 400, "The body is neither JSON nor a form with data."),
        (b"\x00\xff\xfe", 400, "The body is neither JSON nor a form with data."),
        (b"verbose=1", 400, "The body is neither JSON nor a form with data."),
        (b"5", 400, "The body is neither JSON nor a form with data."),
        (b'"text"', 400, "The body is neither JSON nor a form with data."),
        (b"data=", 400, "The data is neither a JSON object nor an array."),
        (b"data=NQ==", 400, "The data is neither a JSON object nor an array."),
        (b"data=???", 400, "data is neither JSON nor base64."),
        (b"data=A", 400, "data is neither JSON nor base64."),
        (b"data=%zz", 400, "The form has a % that is no escape."),
        (b"&" * 60 + b"data={}", 400, "The form has more than 50 fields."),
        (b'{"event":', 400, "The data is not JSON."),
        (b"{not json}", 400, "The data is not JSON."),
        (b"{\n" * 100, 400, "The data is not JSON."),
        (b'[{"event":"A"}', 400, "The data is a JSON array that is not closed, or goes on after its end."),
        (b'[{"event":"A"},', 400, "The data is a JSON array that is not closed, or goes on after its end."),
        (b'[{"event":"A]', 400, "The data is a JSON array that is not closed, or goes on after its end."),
        (b"[1] [2]", 400, "The data is a JSON array that is not closed, or goes on after its end."),
        (b"[" * 100_000, 400, "The data is a JSON array that is not closed, or goes on after its end."),
        (b"[" + b"1," * MAX_RECORDS + b"1]", 413, "The request has more than 2,000 records."),
        (b"{}\n" * (MAX_RECORDS + 1), 413, "The request has more than 2,000 records."),
        (b"[" + b"{x}," * MAX_RECORDS + b"1]", 413, "The request has more than 2,000 records."),
        (b"[" + b"[]," * 400_000 + b"1]", 413, "The request has more than 400,000 lists and objects."),
        (b"[" + b"1," * 1_000_001 + b"1]", 413, "The request has more than 1,000,000 values."),
    ],
    ids=short,
)
def test_a_body_in_which_nothing_can_be_told_apart_is_refused(body, status, said):
    assert refusal(body) == (status, said)


def test_two_thousand_records_are_not_too_many():
    assert len(records_of(text([{}] * MAX_RECORDS))) == len(records_of(b"{}\n" * MAX_RECORDS)) == MAX_RECORDS


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{x}", "The record is not JSON."),
        (b'{"a":1}}', "The record is not JSON."),
        (b'{"a":"\\x"}', "The record is not JSON."),
        (b'{"a":"x\x00y"}', "The record is not JSON."),
        (b'{"a":"\xff"}', "The record is not valid UTF-8."),
        (b'{"a":"\\ud83d"}', "A text holds half of a surrogate pair."),
        (b'{"a":"\xed\xa0\x80"}', "The record is not valid UTF-8."),
        (b'{"a":"\\u0000"}', "A text holds a NUL character."),
        (b'{"a":NaN}', "A number is not finite, or too large."),
        (b'{"a":-Infinity}', "A number is not finite, or too large."),
        (b'{"a":1e999}', "A number is not finite, or too large."),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, "A property nests more than 3 deep."),
        (b'{"a":"' + b"x" * 1024 * 1024 + b'"}', "The record is larger than 1 MB."),
    ],
    ids=short,
)
@pytest.mark.parametrize("layout", [b",", b"\n"])
def test_a_wrong_record_does_not_spoil_the_others(bad, said, layout):
    good = text(EVENT)
    body = layout.join([good, bad, good])
    found = decode_request(b"[" + body + b"]" if layout == b"," else body, content_type=LINES)
    first, rejected, last = found.records

    assert first == last == EVENT
    assert rejected.reason == said
    assert rejected.excerpt.encode().startswith(bad[:2])


def test_between_two_commas_is_a_record_that_is_none_and_on_an_empty_line_is_none():
    assert records_of(b"[{},,{}]") == [{}, "The record is not JSON.", {}]
    assert records_of(b"{}\n \r\n\n{}\n", content_type=LINES) == [{}, {}]


def test_an_object_alone_that_is_wrong_is_a_record_when_it_can_be_told_what_is_wrong():
    assert records_of(b'{"a":"\\ud800"}') == ["A text holds half of a surrogate pair."]


def test_of_equal_keys_the_last_wins():
    assert records_of(b'[{"event":"A","event":"B","properties":{"x":1,"x":2}}]') == [
        {"event": "B", "properties": {"x": 2}}
    ]


def test_gzip_is_known_by_its_bytes_and_may_have_members():
    halves = packed(text([EVENT])[:20]) + packed(text([EVENT])[20:])

    assert records_of(halves) == records_of(halves + b"\0" * 9, content_encoding="X-GZIP") == [EVENT]


@pytest.mark.parametrize(
    ("body", "encoding", "status", "said"),
    [
        (packed(text([EVENT]))[:-9], "gzip", 400, "The body is half a gzip stream."),
        (packed(text([EVENT]))[:-1], "", 400, "The body is half a gzip stream."),
        (packed(text([EVENT]))[:5], "gzip", 400, "The body is half a gzip stream."),
        (text([EVENT]), "gzip", 400, "The body is not gzip, or broken."),
        (packed(text([EVENT])) + b"more", "gzip", 400, "The body is not gzip, or broken."),
        (packed(b"") * 101, "gzip", 400, "The body has more than 100 gzip members."),
        (b"", "gzip", 400, "There is no data."),
        (zlib.compress(text([EVENT])), "deflate", 415, "The hub takes gzip, and no other content encoding."),
        (text([EVENT]), "br", 415, "The hub takes gzip, and no other content encoding."),
        (b"[" + b" " * MAX_REQUEST_BYTES, "", 413, "The request is larger than 10 MB."),
        (packed(b"[" + b" " * MAX_REQUEST_BYTES), "gzip", 413, "The request is larger than 10 MB."),
    ],
    ids=short,
)
def test_packing_that_is_wrong_is_refused(body, encoding, status, said):
    assert refusal(body, content_encoding=encoding) == (status, said)


HOSTILE = """
import gzip, resource
from hub.events.request import MAX_REQUEST_BYTES as LIMIT, BadRequest, decode_request

def filled(unit, begin=b"[", end=b"1]"):
    return begin + unit * ((LIMIT - len(begin) - len(end)) // len(unit)) + end

bomb = gzip.compress(b"[" + b"0," * 50_000_000, 6)  # 100 MB
bodies = [
    bomb, gzip.compress(bomb), gzip.compress(b"") * 200_000, b"x" * 100_000_000,
    filled(b"1,"), filled(b'"a",'), filled(b"x,"), filled(b"{x},"), b"[" + b'"a",' * 1_000_000 + b"1]",
    b"[" + b'{"":1},' * 199_999 + b"1]", b"[[" + b'{"":1},' * 390_000 + b"1]]", b"[" * LIMIT,
    filled(b" \\n", b"{", b""), filled(b"\\\\", b'[{"a":"', b'u0000"}]'),
    *(filled(unit, b"data=", b"") for unit in (b"%7b", b"%", b"=", b"&", b"A")),
    b"[" + b'{"event":"x},' * 1990 + b'{"a":"' + b"}" * 8_000_000 + b'"}]',
]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for body in bodies:
    try:
        decode_request(body)
    except BadRequest:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_hostile_body_takes_no_more_memory_than_fifteen_of_the_largest_requests():
    run = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, check=True, timeout=120)

    assert int(run.stdout) * 1024 < 15 * MAX_REQUEST_BYTES


@settings(deadline=None, max_examples=60)
@given(st.binary() | st.text().map(lambda given: quote_plus(given).encode()))
def test_escapes_are_read_as_urllib_reads_them(given):
    try:
        found = _unquoted(given)
    except BadRequest:
        return

    assert found == unquote_to_bytes(given.replace(b"+", b" "))


json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),  # with NaN, NUL and half surrogates
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(st.lists(json_value, max_size=6), st.sampled_from([b",", b" ,\n"]))
def test_elements_are_where_the_writer_put_them(values, comma):
    texts = [json.dumps(value).encode() for value in values]

    assert list(elements(b"[ " + comma.join(texts) + b" ] ")) == texts


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b",", b'"', b"\\", b"a", b" "]), max_size=30).map(b"".join))
def test_any_brackets_are_cut_into_elements_or_said_not_to_be_closed(text):
    try:
        found = list(elements(b"[" + text))
    except NotClosed:
        return

    assert all(element in text for element in found)


def test_records_are_parsed_by_orjson_whatever_goes_wrong_beside_them():
    exact = {"a": 2**63, "b": 0.1, "c": "é😀", "d": -(2**63)}

    assert records_of(b"[" + orjson.dumps(exact) + b",x]") == [exact, "The record is not JSON."]
