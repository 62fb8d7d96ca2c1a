"""The value of a property of one event or profile, by type: what `hub.cohorts.properties` is in expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from hub.cohorts.properties import EVENT_COLUMNS, TIME

MAPS = ("strings", "numbers", "booleans", "times", "lists", "nested")
"""The columns of the lake that properties are in."""

_DOTTED_I = "\u0130"


@dataclass(frozen=True, slots=True)
class Value:
    """A value: what it is as each of the types, None as those that it is not. `instant` may stand beside `text`.

    `elements` are those of a list, `keys` those of an object; both hold values as JSON has them.
    """

    text: str | None = None
    number: float | None = None
    boolean: bool | None = None
    instant: datetime | None = None
    elements: tuple[Any, ...] | None = None
    keys: Mapping[str, Any] | None = None
    is_set: bool = False

    def at(self, name: str) -> Value:
        """The value of a key, if this is an object."""
        return inner_value(self.keys[name]) if self.keys is not None and name in self.keys else NOTHING

    @property
    def plain(self) -> Any:
        """The value as JSON has it; None if it is not set."""
        if self.number is not None:
            return int(self.number) if self.number.is_integer() and abs(self.number) <= 2**53 else self.number
        if self.elements is not None:
            return [*self.elements]
        for value in (self.text, self.boolean, self.keys, self.instant):
            if value is not None:
                return value
        return None


NOTHING = Value()


def of_number(number: float | None) -> Value:
    """A number that was computed; None is no value."""
    return NOTHING if number is None else Value(number=float(number), is_set=True)


def of_instant(instant: datetime | None) -> Value:
    """An instant that was computed; None is no value."""
    return NOTHING if instant is None else Value(instant=instant, is_set=True)


def inner_value(value: Any) -> Value:
    """An element of a list, or the value of a key of an object. Dates in there are texts."""
    match value:
        case None:
            return NOTHING
        case bool():
            return Value(boolean=value, is_set=True)
        case str():
            return Value(text=value, is_set=True)
        case int() | float():
            return Value(number=float(value), is_set=True)
        case list():
            return Value(elements=tuple(value), is_set=True)
    return Value(keys=value, is_set=True)


class Properties:
    """The typed maps of one row of the lake, as Arrow gives them: lists of pairs, and JSON for objects."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self._maps = {kind: dict(row[kind] or ()) for kind in MAPS if kind != "nested"}
        self._objects = orjson.loads(row["nested"]) if row["nested"] else {}

    def __bool__(self) -> bool:
        return any(self._maps.values()) or bool(self._objects)

    def value(self, name: str) -> Value:
        """The value of a property."""
        maps = self._maps
        text, number, boolean = maps["strings"].get(name), maps["numbers"].get(name), maps["booleans"].get(name)
        elements, keys = maps["lists"].get(name), self._objects.get(name)
        return Value(
            text=text,
            number=number,
            boolean=boolean,
            instant=maps["times"].get(name),
            elements=None if elements is None else tuple(orjson.loads(each) for each in elements),
            keys=keys if isinstance(keys, dict) else None,
            is_set=not (text is None and number is None and boolean is None and elements is None and keys is None),
        )


def event_value(properties: Properties, row: Mapping[str, Any], name: str) -> Value:
    """The value of a property of an event; some are columns of its `row`."""
    if name == TIME:
        known = properties.value(name)
        return Value(known.text, known.number, known.boolean, row["time"], known.elements, known.keys, is_set=True)
    if name in EVENT_COLUMNS:
        text = row[EVENT_COLUMNS[name]]
        return Value(text=text, is_set=text is not None)
    return properties.value(name)


def lowered(text: str) -> str:
    """`text` in small letters, letter by letter as the engine does it: no letter looks at its neighbours."""
    if text.isascii():
        return text.lower()
    return "".join("i" if each == _DOTTED_I else each.lower() for each in text)
