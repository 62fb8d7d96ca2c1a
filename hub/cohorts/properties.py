"""Where the value of a property is found, by type. A type that a row does not have is null.

A property of an event or a profile is in the typed map of its type; what is within lists and objects is JSON text.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import reduce
from operator import or_
from typing import Any

import ibis

from hub.lake.functions import json_elements, json_exists, json_part, json_pointer, json_text, json_type, map_value

EVENT_COLUMNS = {
    "distinct_id": "distinct_id",
    "$device_id": "device_id",
    "$user_id": "user_id",
    "$insert_id": "insert_id",
    "$event_name": "event",
}
"""Properties of events that the lake keeps as columns of texts; TIME is one of instants.

By `$event_name` a clause about any event asks for several: `did any event where $event_name in ("A", "B")`.
"""

TIME = "time"

_NUMBERS = ("BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT", "DOUBLE")
_ROOT = ""
_EACH = "$[*]"


def sure(condition: ibis.Value) -> ibis.Value:
    """A condition that is false where it was null."""
    return ibis.coalesce(condition, ibis.literal(False))


class Found(ABC):
    """A value of any type: columns, of which at most one is not null in a row (`instant` stands beside `text`)."""

    @property
    @abstractmethod
    def text(self) -> Any:
        """The value, if it is a text."""

    @property
    @abstractmethod
    def number(self) -> Any:
        """The value, if it is a number."""

    @property
    @abstractmethod
    def boolean(self) -> Any:
        """The value, if it is yes or no."""

    @property
    @abstractmethod
    def instant(self) -> Any:
        """The value, if it is a date or a date-time."""

    @property
    @abstractmethod
    def elements(self) -> Any:
        """The JSON texts of the elements, if it is a list."""

    @property
    @abstractmethod
    def document(self) -> Any:
        """The JSON text of the value, if it is an object (or, within lists and objects, of any type)."""

    @property
    @abstractmethod
    def is_set(self) -> Any:
        """Whether there is a value: true, or else false or null."""


class Property(Found):
    """A property of the rows of a table with typed maps."""

    def __init__(self, rows: ibis.Table, name: str) -> None:
        self._rows = rows
        self._name = name

    @property
    def text(self) -> Any:
        return map_value(self._rows.strings, self._name)

    @property
    def number(self) -> Any:
        return map_value(self._rows.numbers, self._name)

    @property
    def boolean(self) -> Any:
        return map_value(self._rows.booleans, self._name)

    @property
    def instant(self) -> Any:
        return map_value(self._rows.times, self._name)

    @property
    def elements(self) -> Any:
        return map_value(self._rows.lists, self._name)

    @property
    def document(self) -> Any:
        return json_part(self._rows.nested, json_pointer(self._name))

    @property
    def is_set(self) -> Any:
        # no map has a null for a value, and nothing else is as quick as looking for one
        maps = [
            map_value(self._rows[kind], self._name).notnull() for kind in ("strings", "numbers", "booleans", "lists")
        ]
        return reduce(or_, [*maps, json_exists(self._rows.nested, json_pointer(self._name))])


class EventProperty(Property):
    """A property of events; some of them are columns."""

    @property
    def text(self) -> Any:
        column = EVENT_COLUMNS.get(self._name)
        return self._rows[column] if column else super().text

    @property
    def instant(self) -> Any:
        return self._rows.time if self._name == TIME else super().instant

    @property
    def is_set(self) -> Any:
        column = EVENT_COLUMNS.get(self._name, TIME if self._name == TIME else None)
        return self._rows[column].notnull() if column else super().is_set


class JsonValue(Found):
    """A JSON text: an element of a list, or a value within an object."""

    def __init__(self, document: Any) -> None:
        self._document = document

    def at(self, name: str) -> JsonValue:
        """The value of a key, if this is an object."""
        return JsonValue(json_part(self._document, json_pointer(name)))

    @property
    def text(self) -> Any:
        return self._of("VARCHAR")

    @property
    def number(self) -> Any:
        return self._of(*_NUMBERS).try_cast("float64")

    @property
    def boolean(self) -> Any:
        return self._of("BOOLEAN") == "true"

    @property
    def instant(self) -> Any:
        return ibis.null("timestamp('UTC')")

    @property
    def elements(self) -> Any:
        return json_elements(self._document, _EACH)

    @property
    def document(self) -> Any:
        return self._document

    @property
    def is_set(self) -> Any:
        return json_type(self._document, _ROOT) != "NULL"

    def _of(self, *kinds: str) -> Any:
        value = json_text(self._document, _ROOT)
        return json_type(self._document, _ROOT).isin(kinds).ifelse(value, ibis.null("string"))


class Computed(Found):
    """A number or an instant that was computed; of any other type there is nothing."""

    def __init__(self, *, number: Any = None, instant: Any = None) -> None:
        self._number = ibis.null("float64") if number is None else number
        self._instant = ibis.null("timestamp('UTC')") if instant is None else instant

    @property
    def text(self) -> Any:
        return ibis.null("string")

    @property
    def number(self) -> Any:
        return self._number

    @property
    def boolean(self) -> Any:
        return ibis.null("boolean")

    @property
    def instant(self) -> Any:
        return self._instant

    @property
    def elements(self) -> Any:
        return ibis.null("array<string>")

    @property
    def document(self) -> Any:
        return ibis.null("string")

    @property
    def is_set(self) -> Any:
        return self._number.notnull() | self._instant.notnull()
