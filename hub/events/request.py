"""The records of one request to `/track`, `/import` or `/engage`, in every form that clients send them.

- mixpanel-python 5: the form `data=<JSON>&verbose=1&ip=0`, one object, or from BufferedConsumer an array; to `/import`
  in the same form.
- mixpanel-js 2.83: the form `data=<base64 JSON>`, or `data=<JSON>` with `api_payload_format: "json"`; an array from its
  batches, else an object; flags in the query. By sendBeacon the same body, which the browser calls `text/plain`. A GET
  with `data=` in the query where there is no XHR, then with `callback=`, or with `img=1`. Never packed.
- mixpanel-android: the form `data=<base64 array>`, if so set gzipped as a whole. mixpanel-ruby: that form with
  `verbose=1`. mixpanel-swift: a JSON array, to `/track` gzipped if so set, with `ip=` in the query; once as Android.
- mixpanel-go: JSON arrays, to `/track` without a content type, to `/import` gzipped if so set; identity events as the
  form `data=<JSON>`. mixpanel-node before 0.6: a GET with `data=<base64>` in the query, also to `/import`.
- mixpanel-utils 2.2: a JSON array to `/import?strict=1`; the form `data=<base64 array>` to `/engage?verbose=1`.
- The references, for who writes a client: a JSON array, or JSON lines (`application/x-ndjson`); either gzipped.

What a body is, it says itself: `[` begins an array, `{` an object or JSON lines, anything else is a form. Content types
are not to be relied on: curl calls any body a form, a beacon calls a form text. Only JSON lines are believed by name.

Time and memory are bounded whatever is sent: a body has at most MAX_REQUEST_BYTES, packed and unpacked, and at most
MAX_CONTAINERS lists and objects and MAX_VALUES values (`{},` are three bytes of text and 72 of memory, `"a",` 58).
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
import orjson

from hub.errors import InputError
from hub.events.elements import NotClosed, elements
from hub.events.lines import MAX_BYTES, Rejected, decode, excerpt, holds_nul, worded

MAX_REQUEST_BYTES = 10 * 1024 * 1024
"""Of a body, as it came and unpacked (reference 7; contradiction C10: 10 MB in the text, 2 MiB in an example)."""
MAX_RECORDS = 2000
"""Events or updates in one request (reference 7)."""
MAX_CONTAINERS, MAX_VALUES = 400_000, 1_000_000
"""Lists and objects, and values in all, in one request: ours, to bound memory. A client that is told 413 halves its
batch."""

Form = Literal["form", "json", "ndjson", "query"]

_FIELDS = 50  # of a form; clients send about five
_MEMBERS = 100  # of a gzip stream; clients send one
_LINE = re.compile(rb"[ \t\r\n]*+([^\n]+)")
_HALF_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_URL_SAFE = bytes.maketrans(b"-_ ", b"+/+")  # a space was a plus that nobody escaped
_NO_JSON = "The line is not JSON."
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_PIECE = 256 * 1024
_ELEMENTS = msgspec.json.Decoder(list[msgspec.Raw])


class BadRequest(InputError):
    """A request of which nothing can be taken in. `status` is HTTP's: 400, 413 (too large), 415 (an encoding that the
    hub does not know)."""

    def __init__(self, message: str, status: int = 400, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class Flags(msgspec.Struct, frozen=True):
    """What a request asks for beside its records, from the query or, of a form, from its fields; the query wins.

    `verbose`: answer in JSON. `ip`: the client's address may stand for a missing distinct_id; None when it was not
    said. `img`: answer with an image. `strict`: report each record (`/import`). `callback` is the client's own text:
    check it before it goes into an answer.
    """

    verbose: bool = False
    ip: bool | None = None
    img: bool = False
    strict: bool = False
    callback: str = ""


class Decoded(msgspec.Struct, frozen=True):
    """The records of a request, in order; a record that could not be parsed is a Rejected in its place."""

    records: list[Any]
    form: Form
    flags: Flags


def decode_request(
    body: bytes, *, content_type: str = "", content_encoding: str = "", query: Mapping[str, str] | None = None
) -> Decoded:
    """Find the records of a request. `query` has the decoded parameters of its URL.

    One wrong record never spoils the others. Raises BadRequest when there is nothing that can be told apart: no JSON
    at all, an array that is not closed, half a gzip stream, too much of anything.
    """
    query = query or {}
    if len(body) > MAX_REQUEST_BYTES:
        raise _too_large()
    text = _unpacked(body, content_encoding).removeprefix(_BOM).strip()
    lines = "ndjson" in content_type.lower() or "jsonl" in content_type.lower()
    if text[:1] in (b"[", b"{") or (lines and text):
        records, form = _parsed(text, lines=lines)
        return Decoded(records, form, flags_of(query))
    fields = _fields(text) if b"=" in text else {}
    if "data" in fields:
        records = _parsed(_data(fields.pop("data")))[0]
        others = {name: field.decode(errors="replace") for name, field in fields.items()}
        return Decoded(records, "form", flags_of({**others, **query}))
    if text:
        raise BadRequest("The body is neither JSON nor a form with data.")
    if not query.get("data"):
        raise BadRequest("There is no data.", hint="Send events as JSON in the body, or in the form field data.")
    return Decoded(_parsed(_data(query["data"].encode(errors="replace")))[0], "query", flags_of(query))


def flags_of(parameters: Mapping[str, str]) -> Flags:
    """The flags among the parameters of a request: `1` and `true` are yes, anything else is no."""
    ip = parameters.get("ip")
    yes = {name for name, value in parameters.items() if len(value) < 5 and value.lower() in ("1", "true")}
    return Flags(
        verbose="verbose" in yes,
        ip=None if ip is None else "ip" in yes,
        img="img" in yes,
        strict="strict" in yes,
        callback=parameters.get("callback", ""),
    )


def _unpacked(body: bytes, encoding: str) -> bytes:
    """The body, without gzip. What begins as gzip does is gzip, also when nothing says so."""
    named = encoding.strip().lower()
    if named not in ("", "identity", "gzip", "x-gzip"):
        raise BadRequest("The hub takes gzip, and no other content encoding.", 415)
    if not named.endswith("gzip") and not body.startswith(_GZIP):
        return body
    return b"".join(_members(body))


def _members(body: bytes) -> Iterator[bytes]:
    """The pieces of a gzip stream, which may have several members, one after the other."""
    held = 0
    rest = body
    for _ in range(_MEMBERS):
        if not rest:
            return
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                piece = member.decompress(rest, _PIECE)
            except zlib.error as error:
                raise BadRequest("The body is not gzip, or broken.") from error
            rest = member.unconsumed_tail
            if not piece and not rest and not member.eof:
                raise BadRequest("The body is half a gzip stream.")
            held += len(piece)
            if held > MAX_REQUEST_BYTES:
                raise _too_large()
            yield piece
        rest = member.unused_data.lstrip(b"\0")
    raise BadRequest(f"The body has more than {_MEMBERS} gzip members.")


def _fields(text: bytes) -> dict[str, bytes]:
    """The fields of a form, decoded; the first of each name."""
    if text.count(b"&") > _FIELDS:
        raise BadRequest(f"The form has more than {_FIELDS} fields.")
    fields: dict[str, bytes] = {}
    for field in text.split(b"&"):
        name, _, value = field.partition(b"=")
        fields.setdefault(_unquoted(name[:100]).decode(errors="replace"), _unquoted(value))
    return fields


def _unquoted(text: bytes) -> bytes:
    """A value without its percent escapes."""
    if _HALF_ESCAPE.search(text):
        raise BadRequest("The form has a % that is no escape.", hint="Encode its values as URLs are.")
    # quoted-printable is the same with another sign, and decoded in C: a fifth of the time and memory of urllib
    return binascii.a2b_qp(text.replace(b"+", b" ").replace(b"=", b"=3D").replace(b"%", b"="))


def _data(field: bytes) -> bytes:
    """The JSON text of the field `data`, which is JSON, base64 of JSON, or URL-safe base64 of JSON."""
    text = field.removeprefix(_BOM).strip()
    if text[:1] in (b"[", b"{"):
        return text
    bare = text.translate(_URL_SAFE, b"\r\n\t").rstrip(b"=")
    try:
        return base64.b64decode(bare + b"=" * (-len(bare) % 4), validate=True).removeprefix(_BOM).strip()
    except ValueError as error:
        raise BadRequest("data is neither JSON nor base64.") from error


def _parsed(text: bytes, *, lines: bool = False) -> tuple[list[Any], Form]:
    """The records of a JSON text."""
    if len(text) > MAX_BYTES:
        _check_amount(text)
    if lines and (text[:1] != b"[" or not text.endswith(b"]")):
        return list(_lines(text)), "ndjson"
    if text[:1] == b"[":
        return _array(text), "json"
    if text[:1] == b"{":
        return _object(text)
    raise BadRequest("The data is neither a JSON object nor an array.")


def _check_amount(text: bytes) -> None:
    """Refuse what would be a multiple of its size in memory; brackets and commas within texts count, too."""
    if text.count(b"{") + text.count(b"[") > MAX_CONTAINERS:
        raise BadRequest(f"The request has more than {MAX_CONTAINERS:,} lists and objects.", 413)
    if text.count(b",") > MAX_VALUES:
        raise BadRequest(f"The request has more than {MAX_VALUES:,} values.", 413)


def _array(text: bytes) -> list[Any]:
    try:
        records: list[Any] = [] if holds_nul(text) else orjson.loads(text)
    except orjson.JSONDecodeError:
        records = []
    if len(records) > MAX_RECORDS:
        raise _too_many()
    if records and (len(text) <= MAX_BYTES or _are_small(text)):
        return records
    return list(_counted(_one_by_one(text)))


def _are_small(text: bytes) -> bool:
    """Whether no element of an array is larger than a record may be, as far as can be told in a moment."""
    try:
        return all(len(memoryview(element)) <= MAX_BYTES for element in _ELEMENTS.decode(text))
    except (msgspec.DecodeError, RecursionError):  # it takes less depth than orjson
        return False


def _one_by_one(text: bytes) -> Iterator[Any]:
    """The elements of an array of which some are wrong."""
    try:
        for element in elements(text):
            yield _record(element)
    except NotClosed as error:
        raise BadRequest("The data is a JSON array that is not closed, or goes on after its end.") from error


def _object(text: bytes) -> tuple[list[Any], Form]:
    """One object; or JSON lines that nobody announced."""
    whole = _record(text)
    if not isinstance(whole, Rejected):
        return [whole], "json"
    lines = list(_lines(text)) if b"\n" in text else []
    if any(type(line) is dict for line in lines):
        return lines, "ndjson"
    if whole.reason == worded(_NO_JSON, "record"):
        raise BadRequest("The data is not JSON.")
    return [whole], "json"


def _lines(text: bytes) -> Iterator[Any]:
    return _counted(_record(line[1].rstrip()) for line in _LINE.finditer(text))


def _counted(records: Iterator[Any]) -> Iterator[Any]:
    for count, record in enumerate(records):
        if count == MAX_RECORDS:
            raise _too_many()
        yield record


def _record(text: bytes) -> Any:
    try:
        return decode(text)
    except Rejected as error:
        return Rejected(worded(error.reason, "record"), excerpt=excerpt(text))


def _too_large() -> BadRequest:
    return BadRequest(f"The request is larger than {MAX_REQUEST_BYTES // 1024 // 1024} MB.", 413)


def _too_many() -> BadRequest:
    return BadRequest(f"The request has more than {MAX_RECORDS:,} records.", 413)
