"""The typed maps of the lake, from properties and back.

A property lives in the map of the type that it was sent with (`hub.lake.tables.PROPERTY_MAPS`): text in `strings`, and
in `times` as well when it is an ISO 8601 date or date-time; numbers in `numbers`; yes and no in `booleans`; lists in
`lists`, each element as JSON text; objects in `nested`, one JSON object for all. `null` means "not set" and is nowhere.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from hub.lake.tables import PROPERTY_MAPS, TIME

Properties = Mapping[str, Any]
"""Property names and values as JSON has them: str, bool, int, float, list, dict or None."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EXACT = 2**53  # whole numbers beyond it are not exact in a double
_ISO = re.compile(
    r"\d{4}-[01]\d-[0-3]\d(?:T[0-2]\d:[0-5]\d(?::[0-5]\d(?:[.,]\d{1,9})?)?(?:Z|[+-][0-2]\d:?[0-5]\d)?)?", re.ASCII
)


def property_columns(rows: Iterable[Properties], *, longest: int = 0) -> list[pa.Array]:
    """The columns of PROPERTY_MAPS, in its order, one row for each of `rows`, which is gone through once.

    Names and texts are cut at `longest` characters (0: never; within lists and objects they are left as they are).
    They must be encodable as UTF-8, and numbers must fit a double. Whole numbers beyond 2^53 lose their last digits,
    as they do in JavaScript.
    """
    strings, numbers, booleans = _Map([]), _Map(array("d")), _Map([])
    times, lists, elements = _Map(array("q")), _Map(array("i", [0])), list[str]()
    nested: dict[int, str] = {}
    size = 0
    # the loop below runs once for every property of every event: local names, no calls that can be spared
    string_key, string_value, string_end = strings.keys.append, strings.values.append, strings.ends.append
    number_key, number_value, number_end = numbers.keys.append, numbers.values.append, numbers.ends.append
    string_keys, number_keys = strings.keys, numbers.keys
    for properties in rows:
        objects: dict[str, Any] | None = None
        for key, value in properties.items():
            kind = type(value)
            if kind is str:
                string_key(key)
                string_value(value)
                if value[4:8:3] == "--":
                    times.put(size, key, microseconds_of(value))
            elif kind is int or kind is float:
                number_key(key)
                number_value(value)
            elif kind is bool:
                booleans.put(size, key, value)
            elif kind is list:
                elements.extend(_text(element) for element in value)
                lists.put(size, key, len(elements))
            elif value is not None:
                objects = {**(objects or {}), key: value}
        string_end(len(string_keys))
        number_end(len(number_keys))
        if objects is not None:
            nested[size] = _text(objects)
        size += 1
    values = (
        _cut(pa.array(strings.values, pa.string()), longest),
        _array(numbers.values, pa.float64()),
        pa.array(booleans.values, pa.bool_()),
        _array(times.values, TIME),
        pa.ListArray.from_arrays(_array(lists.values, pa.int32()), pa.array(elements, pa.string())),
    )
    columns = zip((strings, numbers, booleans, times, lists), values, PROPERTY_MAPS, strict=False)
    return [
        *(column.built(size, items, kind, longest) for column, items, (_, kind) in columns),
        pa.array(map(nested.get, range(size)) if nested else [None] * size, pa.string()),
    ]


def properties_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of one row of the lake: the inverse of `property_columns`, without what was null.

    `row` has the typed maps as Arrow gives them (lists of pairs) or as dicts. Whole numbers come back as int.
    """
    found: dict[str, Any] = dict(row["strings"] or ())
    found.update((name, _number(value)) for name, value in dict(row["numbers"] or ()).items())
    found.update(dict(row["booleans"] or ()))
    lists = dict(row["lists"] or ())
    found.update((name, [orjson.loads(element) for element in elements]) for name, elements in lists.items())
    found.update(orjson.loads(row["nested"] or "{}"))
    return found


def properties_in(rows: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The properties of each row of a batch that has the typed maps: as `properties_of`, but column by column, which is
    several times as fast."""
    strings, numbers, booleans, lists = (_pairs(rows[name]) for name in ("strings", "numbers", "booleans", "lists"))
    for texts, amounts, flags, elements, nested in zip(
        strings, numbers, booleans, lists, rows["nested"].to_pylist(), strict=True
    ):
        found: dict[str, Any] = dict(texts)
        found.update((name, _number(value)) for name, value in amounts)
        found.update(flags)
        found.update((name, [orjson.loads(element) for element in each]) for name, each in elements)
        if nested:
            found.update(orjson.loads(nested))
        yield found


def _pairs(column: pa.MapArray) -> Iterator[Iterator[tuple[str, Any]]]:
    """The keys and values of each row of a map."""
    keys, values, ends = column.keys.to_pylist(), column.items.to_pylist(), column.offsets.to_pylist()
    for first, end in pairwise(ends):
        yield zip(keys[first:end], values[first:end], strict=True)


@lru_cache(maxsize=65_536)
def microseconds_of(text: str) -> int | None:
    """The instant of an ISO 8601 date or date-time, in microseconds since 1970 UTC; None when it is something else.

    Extended format only (`2026-10-03`, `2026-10-03T12:00:00.5+02:00`); without a zone it is UTC, a date is its
    midnight.
    """
    if not _ISO.fullmatch(text):
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:  # the 31st of February
        return None
    return ((instant if instant.tzinfo else instant.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


class _Map:
    """One typed map in the making: the keys and values of all rows one after the other, and where each row ends.

    What most rows have is given with its `ends`; what few have is `put` with the number of its row.
    """

    def __init__(self, values: Any) -> None:
        self.keys: list[str] = []
        self.values = values
        self.ends = array("i")
        self._rows = array("i")

    def put(self, row: int, key: str, value: Any) -> None:
        if value is not None:
            self._rows.append(row)
            self.keys.append(key)
            self.values.append(value)

    def built(self, size: int, values: pa.Array, kind: pa.DataType, longest: int) -> pa.Array:
        keys = _cut(pa.array(self.keys, pa.string()), longest)
        ends = self.ends if len(self.ends) == size else np.bincount(self._rows, minlength=size).cumsum()
        offsets = np.zeros(size + 1, np.int32)
        offsets[1:] = ends
        return pa.MapArray.from_arrays(pa.array(offsets), keys, values, kind)


def _cut(texts: pa.Array, longest: int) -> pa.Array:
    if not longest or (pc.max(pc.binary_length(texts)).as_py() or 0) <= longest:
        return texts
    return pc.utf8_slice_codeunits(texts, 0, longest)


def _array(values: array[Any], kind: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value
