"""The members that a query on a warehouse finds: its key column, and its property columns in the hub's types."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from hub.cohorts.lists.rows import Member, Tally, normalised_key
from hub.errors import WarehouseError
from hub.events.lines import Rejected

if TYPE_CHECKING:
    import ibis

    from hub.cohorts.lists.sources import Sql
    from hub.cohorts.warehouses.kinds import Opened


@dataclass(frozen=True)
class _Columns:
    """Property name -> column of the result; `json` are those whose values are JSON text, `maps` lists of pairs."""

    properties: Mapping[str, str]
    json: frozenset[str]
    maps: frozenset[str]

    def value(self, name: str, found: Any) -> Any:
        """What was found of a property, as JSON has it."""
        if found is None:
            return None
        if name in self.json:
            return orjson.loads(found)
        return _plain(dict(found) if name in self.maps else found)


def asked_members(warehouse: Opened, source: Sql, tally: Tally) -> Iterator[Member]:
    """Ask a warehouse, and read the members row by row; a row whose key cannot be one is counted and passed over.

    Raises WarehouseError, also for a column that is missing or of a type that no property has; what the warehouse
    itself says is for `opened` to tell.
    """
    expression, columns = _expression(warehouse.query(source.query), source)
    row = 0
    for batch in warehouse.batches(expression):
        keys = batch.column("key").to_pylist()
        values = {name: batch.column(column).to_pylist() for name, column in columns.properties.items()}
        for place, key in enumerate(keys):
            row += 1
            try:
                found = normalised_key(key, source.key)
                own = {name: columns.value(name, each[place]) for name, each in values.items()}
                yield found, {name: value for name, value in own.items() if value is not None}
            except Rejected as why:
                tally.refuse(row, why)


def _expression(asked: ibis.Table, source: Sql) -> tuple[ibis.Table, _Columns]:
    wanted = _properties(asked, source)
    key = asked[source.column]
    if not (key.type().is_string() or key.type().is_integer() or key.type().is_uuid()):
        raise _wrong_type(source.column, key.type(), "a key is text or a whole number")
    places = {name: f"property {place}" for place, name in enumerate(wanted)}
    values = {places[name]: _readable(asked[column], column) for name, column in wanted.items()}
    json = frozenset(name for name, column in wanted.items() if asked[column].type().is_json())
    maps = frozenset(name for name, column in wanted.items() if asked[column].type().is_map())
    return asked.select(key=key.cast("string"), **values), _Columns(places, json, maps)


def _properties(asked: ibis.Table, source: Sql) -> dict[str, str]:
    """Property name -> column. Raises WarehouseError when one is not there."""
    for column in (source.column, *(source.properties or {}).values()):
        if column not in asked.columns:
            near = difflib.get_close_matches(column, asked.columns, n=1)
            there = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(asked.columns[:30])}."
            raise WarehouseError(f"The query on {source.warehouse} has no column {column}.", hint=there)
    if source.properties is not None:
        return dict(source.properties)
    return {column: column for column in asked.columns if column != source.column}


def _readable(column: ibis.Value, name: str) -> ibis.Value:
    """A column in a type that every driver hands over in the same way."""
    kind = column.type()
    if kind.is_numeric() and not kind.is_boolean():
        return column.cast("float64")
    if kind.is_uuid() or kind.is_json() or kind.is_date() or kind.is_time():
        return column.cast("string")
    if kind.is_string() or kind.is_boolean() or kind.is_timestamp() or kind.is_nested():
        return column
    raise _wrong_type(name, kind, "a property is text, number, yes or no, time, list or object")


def _wrong_type(column: str, kind: Any, expected: str) -> WarehouseError:
    return WarehouseError(
        f"The column {column} of the query is of the type {kind}, and {expected}.",
        hint=f"Cast it in the query, such as CAST({column} AS VARCHAR) AS {column}.",
    )


def _plain(value: Any) -> Any:  # noqa: PLR0911
    """A value as JSON has it; None for what is no value."""
    match value:
        case str():
            if "\0" in value:
                raise Rejected("A text holds a NUL character.")
            return value
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return _plain(float(value))
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        case date() | time():
            return value.isoformat()
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case _:
            return str(value)
