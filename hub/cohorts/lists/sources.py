"""Where the members of a cohort come from that has no definition: its kind, as data.

The key property says what a member is known by: `distinct_id`, or a profile property such as `$email`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from hub.cohorts.definition import VERSION
from hub.cohorts.model import Model, Name, Words
from hub.errors import DefinitionError, UsageError
from hub.events.lines import MAX_TEXT

DYNAMIC, STATIC, SQL, RECEIVED = "dynamic", "static", "sql", "received"

DISTINCT_ID, EMAIL = "distinct_id", "$email"
_SPELT = {"email": EMAIL, "$distinct_id": DISTINCT_ID, "phone": "$phone"}
"""What people call a property that has another name."""


class Static(Model):
    """A list that stays as it is. With `frozen` it holds people as another cohort had them, else what a file says."""

    key: Name
    origin: Words
    frozen: bool = False


class Sql(Model):
    """What a query on a warehouse says now: `column` has the key, `properties` are property name -> column.

    Without `properties`, every other column is a property of its own name.
    """

    warehouse: Name
    query: Words
    key: Name
    column: Name
    properties: dict[Name, Name] | None = None


class Received(Model):
    """A list that others keep: they push members to the hub."""

    key: Name


Source = Static | Sql | Received

_MODELS: Mapping[str, type[Source]] = {STATIC: Static, SQL: Sql, RECEIVED: Received}


def kind_of_source(source: Source) -> str:
    """The kind of a cohort whose members come from there."""
    return next(kind for kind, model in _MODELS.items() if isinstance(source, model))


def document(source: Source, description: str = "") -> dict[str, Any]:
    """A source as JSON has it: what is stored with the cohort, in the place of a definition."""
    header: dict[str, Any] = {"version": VERSION, **({"description": description} if description else {})}
    return {**header, kind_of_source(source): source.model_dump(mode="json", exclude_defaults=True)}


def stored_source(kind: str, value: Mapping[str, Any], *, name: str) -> Source:
    """The source of a cohort that is kept in the control plane. Raises DefinitionError when a newer hub wrote it."""
    try:
        return _MODELS[kind].model_validate(value[kind])
    except (KeyError, ValidationError) as error:
        raise DefinitionError(
            f"The cohort {name!r} is of the kind {kind!r}, which this hub cannot read.",
            hint="A newer hub wrote it: use that version.",
        ) from error


def where_from(source: Source) -> str:
    """Where the members come from, for people."""
    match source:
        case Static():
            return source.origin
        case Sql():
            return f"SQL on the warehouse {source.warehouse}"
        case Received():
            return "pushed to the hub"


def key_property(spelt: str) -> str:
    """The property that a key is, as people spell it: `email` is `$email`. Raises UsageError for no name."""
    name = _SPELT.get(spelt, spelt)
    if not name or len(name) > MAX_TEXT or "\0" in name:
        raise UsageError(f"{spelt[:60]!r} cannot be a key.", hint="It is distinct_id, email, or a profile property.")
    return name


def columns_called(key: str) -> tuple[str, ...]:
    """What a column is called that obviously holds the key."""
    return tuple(dict.fromkeys((key, *(spelt for spelt, name in _SPELT.items() if name == key))))
