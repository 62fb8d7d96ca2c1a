"""Functions of the engine that Ibis has no name for, in one place: another engine needs its own of each.

They are called by their schema, because sqlglot rewrites some of these names, and what it makes of
them binds differently.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import ibis

_SCHEMA = "main"


@ibis.udf.scalar.builtin(name="epoch_us", database=_SCHEMA, signature=(("timestamp('UTC')",), "int64"))
def microseconds(instant):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Microseconds since 1970 of an instant. On Spark: unix_micros."""


@ibis.udf.scalar.builtin(name="epoch_us", database=_SCHEMA, signature=(("timestamp",), "int64"))
def clock_microseconds(clock):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Microseconds from 1970 to what a clock shows that knows no zone."""


@ibis.udf.scalar.builtin(name="make_timestamp", database=_SCHEMA, signature=(("int64",), "timestamp"))
def clock_at(micros):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """What `clock_microseconds` is the microseconds of."""


def map_value(column: Any, key: str) -> Any:
    """The value of a key of a typed map; null without it. On Spark: try_element_at.

    Ibis's own look-up takes twice the time.
    """
    return _map_value(str(column.type()))(column, key)


@cache
def _map_value(kind: str) -> Any:
    def value(found, key):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        """The value of a key."""

    signature = ((kind, "string"), str(ibis.dtype(kind).value_type))
    return ibis.udf.scalar.builtin(value, name="map_extract_value", database=_SCHEMA, signature=signature)


@ibis.udf.scalar.builtin(name="json_exists", database=_SCHEMA, signature=(("string", "string"), "boolean"))
def json_exists(document, path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Whether a JSON text has something at a path, null included."""


@ibis.udf.scalar.builtin(name="json_type", database=_SCHEMA, signature=(("string", "string"), "string"))
def json_type(document, path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """What a JSON text has at a path: VARCHAR, BIGINT, UBIGINT, DOUBLE, BOOLEAN, ARRAY, OBJECT, NULL; else null."""


@ibis.udf.scalar.builtin(name="json_extract_string", database=_SCHEMA, signature=(("string", "string"), "string"))
def json_text(document, path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """What a JSON text has at a path, as text: without quotes if it is one, else as JSON."""


@ibis.udf.scalar.builtin(name="json_extract", database=_SCHEMA, signature=(("string", "string"), "string"))
def json_part(document, path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """What a JSON text has at a path, as JSON text."""


@ibis.udf.scalar.builtin(name="json_extract", database=_SCHEMA, signature=(("string", "string"), "array<string>"))
def json_elements(document, path):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The JSON texts of the elements of a list, with the path `$[*]`; none of what is no list."""


def json_pointer(name: str) -> str:
    """Where the key of an object is (RFC 6901). A JSON path would take the key `*` for all of them."""
    return "/" + name.replace("~", "~0").replace("/", "~1")
