"""What people and partners want to know of a member, as columns of a table of profiles."""

from __future__ import annotations

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
