"""One line of a file as a JSON value, or the reason why it is none. Pure: no files, no state."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

MAX_BYTES = 1024 * 1024
"""Of one event or one profile update (reference: an event has less than 1 MB, an update at most 1 MB)."""
MAX_TEXT = 255
"""Characters of one text in an event, of one id and of one property's name."""
MAX_ITEMS = 254
"""Properties of an event, keys of an object and items of a list: fewer than 255."""
MAX_DEPTH = 3
"""Objects within objects; lists within lists likewise."""

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

_NO_UUID = "00000000-0000-0000-0000-000000000000"
_NOBODY = ("anon", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", "<nil>")
BANNED_IDS = frozenset((_NO_UUID, *_NOBODY, "0", "-1", "true", "false", "[]", "{}"))
"""Values that stand for nobody, in any case of letters (Mixpanel's import reference)."""
_LONGEST_WORD = 9
_EXCERPT = 200


class Rejected(ValueError):
    """A record that does not go in.

    `reason` is a sentence without the record's own values, so that it can be counted. `field` is what is wrong with it,
    such as `properties.time`; "" when that is the record itself. `excerpt` is the beginning of its text, of one that
    could not be parsed.
    """

    def __init__(self, reason: str, field: str = "", excerpt: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.excerpt = excerpt


class Ignored(Rejected):
    """An event that asks not to be taken in (`$ignore`)."""


def decode(line: bytes) -> Any:
    """The JSON value of one line.

    Raises Rejected when it is not strict JSON in UTF-8 (NaN, Infinity and lone surrogates are not), when it nests
    beyond reason, holds a NUL character, or is larger than MAX_BYTES.
    """
    if len(line) > MAX_BYTES:
        raise Rejected("The line is larger than 1 MB.")
    if holds_nul(line):
        raise Rejected("A text holds a NUL character.")
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise Rejected(_why_not_json(line)) from error


def holds_nul(text: bytes) -> bool:
    """Whether JSON text holds a NUL character, which it can only hold escaped."""
    return b"\\u0000" in text and _NUL.search(text) is not None


def excerpt(text: bytes) -> str:
    """The beginning of a record's text, fit to be shown and stored."""
    return text[:_EXCERPT].decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def worded(reason: str, noun: str) -> str:
    """A reason in words for what is no line: an element, a row, a record."""
    return f"The {noun}{reason.removeprefix('The line')}" if reason.startswith("The line") else reason


def identifier(value: Any, name: str, field: str = "") -> str | None:
    """An id as text: a number becomes its digits, null is None.

    Raises Rejected, for `field` or else `name`, when it is something else, longer than MAX_TEXT or one of BANNED_IDS.
    """
    if type(value) is not str:
        if value is None:
            return None
        value = _digits(value, name, field or name)
    if len(value) > MAX_TEXT:
        raise Rejected(f"{name} is longer than {MAX_TEXT} characters.", field or name)
    if is_banned(value):
        raise Rejected(f"{name} is a value that stands for nobody.", field or name)
    return value  # type: ignore[no-any-return]  # it was found to be a str


def is_banned(text: str) -> bool:
    """Whether an id is one of BANNED_IDS."""
    return (len(text) <= _LONGEST_WORD and text.lower() in BANNED_IDS) or text == _NO_UUID


def check_container(value: dict[str, Any] | list[Any], *, field: str = "", most: int = MAX_ITEMS) -> None:
    """Make sure that a list or an object, and all within it, has at most `most` items and keeps within MAX_DEPTH.

    Raises Rejected, for `field`.
    """
    _check(value, field, most, 0, 0)


def _check(value: dict[str, Any] | list[Any], field: str, most: int, objects: int, lists: int) -> None:
    if type(value) is dict:
        objects, items = objects + 1, value.values()
    else:
        lists, items = lists + 1, value  # type: ignore[assignment]  # either is gone through
    if len(items) > most:
        raise Rejected(f"A list or an object within the properties has more than {most} items.", field)
    if objects > MAX_DEPTH or lists > MAX_DEPTH:
        raise Rejected(f"A property nests more than {MAX_DEPTH} deep.", field)
    for item in items:
        kind = type(item)
        if kind is dict or kind is list:
            _check(item, field, most, objects, lists)


def _digits(value: Any, name: str, field: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Rejected(f"{name} is neither text nor a number.", field)
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _why_not_json(line: bytes) -> str:
    """Find words for what orjson refused: the standard library's parser is laxer, and slower."""
    try:
        text = line.decode()
        json.loads(text)
    except UnicodeDecodeError:
        return "The line is not valid UTF-8."
    except RecursionError:
        return f"A property nests more than {MAX_DEPTH} deep."
    except ValueError:
        return "The line is not JSON."
    if _SURROGATE.search(text):
        return "A text holds half of a surrogate pair."
    return "A number is not finite, or too large."
