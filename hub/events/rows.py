"""The rows of a CSV file, read by the standard library's reader, each with the number of the line it begins on."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator

from hub.events.lines import MAX_BYTES
from hub.events.table import Row

Found = tuple[int, int, Row]
"""The number of the line that a row begins on, from 1, its size in bytes, and the row."""

_EXCERPT = 200


class RowReader:
    """The rows of some lines of bytes, which keep their line ends. `line` is the number of the next line, from 1.

    Blank lines are no rows. When a quote that is not closed swallows lines that are rows of their own, only the line
    with the quote is wrong, and the others are given out.
    """

    def __init__(self, lines: Iterable[bytes], delimiter: str) -> None:
        self.line = 1
        self._lines, self._again = iter(lines), deque[bytes]()
        self._taken: list[bytes] = []
        self._spoilt = False
        self._delimiter = delimiter
        self._reader = csv.reader(self, delimiter=delimiter, strict=True)

    def __iter__(self) -> RowReader:
        return self

    def __next__(self) -> str:
        """The next line, for the reader."""
        line = self._again.popleft() if self._again else next(self._lines)
        self._taken.append(line)
        try:
            return line.decode()
        except UnicodeDecodeError:
            self._spoilt = True
            return line.decode(errors="replace")

    def rows(self, width: int = 0) -> Iterator[Found]:
        """The rows from here on. `width` is the number of cells that a row should have (0: any)."""
        while True:
            self._taken, self._spoilt = [], False
            try:
                row: Row = next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                row = ""
            if not isinstance(row, list) or (width and len(row) != width):
                row = self._wrong(row, width)
            if self._spoilt:
                row = b"".join(self._taken)[:_EXCERPT]
            begins = self.line
            self.line += len(self._taken)
            if row != [] and not (isinstance(row, list) and len(row) == 1 and width > 1 and not row[0].strip()):
                yield begins, sum(map(len, self._taken)), row

    def _wrong(self, row: Row, width: int) -> Row:
        """A row that is not as it should be: perhaps only its first line is."""
        if len(self._taken) > 1 and (row == "" or any(self._is_row(line, width) for line in self._taken[1:])):
            self._again.extendleft(reversed(self._taken[1:]))
            del self._taken[1:]
            self._spoilt = not _is_text(self._taken[0])
            row = ""
        return self._taken[0][:_EXCERPT].decode(errors="replace") if row == "" else row

    def _is_row(self, line: bytes, width: int) -> bool:
        try:
            return [len(row) for row in csv.reader([line.decode()], delimiter=self._delimiter, strict=True)] == [width]
        except (csv.Error, UnicodeDecodeError):
            return False


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of some pieces of bytes, with their ends. Of a line that is far too long only the beginning is kept."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"
        rest = rest[: MAX_BYTES + 1]
    if rest:
        yield rest


def _is_text(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
