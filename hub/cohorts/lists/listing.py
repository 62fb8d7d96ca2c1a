"""The members of a list as people, as partners need them, and as a clause of another cohort sees them.

A list knows its members by a key. One that is an id is the person whom it belongs to, or a person of its own. One that
is the value of a profile property is the person whose profile has it, and as long as there is none somebody known by
that value alone: `$match:PROPERTY:VALUE`, as of the message events of partners.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import ibis

from hub.cohorts.keys import key_columns
from hub.cohorts.lists.sources import DISTINCT_ID, EMAIL
from hub.cohorts.mapped import by_target, full_text, typed_text
from hub.cohorts.profile_columns import has_property, user_id
from hub.people.views import MATCH, identity_map, match_value, matched, normalised, owners, people_profiles, with_person

if TYPE_CHECKING:
    from hub.connectors.matching import MatchOn
    from hub.lake.reading import Reader
    from hub.workspace import Project


@dataclass(frozen=True)
class Listing:
    """The members of a cohort that brings its own, as of one time.

    `rows` reads them: `key`, each once and never null, and the typed maps of their own properties. `key` is the
    property that it is a value of. `known_at` (aware) asks who was who by what the hub knew then. `frozen` members were
    people when the list was made, known by whatever id they had then.
    """

    cohort: str
    key: str
    rows: Callable[[Reader], ibis.Table]
    known_at: datetime | None = None
    frozen: bool = False


def listed_people(reader: Reader, project: Project, listing: Listing) -> ibis.Table:
    """Everybody on the list: the column `person`, each person once."""
    return _listed(reader, project, listing).select("person")


def known_people(reader: Reader, project: Project, listing: Listing) -> ibis.Table:
    """As `listed_people`, without those who are known by the value of a property alone."""
    people = listed_people(reader, project, listing)
    return people if listing.key == DISTINCT_ID else people.filter(~people.person.startswith(MATCH))


def listed_members(reader: Reader, project: Project, listing: Listing, properties: Sequence[str] = ()) -> ibis.Table:
    """Everybody on the list, each once, as people want to read them: as of `hub.cohorts.members.members`."""
    rows = _listed(reader, project, listing)
    own = {f"own {place}": _own_typed(listing, name)(rows) for place, name in enumerate(properties)}
    both = _with_profiles(
        reader,
        project,
        listing,
        rows.select("person", own_email=_own_text(rows, listing, EMAIL), **own),
        lambda profiles: {
            "email": profiles.strings.get(EMAIL),
            "has_profile": has_property(profiles),
            **{f"profile {place}": full_text(profiles, name) for place, name in enumerate(properties)},
        },
    )
    texts = {
        f"property {place}": ibis.coalesce(both[f"own {place}"], both[f"profile {place}"])
        for place in range(len(properties))
    }
    return both.select(
        "person",
        distinct_id=_id_of(both.person),
        user_id=user_id(both.person, project),
        email=ibis.coalesce(both.own_email, both.email),
        has_profile=ibis.coalesce(both.has_profile, False),
        **texts,
    )


def listed_qualified(
    reader: Reader, project: Project, listing: Listing, *, match: Sequence[MatchOn], mapping: Mapping[str, str]
) -> ibis.Table:
    """Everybody on the list, each once, as a partner needs them: as of `hub.cohorts.members.qualified`."""
    names = [name for _, name in sorted(mapping.items())]
    own = {f"own {place}": _own_typed(listing, name) for place, name in enumerate(names)}
    rows = _listed(reader, project, listing)
    keys = {f"own key {place}": _own_key(rows, listing, on) for place, on in enumerate(match)}
    both = _with_profiles(
        reader,
        project,
        listing,
        rows.select("person", **keys, **{name: of(rows) for name, of in own.items()}),
        lambda profiles: {
            **{f"profile key {place}": _profile_key(profiles, on) for place, on in enumerate(match)},
            **{f"profile {place}": typed_text(profiles, name) for place, name in enumerate(names)},
        },
    )
    texts = {
        target: ibis.coalesce(both[f"own {place}"], both[f"profile {place}"])
        for place, target in enumerate(sorted(mapping))
    }
    values = [
        (on, ibis.coalesce(both[f"own key {place}"], both[f"profile key {place}"])) for place, on in enumerate(match)
    ]
    return both.select("person", has_profile=ibis.literal(True), mapped=by_target(texts), **key_columns(values))


def _listed(reader: Reader, project: Project, listing: Listing) -> ibis.Table:
    """`person`, each once, beside the columns of the list."""
    return _by_id(reader, project, listing) if listing.key == DISTINCT_ID else _by_value(reader, project, listing)


def _by_id(reader: Reader, project: Project, listing: Listing) -> ibis.Table:
    rows = listing.rows(reader)
    whose = owners if listing.frozen else identity_map
    people = whose(reader, project, known_at=listing.known_at)
    if people is None:
        return rows.mutate(person=rows.key)
    owned = with_person(rows, people, of="key")
    # two ids of one person are one member: of the canonical id the list may know most
    order = [(owned.key == owned.person).desc(), owned.key]
    ranked = owned.mutate(nth=ibis.row_number().over(group_by=owned.person, order_by=order))
    return ranked.filter(ranked.nth == 0).drop("nth")


def _by_value(reader: Reader, project: Project, listing: Listing) -> ibis.Table:
    prefix = ibis.literal(f"{MATCH}{listing.key}:")
    asked, rows = (listing.rows(reader) for _ in range(2))  # read twice: a table used twice is kept in memory whole
    found = matched(reader, project, asked.select(id=prefix.concat(asked.key)), [listing.key], listing.known_at)
    rows = rows.mutate(alone=prefix.concat(rows.key))
    owned = found.select(found_id=found.id, owner=found.person)
    both = rows.left_join(owned, rows.alone == owned.found_id)
    if project.identity != "simplified":
        # several values may be of one person, whose ids have a profile each: no value is lost, and nobody comes twice
        nth = ibis.row_number().over(group_by=both.owner, order_by=both.key)
        both = both.mutate(owner=(nth == 0).ifelse(both.owner, ibis.null("string")))
    return both.mutate(person=ibis.coalesce(both.owner, both.alone)).drop("alone", "found_id", "owner")


def _with_profiles(
    reader: Reader,
    project: Project,
    listing: Listing,
    rows: ibis.Table,
    columns: Callable[[ibis.Table], Mapping[str, ibis.Value]],
) -> ibis.Table:
    profiles = people_profiles(reader, project, known_at=listing.known_at)
    wanted = profiles.select(owner=profiles.person, **columns(profiles))
    return rows.left_join(wanted, rows.person == wanted.owner)


def _own_key(rows: ibis.Table, listing: Listing, on: MatchOn) -> ibis.Value:
    """The value of the partner's key that the list has."""
    if on.property == listing.key:
        return normalised(rows.person if listing.key == DISTINCT_ID else rows.key, on.normalize)
    own = match_value(rows, on.property, on.normalize)
    return ibis.coalesce(own, normalised(_id_of(rows.person), on.normalize)) if on.property == DISTINCT_ID else own


def _profile_key(profiles: ibis.Table, on: MatchOn) -> ibis.Value:
    return match_value(profiles, on.property, on.normalize)


def _own_typed(listing: Listing, name: str) -> Callable[[ibis.Table], ibis.Value]:
    """What makes the typed text of a property that the list has."""

    def column(rows: ibis.Table) -> ibis.Value:
        if name == DISTINCT_ID:
            return ibis.literal("s:").concat(_id_of(rows.person))
        return ibis.literal("s:").concat(rows.key) if name == listing.key else typed_text(rows, name)

    return column


def _own_text(rows: ibis.Table, listing: Listing, name: str) -> ibis.Value:
    return rows.key if name == listing.key else rows.strings.get(name)


def _id_of(person: ibis.Value) -> ibis.Value:
    """The id of a person, null for somebody known by the value of a property alone."""
    return person.startswith(MATCH).ifelse(ibis.null("string"), person)
