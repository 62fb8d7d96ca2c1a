"""Who is in a cohort: bare, for people to read, and for the sync engine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import ibis

from hub.cohorts.compile import people
from hub.cohorts.mapped import typed_text
from hub.people.views import DEVICE, MATCH, match_value, normalised

if TYPE_CHECKING:
    from hub.cohorts.question import Question
    from hub.connectors.contract import MatchKey
    from hub.lake.reading import Reader
    from hub.workspace import Project


def evaluate(reader: Reader, project: Project, question: Question) -> ibis.Table:
    """The people for whom the definition of a question holds: the column `person`, each person once."""
    return people(reader, project, question)


def members(reader: Reader, project: Project, question: Question) -> ibis.Table:
    """The people for whom the definition of a question holds, each once, as people want to read them.

    Columns: `person`; `distinct_id`, the canonical one; `user_id`, which under simplified identity is the id of
    somebody who logged in, else null; `email`, the profile's `$email`; `has_profile`, whether the profile has a
    property.
    """

    def wanted(profiles: ibis.Table) -> Mapping[str, ibis.Value]:
        return {"email": profiles.strings.get("$email"), "has_profile": _has_property(profiles)}

    found = people(reader, project, question, columns=wanted)
    return found.select(
        "person",
        distinct_id=found.person,
        user_id=_user_id(found.person, project),
        email=found.email,
        has_profile=ibis.coalesce(found.has_profile, False),
    )


def qualified(
    reader: Reader,
    project: Project,
    question: Question,
    *,
    key: MatchKey,
    mapping: Mapping[str, str],
) -> ibis.Table:
    """The people for whom the definition of a question holds, each once, as a partner needs them.

    `mapping` is target name -> profile property. Columns: `person`; `has_profile`, whether the profile has a property;
    `key`, the normalised value of the match property, null without one; `mapped`, a map of target name -> typed
    text (`hub.cohorts.mapped`), without the targets whose property is not set.
    """

    def wanted(profiles: ibis.Table) -> Mapping[str, ibis.Value]:
        columns = {"has_profile": _has_property(profiles), "mapped": _mapped(profiles, mapping)}
        if key.property != "distinct_id":
            columns["key"] = match_value(profiles, key.property, key.normalize)
        return columns

    found = people(reader, project, question, columns=wanted)
    own_id = normalised(found.person, key.normalize)
    return found.select(
        "person",
        has_profile=ibis.coalesce(found.has_profile, False),
        key=own_id if key.property == "distinct_id" else found.key,
        mapped=ibis.coalesce(found.mapped, _mapped_nothing()),
    )


def _user_id(person: ibis.Value, project: Project) -> ibis.Value:
    if project.identity != "simplified":
        return ibis.null("string")
    return (person.startswith(DEVICE) | person.startswith(MATCH)).ifelse(ibis.null("string"), person)


def _has_property(profiles: ibis.Table) -> ibis.Value:
    maps = [profiles[kind].length() > 0 for kind in ("strings", "numbers", "booleans", "lists")]
    return reduce(or_, (ibis.coalesce(found, False) for found in [*maps, profiles.nested.notnull()]))


def _mapped(profiles: ibis.Table, mapping: Mapping[str, str]) -> ibis.Value:
    texts = {target: typed_text(profiles, name) for target, name in sorted(mapping.items())}
    if not texts:
        return _mapped_nothing()
    names = [text.notnull().ifelse(target, None) for target, text in texts.items()]
    return ibis.map(_without_nulls(names), _without_nulls(list(texts.values())))


def _without_nulls(values: list[ibis.Value]) -> ibis.Value:
    return ibis.array(values).filter(lambda value: value.notnull())


def _mapped_nothing() -> ibis.Value:
    nothing = ibis.literal([], "array<string>")
    return ibis.map(nothing, nothing)
