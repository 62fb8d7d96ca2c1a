"""Files of members: a plain list, one key a line, or CSV with a header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hub.cohorts.lists.rows import Member, Tally, normalised_key
from hub.cohorts.lists.sources import columns_called
from hub.errors import InputError
from hub.events.lines import MAX_BYTES, Rejected
from hub.events.mapping import Headings, delimiter_of, is_called_a_table
from hub.events.mapping import Mapping as Columns
from hub.events.rows import Found, RowReader, lines_of
from hub.events.source import BOM, Source, stopped
from hub.events.table import Cell, Row, Table, typed
from hub.events.unpacking import read, unpacked

if TYPE_CHECKING:
    from hub.events.report import Stop

_PIECE = 1024 * 1024


@dataclass(frozen=True)
class Layout:
    """Which column of a file is what: `column` has the key; `properties` are COLUMN[=NAME][:number|boolean|text|time],
    and without any, all other columns become texts. A file without a header has neither."""

    column: str = ""
    properties: tuple[str, ...] = ()
    delimiter: str = ""


def members_in(source: Source, key: str, layout: Layout, tally: Tally, stop: Stop | None = None) -> Iterator[Member]:
    """The members of a file, one by one; a line that is wrong is counted and passed over.

    CSV is a file that is called so (.csv, .tsv), or one whose `layout` names a column. CSV with one column has a header
    only if its first line is the name of the key. Raises InputError when columns are not there, or the file is broken.
    """
    if layout.column or layout.properties or is_called_a_table(source.name):
        return _of_table(source, key, layout, tally, stop)
    return _of_lines(source, key, tally, stop)


def _of_lines(source: Source, key: str, tally: Tally, stop: Stop | None) -> Iterator[Member]:
    for number, line in enumerate(lines_of(_pieces(source, stop)), 1):
        try:
            if len(line) > MAX_BYTES:
                raise Rejected("The line is larger than 1 MB.")
            text = _text(line).strip()
            if text and not (number == 1 and text in columns_called(key)):
                yield normalised_key(text, key), {}
        except Rejected as why:
            tally.refuse(number, why)


def _of_table(source: Source, key: str, layout: Layout, tally: Tally, stop: Stop | None) -> Iterator[Member]:
    delimiter = delimiter_of(Columns(delimiter=layout.delimiter), source.name)
    reader = RowReader(lines_of(_pieces(source, stop)), delimiter)
    first = next(reader.rows(), None)
    if first is None:
        return
    header = first[2]
    if not isinstance(header, list):
        raise InputError(f"{source.name}: line 1, the header, cannot be read.", hint="Save the file as CSV in UTF-8.")
    if len(header) == 1 and not layout.column and header[0].strip() not in columns_called(key):
        table = _table(Headings(source.name, [key]), [key], key, Layout(key), delimiter)  # a list in a CSV file
        yield from _members(iter([first]), table, key, tally)
    else:
        names = [name.strip() for name in header]
        table = _table(Headings(source.name, names), names, key, layout, delimiter)
    yield from _members(reader.rows(table.width), table, key, tally)


def _table(headings: Headings, names: Sequence[str], key: str, layout: Layout, delimiter: str) -> Table:
    cell = headings.cell(layout.column or _key_column(names, key), "--column")
    others = [Cell(index, name, name) for index, name in enumerate(names) if name and index != cell.index]
    properties = [headings.property(spelt) for spelt in layout.properties] or others
    twice = [name for name, count in Counter(each.name for each in properties).items() if count > 1]
    if twice:
        raise InputError(f"Two columns would become the property {twice[0]}.", hint="Rename one of them.")
    return Table(delimiter, len(names), "UTC", "iso", id=cell, time=cell, properties=tuple(properties))


def _key_column(names: Sequence[str], key: str) -> str:
    for called in columns_called(key):
        if called in names:
            return called
    raise InputError(
        f"No column is called {' or '.join(columns_called(key))}.",
        hint=f"Say which one has the key, with --column: there are {', '.join(names[:30])}.",
    )


def _members(rows: Iterator[Found], table: Table, key: str, tally: Tally) -> Iterator[Member]:
    for line, _, row in rows:
        try:
            yield _member(row, table, key)
        except Rejected as why:
            tally.refuse(line, why)


def _member(row: Row, table: Table, key: str) -> Member:
    if isinstance(row, bytes):
        raise Rejected("The row is not valid UTF-8.")
    if isinstance(row, str):
        raise Rejected("The row cannot be read: a quote is not closed or not doubled.")
    if len(row) != table.width:
        raise Rejected(f"The row has {'fewer' if len(row) < table.width else 'more'} cells than the header.")
    properties: dict[str, Any] = {}
    for cell in table.properties:
        if text := row[cell.index]:
            if "\0" in text:
                raise Rejected("A text holds a NUL character.")
            properties[cell.name] = text if cell.type == "text" else typed(text, cell, table)
    return normalised_key(row[table.id.index], key), properties


def _pieces(source: Source, stop: Stop | None) -> Iterator[bytes]:
    stream, first = unpacked(source.file, source.packing), True
    while piece := read(stream, _PIECE, source.name):
        stopped(stop, f"nothing of {source.name} was taken in")
        yield piece.removeprefix(BOM) if first else piece
        first = False


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise Rejected("The line is not valid UTF-8.") from error
