"""The elements of a JSON array that does not parse as a whole, told apart by brackets and quotes alone.

For one request, in memory, from anybody: the time is linear in the text whatever is in it. `hub.events.array` is for
files: it takes them in pieces, and finds its way again within an array whose brackets and quotes are wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_STRING = rb'"(?:[^"\\]++|\\.)*+"'
_UP_TO_END = re.compile(rb'(?:[^"\[\]{,]++|' + _STRING + rb")*+", re.DOTALL)
_UP_TO_BRACKET = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*+", re.DOTALL)
_SPACE = b" \t\r\n"
_OPEN, _CLOSE, _QUOTE, _COMMA, _END = b"[{", b"]}", b'"'[0], b","[0], b"]"[0]


class NotClosed(ValueError):
    """The array ends within an element, or goes on after its end."""


def elements(text: bytes) -> Iterator[bytes]:
    """The text of each element, which is JSON only if the element is right. `text` begins with `[`.

    Raises NotClosed when the text ends before the array does, or goes on after it; what came before was given out.
    """
    at = 1
    while True:
        end = _end(text, at)
        element = text[at:end].strip(_SPACE)
        if text[end] == _COMMA:
            yield element
        else:
            if element:
                yield element
            break
        at = end + 1
    if text[end + 1 :].strip(_SPACE):
        raise NotClosed


def _end(text: bytes, at: int) -> int:
    """Where the comma or the bracket is that ends the element which begins at `at`."""
    depth = 0
    while True:
        found = (_UP_TO_BRACKET if depth else _UP_TO_END).match(text, at)
        at = found.end() if found else at  # both match nothing, too
        if at == len(text) or text[at] == _QUOTE:
            raise NotClosed
        if text[at] in _OPEN:
            depth += 1
        elif depth:
            depth -= 1
        else:
            return at
        at += 1
