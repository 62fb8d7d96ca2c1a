"""Who is in a cohort: bare, for people to read, and for the sync engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import ibis

from hub.cohorts.compile import people
from hub.cohorts.keys import key_columns
from hub.cohorts.lists.listing import listed_members, listed_people, listed_qualified
from hub.cohorts.lists.sources import DISTINCT_ID
from hub.cohorts.mapped import by_target, full_text, typed_text
from hub.cohorts.profile_columns import has_property, user_id
from hub.people.views import match_value, normalised

if TYPE_CHECKING:
    from hub.cohorts.question import Question
    from hub.connectors.matching import MatchOn
    from hub.lake.reading import Reader
    from hub.workspace import Project


def evaluate(reader: Reader, project: Project, question: Question) -> ibis.Table:
    """The people for whom the definition of a question holds: the column `person`, each person once."""
    listing = question.listing
    return people(reader, project, question) if listing is None else listed_people(reader, project, listing)


def members(reader: Reader, project: Project, question: Question, *, properties: Sequence[str] = ()) -> ibis.Table:
    """The people for whom the definition of a question holds, each once, as people want to read them.

    Columns: `person`; `distinct_id`, the canonical one; `user_id`, which under simplified identity is the id of
    somebody who logged in, else null; `email`, the profile's `$email`; `has_profile`, whether the profile has a
    property; then `property 0`, `property 1` and so on: those of the profile that are asked for, as typed text
    (`hub.cohorts.mapped`), objects too. Of a cohort that brings its own members, `email` and the properties are the
    list's own if it has them; who is known by their key alone has no `distinct_id`.
    """
    if question.listing is not None:
        return listed_members(reader, project, question.listing, properties)

    def wanted(profiles: ibis.Table) -> Mapping[str, ibis.Value]:
        texts = {f"property {place}": full_text(profiles, name) for place, name in enumerate(properties)}
        return {"email": profiles.strings.get("$email"), "has_profile": has_property(profiles), **texts}

    found = people(reader, project, question, columns=wanted)
    return found.select(
        "person",
        distinct_id=found.person,
        user_id=user_id(found.person, project),
        email=found.email,
        has_profile=ibis.coalesce(found.has_profile, False),
        **{name: found[name] for name in found.columns if name.startswith("property ")},
    )


def qualified(
    reader: Reader,
    project: Project,
    question: Question,
    *,
    match: Sequence[MatchOn],
    mapping: Mapping[str, str],
) -> ibis.Table:
    """The people for whom the definition of a question holds, each once, as a partner needs them.

    `match` are the keys by which the partner knows people, in order of preference; `mapping` is target name -> profile
    property. Columns: `person`; `has_profile`, whether the profile has a property; `key` and `invalid`, as of
    `hub.cohorts.keys`; `mapped`, the typed text of each target (`hub.cohorts.mapped.by_target`), null where its
    property is not set. A cohort that brings its own members is exempt from the filter of identified profiles:
    `has_profile` is true for all. Their keys and values are the list's own, else those of the profile.
    """
    if question.listing is not None:
        return listed_qualified(reader, project, question.listing, match=match, mapping=mapping)

    targets = sorted(mapping)

    def wanted(profiles: ibis.Table) -> Mapping[str, ibis.Value]:
        columns = {"has_profile": has_property(profiles)}
        for place, target in enumerate(targets):
            columns[f"text {place}"] = typed_text(profiles, mapping[target])
        for place, on in enumerate(match):
            if on.property != DISTINCT_ID:
                columns[f"value {place}"] = match_value(profiles, on.property, on.normalize)
        return columns

    found = people(reader, project, question, columns=wanted)
    values = [
        (on, normalised(found.person, on.normalize) if on.property == DISTINCT_ID else found[f"value {place}"])
        for place, on in enumerate(match)
    ]
    return found.select(
        "person",
        has_profile=ibis.coalesce(found.has_profile, False),
        # of columns, not of expressions: each is named several times, and would be worked out as often
        mapped=by_target({target: found[f"text {place}"] for place, target in enumerate(targets)}),
        **key_columns(values),
    )
