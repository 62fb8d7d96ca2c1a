"""A JSON array, cut into its elements as its bytes come in: never more than a piece and an element are in memory.

Where an element ends is found by letting a parser in C try the text up to what looks like the beginning of the next
one: JSON is self-delimiting, so text that is a whole value followed by a comma *is* the element. Only what that cannot
settle (elements that are no objects, wrong JSON) is gone through bracket by bracket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

import msgspec

from hub.events.lines import MAX_BYTES

Element = tuple[int, bytes]
"""The number of the line that an element begins on, from 1, and its text: JSON if it is right, anything if not."""

_SPACE = re.compile(rb"[ \t\r\n]*")
_NEXT_OBJECT = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*(?=\{)")
_NEXT_RECORD = re.compile(rb'\}[ \t\r\n]*,?[ \t\r\n]*(?=\{[ \t\r\n]*"(?:event|properties|\$\w+)"[ \t\r\n]*:)')
_NEAR = 64 * 1024
_MARK = re.compile(rb'["\[\]{},]')
_QUOTED = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_CLOSE_ARRAY, _OPEN_OBJECT, _COMMA, _QUOTE = b']{,"'
_AFTER_VALUE = re.compile(rb"[ \t\r\n,:\[\]{}\"]")
_MALFORMED = re.compile(r"JSON is malformed: (?P<what>.*) \(byte (?P<byte>\d+)\)")
_RAW = msgspec.json.Decoder(msgspec.Raw)
_NOTHING = b","  # stands for an element of no text, so that it is refused like other wrong JSON


class _State(Enum):
    """What the text of an element is: followed by something; cut off, as far as one can see; wrong JSON; too deep."""

    WHOLE = auto()
    UNFINISHED = auto()
    WRONG = auto()
    UNKNOWN = auto()


class BrokenArray(ValueError):
    """The array as a whole is not right: `problem` goes on from the file's name, and names the line."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class ArraySplitter:
    """Cuts one array. Feed it the bytes in pieces of any size, then call `finish`.

    Of an element that is larger than MAX_BYTES only the beginning is given out: enough to see that it is too large.
    Of wrong JSON, an element ends where the brackets say, or where the next record seems to begin.
    """

    def __init__(self) -> None:
        self.line = 1
        """The line that was come to."""
        self._data, self._at = b"", 0
        self._opened = self._closed = False
        self._brackets = _Brackets()
        self._large: Element | None = None

    def feed(self, piece: bytes) -> Iterator[Element]:
        """Take in the next bytes; give out the elements that are whole now. Raises BrokenArray for what follows the
        array's end."""
        self._data, self._at = self._data[self._at :] + piece, 0
        return self._elements(final=False)

    def finish(self) -> Iterator[Element]:
        """Give out what is left. Raises BrokenArray when the array was not closed."""
        yield from self._elements(final=True)
        if not self._closed:
            raise BrokenArray(f"ends early, on line {self.line:,}: its JSON array is not closed")

    def _elements(self, *, final: bool) -> Iterator[Element]:
        self._open()
        while self._opened and not self._closed:
            found = self._rest_of_large() if self._large else self._next(final=final)
            if found is None:
                break
            yield found
        self._skip_space()
        if self._closed and self._at < len(self._data):
            raise BrokenArray(f"goes on after the end of its JSON array, on line {self.line:,}")

    def _open(self) -> None:
        if not self._opened:
            self._skip_space()
            if self._data[self._at : self._at + 1] == b"[":
                self._opened = True
                self._advance(self._at + 1)

    def _next(self, *, final: bool) -> Element | None:
        """The next element; None when the data at hand ends before it, or the array does."""
        self._skip_space()
        begin, line = self._at, self.line
        if begin == len(self._data):
            return None
        if self._data[begin] == _CLOSE_ARRAY:
            self._closed = True
            self._advance(begin + 1)
            return None
        end, after = self._end(begin, final=final) or (0, 0)
        if not after:
            return None
        self._advance(after)
        return line, self._data[begin:end].rstrip(b" \t\r\n") or _NOTHING

    def _end(self, begin: int, *, final: bool) -> tuple[int, int] | None:
        """Where the element ends, and where what follows begins."""
        data = self._data
        if data[begin] == _OPEN_OBJECT:
            next_one = _NEXT_OBJECT.search(data, begin, begin + _NEAR)
            if next_one and _is_value(data[begin : next_one.start() + 1]):
                return next_one.start() + 1, next_one.end()
        state, end = _probed(memoryview(data)[begin : begin + MAX_BYTES + 1])
        if state is _State.WHOLE and data[begin + end] in b",]":
            return self._up_to(begin + end)
        if state is not _State.UNFINISHED:
            found = self._end_by_brackets(begin, wrong=state is not _State.UNKNOWN)
            if found:
                return found
        if len(data) - begin > MAX_BYTES and not final:
            self._large = self.line, data[begin : begin + MAX_BYTES + 1]
            self._brackets = _Brackets()
            self._advance(self._brackets.go_on(data, begin, len(data))[1])
        return None

    def _end_by_brackets(self, begin: int, *, wrong: bool) -> tuple[int, int] | None:
        """Where an element ends by its brackets; of a wrong one, no later than where the next record seems to begin."""
        next_one = _NEXT_RECORD.search(self._data, begin, begin + MAX_BYTES) if wrong else None
        found, end = _Brackets().go_on(self._data, begin, next_one.start() + 1 if next_one else len(self._data))
        if found:
            return self._up_to(end)
        return (next_one.start() + 1, next_one.end()) if next_one else None

    def _up_to(self, mark: int) -> tuple[int, int]:
        return mark, mark + (self._data[mark] == _COMMA)

    def _rest_of_large(self) -> Element | None:
        found, reached = self._brackets.go_on(self._data, self._at, len(self._data))
        self._advance(reached)
        if not found:
            return None
        self._advance(reached + (self._data[reached] == _COMMA))
        element, self._large = self._large, None
        return element

    def _skip_space(self) -> None:
        if not self._large:
            self._advance(_SPACE.match(self._data, self._at).end())  # type: ignore[union-attr]  # it matches nothing, too

    def _advance(self, to: int) -> None:
        self.line += self._data.count(b"\n", self._at, to)
        self._at = to


