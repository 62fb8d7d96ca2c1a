"""Profile properties on their way to partners, as typed text: one column for values of every type.

`s:text`, `n:3.0`, `b:true` and `l:["a",1]`: the letter is the type, the rest JSON, except that text stands as it is.
People read objects as well, as `o:{"a":1}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ibis

    from hub.connectors.contract import Value


EMPTIED = "x:"
"""The typed text of no value: what the field of somebody was emptied by, or is to be."""


def decode(text: str) -> Value | None:
    """The value that a typed text stands for; None for EMPTIED. Raises ValueError for any other text."""
    if text == EMPTIED:
        return None
    kind, colon, rest = text[:1], text[1:2], text[2:]
    if colon == ":" and kind == "s":
        return rest
    if colon == ":" and kind == "n":
        return float(rest)
    if colon == ":" and kind in "bl":
        value: Any = json.loads(rest)
        if isinstance(value, bool if kind == "b" else list):
            return value
    raise ValueError(f"{text!r} is no typed text")


def decode_full(text: str) -> Any:
    """As `decode`, of objects too; a whole number comes back as an int."""
    if text.startswith("o:"):
        return json.loads(text[2:])
    value = decode(text)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53 else value


def by_target(texts: Mapping[str, ibis.Value]) -> ibis.Value:
    """The texts of several targets as one column: a struct, which an engine keeps as a column for each.

    Without targets it is null, because no file holds a struct of nothing.
    """
    import ibis

    if not texts:
        return ibis.null("string")
    return ibis.struct(dict(zip(field_names(texts), texts.values(), strict=True)))


def field_names(targets: Iterable[str]) -> list[str]:
    """The fields of `by_target`: engines take names that differ in their case alone for one, so each has a number."""
    return [f"{place} {target}" for place, target in enumerate(targets)]


def target_of(field: str) -> str:
    """The target that a field of `by_target` is of."""
    return field.partition(" ")[2]


def text_for(values: ibis.Value, target: str) -> ibis.Value:
    """The text of a target in a column of `by_target`, or in the map that the hub's books have; null without one."""
    import ibis

    kind: Any = values.type()
    if kind.is_map():
        from hub.lake.functions import map_value

        found: ibis.Value = map_value(values, target)
        return found
    fields = kind.names if kind.is_struct() else ()
    return next((values[field] for field in fields if target_of(field) == target), ibis.null("string"))


def full_text(profiles: ibis.Table, name: str) -> ibis.Value:
    """As `typed_text`, of objects too."""
    import ibis

    from hub.cohorts.properties import Property

    document = Property(profiles, name).document
    return ibis.coalesce(typed_text(profiles, name), ibis.literal("o:").concat(document))


def typed_text(profiles: ibis.Table, name: str) -> ibis.Value:
    """The typed text of a profile property; null where it is not set, or is an object, which partners do not take.

    The property `distinct_id` is the person's own id.
    """
    import ibis

    if name == "distinct_id":
        return ibis.literal("s:").concat(profiles.person)
    from hub.lake.functions import map_value

    boolean = map_value(profiles.booleans, name)
    elements = map_value(profiles.lists, name)
    return ibis.coalesce(
        ibis.literal("s:").concat(map_value(profiles.strings, name)),
        ibis.literal("n:").concat(map_value(profiles.numbers, name).cast("string")),
        ibis.cases((boolean, "b:true"), (~boolean, "b:false")),
        ibis.literal("l:[").concat(elements.join(","), "]"),
    )
