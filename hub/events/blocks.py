"""The records of a file in blocks, whatever its form: what decoding is given."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import msgspec

from hub.errors import InputError
from hub.events.array import ArraySplitter, BrokenArray
from hub.events.batch import Tally
from hub.events.lines import MAX_BYTES, worded
from hub.events.rows import RowReader, lines_of
from hub.events.source import BOM, Form, Source
from hub.events.table import Row, Table, pack
from hub.events.unpacking import CORRECTED, Readable, read, unpacked

_PIECE = 1024 * 1024
Record = TypeVar("Record")


@dataclass(frozen=True)
class Block:
    """Whole records of a file: lines, elements of an array, or rows.

    `first` is the number of the first one, from 1; `read` is how far the file was read, in bytes. `data` has a record a
    line, or packed rows. `places` are the numbers of the lines that the records begin on; None when each record is the
    line of its number.
    """

    first: int
    lines: int
    data: bytes
    read: int
    places: array[int] | None = None

    @property
    def last(self) -> int:
        """The number of the last record."""
        return self.first + self.lines - 1


def blocks(source: Source, size: int) -> Iterator[Block]:
    """The file's records, decompressed, in blocks of about `size` bytes: the same records each time.

    Of a record larger than an event may be, only the beginning is kept in memory: enough to see that it is too large.
    Raises InputError when the file ends early or is broken; what came before was given out.
    """
    stream = unpacked(source.file, source.packing)
    if source.form is Form.LINES:
        return _lines(source, stream, size)
    if source.table is None:
        return _gathered(source, _elements(source, stream), size, b"\n".join)
    return _gathered(source, _rows(source, stream, source.table), size, pack)


def beginning(source: Source, size: int) -> bytes:
    """The data of the first block, of about `size` bytes. Raises InputError as `blocks` does."""
    first = next(blocks(source, size), None)
    return first.data if first else b""


def header(source: Source, delimiter: str) -> list[str]:
    """The first row of a file that is a table. Raises InputError when there is none."""
    reader = RowReader(lines_of(_pieces(source, unpacked(source.file, source.packing))), delimiter)
    _, _, row = next(reader.rows(), (0, 0, ""))
    if not isinstance(row, list):
        raise InputError(
            f"{source.name} has no header in its first line.", hint="CSV in UTF-8 with a header is expected."
        )
    if any("\0" in cell for cell in row):
        raise InputError(f"{source.name} is not text in UTF-8.", hint="CSV in UTF-8 with a header is expected.")
    return [cell.strip() for cell in row]


def located(tally: Tally, block: Block, form: Form) -> Tally:
    """A tally of a block with the lines that its rejected records begin on, and its reasons in words of the form."""
    if block.places is None:
        return tally
    places, first = block.places, block.first
    rejects = [
        replace(
            reject,
            line=places[reject.line - first],
            reason=worded(reject.reason, form),
            element=reject.line if form is Form.ARRAY else None,
        )
        for reject in tally.rejects
    ]
    reasons = {worded(reason, form): count for reason, count in tally.reasons.items()}
    return msgspec.structs.replace(tally, reasons=reasons, rejects=rejects)


def _lines(source: Source, stream: Readable, size: int) -> Iterator[Block]:
    line, rest = 1, b""
    while piece := read(stream, size, source.name, line):
        if line == 1 and not rest:
            piece = piece.removeprefix(BOM)
        data = rest + piece
        cut = data.rfind(b"\n") + 1
        if not cut:
            rest = data[: MAX_BYTES + 1]
            continue
        block = Block(line, data.count(b"\n", 0, cut), data[:cut], source.file.tell())
        rest = data[cut:]
        line += block.lines
        yield block
    if rest:
        yield Block(line, 1, rest, source.size)


def _pieces(source: Source, stream: Readable) -> Iterator[bytes]:
    """The file's bytes, without a byte order mark."""
    if piece := read(stream, _PIECE, source.name).removeprefix(BOM):
        yield piece
        while piece := read(stream, _PIECE, source.name):
            yield piece


def _elements(source: Source, stream: Readable) -> Iterator[tuple[int, int, bytes]]:
    """The elements of an array, each with its line and its size, fit to be a line of its own.

    A line end within one becomes a carriage return: to JSON that is space where the other is, and wrong where the
    other is.
    """
    splitter = ArraySplitter()
    try:
        for piece in _pieces(source, stream):
            for line, element in splitter.feed(piece):
                yield line, len(element), element.replace(b"\n", b"\r")
        for line, element in splitter.finish():
            yield line, len(element), element.replace(b"\n", b"\r")
    except BrokenArray as error:
        raise InputError(f"{source.name} {error.problem}.", hint=CORRECTED) from error


def _rows(source: Source, stream: Readable, table: Table) -> Iterator[tuple[int, int, Row]]:
    """The rows below the header."""
    reader = RowReader(lines_of(_pieces(source, stream)), table.delimiter)
    next(reader.rows(), None)
    return reader.rows(table.width)


def _gathered(
    source: Source, records: Iterator[tuple[int, int, Record]], size: int, joined: Callable[[list[Record]], bytes]
) -> Iterator[Block]:
    """Records with their lines and sizes, in blocks of about `size` bytes."""
    first, held = 1, 0
    places, kept = array("q"), list[Record]()
    broken: InputError | None = None
    try:
        for line, weight, record in records:
            places.append(line)
            kept.append(record)
            held += weight
            if held >= size:
                yield Block(first, len(kept), joined(kept), source.file.tell(), places)
                first, held = first + len(kept), 0
                places, kept = array("q"), []
    except InputError as error:
        broken = error  # what came before it is given out first
    if kept:
        yield Block(first, len(kept), joined(kept), source.size if broken is None else source.file.tell(), places)
    if broken:
        raise broken