class _Brackets:
    """How deep within brackets the text is, wherever its pieces were cut."""

    def __init__(self) -> None:
        self._depth, self._quoted = 0, False

    def go_on(self, data: bytes, at: int, to: int) -> tuple[bool, int]:
        """Go through the text from `at` to the comma or bracket that ends the element: whether it was found, and where;
        or where to go on when more has come in, `to` at the latest."""
        while True:
            if self._quoted:
                at = _QUOTED.match(data, at, to).end()  # type: ignore[union-attr]  # it matches nothing, too
                if at >= to or data[at] != _QUOTE:
                    return False, at
                self._quoted, at = False, at + 1
            mark = _MARK.search(data, at, to)
            if mark is None:
                return False, to
            if self._ends(mark[0]):
                return True, mark.start()
            at = mark.end()

    def _ends(self, mark: bytes) -> bool:
        if mark == b'"':
            self._quoted = True
        elif mark in b"[{":
            self._depth += 1
        elif self._depth == 0:
            return mark != b"}"
        elif mark != b",":
            self._depth -= 1
        return False


def _is_value(text: bytes) -> bool:
    """Whether a text is one JSON value and nothing else."""
    try:
        _RAW.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _probed(text: memoryview) -> tuple[_State, int]:
    """What the parser says of text that begins with an element; of a whole one, where the first byte after it is."""
    try:
        _RAW.decode(text)
    except msgspec.DecodeError as error:
        said = _MALFORMED.fullmatch(str(error))
        if said is None:
            return (_State.UNFINISHED if str(error) == "Input data was truncated" else _State.UNKNOWN), 0
        at = int(said["byte"]) - 1
        if said["what"] == "trailing characters":
            return _State.WHOLE, at
        # a number that ends with the piece looks wrong
        return (_State.WRONG if _AFTER_VALUE.search(text, at) else _State.UNFINISHED), 0
    except RecursionError:
        return _State.UNKNOWN, 0
    return _State.UNFINISHED, 0
