"""A row of a table as an event: which column is what, and how its cells are read. Pure: any process can do it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

import msgspec

from hub.events.lines import Rejected

Row = list[str] | str | bytes
"""The cells of a row; or the beginning of its text, as str when its quotes are not right, as bytes when it is no
UTF-8."""
PropertyType = Literal["text", "number", "boolean", "time"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LATEST_SECONDS = 4_102_444_800  # 2100-01-01
_DIGITS = frozenset("0123456789+-.eE")
_YES, _NO = ("true", "yes", "t", "y", "1"), ("false", "no", "f", "n", "0")


class Cell(msgspec.Struct, frozen=True):
    """A column that is read: its place from 0, its heading, and the property that it becomes."""

    index: int
    heading: str
    name: str = ""
    type: PropertyType = "text"


class Table(msgspec.Struct, frozen=True):
    """Which column is what. `width` is the number of cells of a row; `zone` the IANA name for times without one.

    Either `event_name` is the name of all events, or `event` the column that has it.
    """

    delimiter: str
    width: int
    zone: str
    time_format: str
    id: Cell
    time: Cell
    event_name: str = ""
    event: Cell | None = None
    insert_id: Cell | None = None
    properties: tuple[Cell, ...] = ()


def pack(rows: Sequence[Row]) -> bytes:
    """Rows as bytes, for another process."""
    return msgspec.msgpack.encode(rows)


def unpack(data: bytes) -> list[Row]:
    """The rows that `pack` was given."""
    return cast("list[Row]", msgspec.msgpack.decode(data))


def text_of(row: Row, table: Table) -> bytes:
    """A row as it may have stood in the file, to be shown."""
    if isinstance(row, bytes):
        return row
    return (row if isinstance(row, str) else table.delimiter.join(row)).encode(errors="replace")


def record_of(row: Row, table: Table) -> dict[str, Any]:
    """The record that `hub.events.record.event_of` validates. Raises Rejected with the reason."""
    if isinstance(row, bytes):
        raise Rejected("The row is not valid UTF-8.")
    if isinstance(row, str):
        raise Rejected(
            "The row cannot be read: a quote is not closed or not doubled, or a cell is larger than 128 KiB."
        )
    if len(row) != table.width:
        raise Rejected(
            f"The row has {'fewer' if len(row) < table.width else 'more'} cells than the header's {table.width}."
        )
    if any("\0" in cell for cell in row):
        raise Rejected("A text holds a NUL character.")
    properties: dict[str, Any] = {}
    for cell in table.properties:
        if text := row[cell.index]:
            properties[cell.name] = text if cell.type == "text" else typed(text, cell, table)
    if row[table.id.index] or not properties.keys() & {"$user_id", "$device_id"}:
        properties["distinct_id"] = _filled(row, table.id)
    properties["time"] = _instant(_filled(row, table.time), table.time, table) / 1_000_000
    if table.insert_id and (text := row[table.insert_id.index]):
        properties["$insert_id"] = text
    name = _filled(row, table.event) if table.event else table.event_name
    return {"event": name, "properties": properties}


def _filled(row: list[str], cell: Cell) -> str:
    if not row[cell.index].strip():
        raise Rejected(f"Column {cell.heading} is empty.")
    return row[cell.index]


def typed(text: str, cell: Cell, table: Table) -> str | float | bool | None:
    """The value of a cell in its type; None for blanks. Raises Rejected, naming the column."""
    if not text.strip():
        return None
    if cell.type == "number":
        return _number(text, cell)
    if cell.type == "boolean":
        return _boolean(text, cell)
    instant = _EPOCH + _instant(text, cell, table) * _MICROSECOND
    return instant.isoformat().replace("+00:00", "Z")


def _boolean(text: str, cell: Cell) -> bool:
    word = text.strip().lower()
    if word not in _YES + _NO:
        raise Rejected(f"Column {cell.heading} is not true or false.")
    return word in _YES


def _number(text: str, cell: Cell) -> float:
    bare = text.strip()
    try:
        number = float(bare) if _DIGITS.issuperset(bare) else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Rejected(f"Column {cell.heading} is not a number.")
    return number


def _instant(text: str, cell: Cell, table: Table) -> int:
    """The instant that a cell tells, in microseconds since 1970 UTC."""
    found = _reader(table.time_format, table.zone)(text.strip())
    if found is None:
        raise Rejected(f"Column {cell.heading} is not a time in the format {table.time_format}.")
    if found >= _LATEST_SECONDS * 1_000_000:
        raise Rejected(f"Column {cell.heading} is a time after 2099.")
    return found


@lru_cache(maxsize=8)
def _reader(time_format: str, zone: str) -> Callable[[str], int | None]:
    """What reads a time in this format: to microseconds since 1970 UTC, or None when it is none."""
    if time_format in ("epoch", "epoch-ms"):
        scale = 1_000_000 if time_format == "epoch" else 1000
        return lambda text: _since_1970(text, scale)
    local = ZoneInfo(zone)
    if time_format == "iso":
        return lambda text: _moment(datetime.fromisoformat, text, local)
    return lambda text: _moment(lambda given: datetime.strptime(given, time_format), text, local)  # noqa: DTZ007


def _since_1970(text: str, scale: int) -> int | None:
    try:
        number = float(text) if _DIGITS.issuperset(text) else math.nan
    except ValueError:
        return None
    return round(number * scale) if math.isfinite(number) else None


def _moment(parse: Callable[[str], datetime], text: str, local: ZoneInfo) -> int | None:
    try:
        found = parse(text)
        return ((found if found.tzinfo else found.replace(tzinfo=local)) - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None
