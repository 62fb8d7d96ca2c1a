"""What people and partners want to know of a member, as columns of a table of profiles."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import ibis

from hub.people.views import DEVICE, MATCH

if TYPE_CHECKING:
    from hub.workspace import Project


def user_id(person: ibis.Value, project: Project) -> ibis.Value:
    """The id of somebody who logged in, under simplified identity; else null."""
    if project.identity != "simplified":
        return ibis.null("string")
    return (person.startswith(DEVICE) | person.startswith(MATCH)).ifelse(ibis.null("string"), person)


def has_property(profiles: ibis.Table) -> ibis.Value:
    """Whether a profile has any property."""
    maps = [profiles[kind].length() > 0 for kind in ("strings", "numbers", "booleans", "lists")]
    return reduce(or_, (ibis.coalesce(found, False) for found in [*maps, profiles.nested.notnull()]))


def mapped(texts: Mapping[str, ibis.Value]) -> ibis.Value:
    """A map of target name -> typed text, without the targets whose text is null."""
    if not texts:
        return mapped_nothing()
    names = [text.notnull().ifelse(target, None) for target, text in texts.items()]
    return ibis.map(_without_nulls(names), _without_nulls(list(texts.values())))


def mapped_nothing() -> ibis.Value:
    """The map of somebody who has none of the properties."""
    nothing = ibis.literal([], "array<string>")
    return ibis.map(nothing, nothing)


def _without_nulls(values: list[ibis.Value]) -> ibis.Value:
    return ibis.array(values).filter(lambda value: value.notnull())
