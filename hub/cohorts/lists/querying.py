"""A query on a warehouse as a document, read and tried: for cohorts of SQL that are changed, or kept as code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from hub.cohorts.documents import parse
from hub.cohorts.lists.sources import Sql, key_property
from hub.cohorts.model import Model, Words, shown
from hub.cohorts.reading import validated
from hub.errors import DefinitionError

if TYPE_CHECKING:
    from hub.workspace import Workspace

_HINT = "Nothing was saved. `hub cohort show NAME` of such a cohort prints what a file can be."


class _Query(Model):
    version: Literal[1] = 1
    description: Words = ""
    sql: Sql


def read_query(text: str, source: str) -> tuple[Sql, str]:
    """The query and the description in YAML or JSON, as `hub cohort show` prints them. Raises DefinitionError."""
    document = parse(text, source)
    if not isinstance(document.value, Mapping):
        raise DefinitionError(f"{source}: must be a group of keys, not {shown(document.value)}.", hint=_HINT)
    found = validated(_Query, document, source, hint=_HINT)
    return found.sql, found.description


def tried(workspace: Workspace, source: Sql) -> tuple[Sql, tuple[str, ...]]:
    """The query as it is kept, after asking the warehouse once, and warnings about its rows.

    Raises UsageError (SQL that is no query), NotFound (the warehouse), WarehouseError.
    """
    from hub.cohorts.lists.resolving import ask
    from hub.cohorts.warehouses.kinds import kind_of
    from hub.cohorts.warehouses.service import Warehouses
    from hub.cohorts.warehouses.sql import checked_sql

    dialect = kind_of(Warehouses(workspace).get(source.warehouse).url).dialect
    query = checked_sql(source.query, dialect)
    sound = source.model_copy(update={"query": query, "key": key_property(source.key)})
    with workspace.reading() as reader:
        found = ask(workspace, reader, sound)
    return sound, found.warnings(sound)
