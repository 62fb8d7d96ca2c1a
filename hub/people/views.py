"""Who a row of the lake belongs to: the tables that every query reads, never the raw ones.

An id belongs to a person by the identity map; one that is not in it is a person of its own. Message events of
partners carry an address in the place of an id, `$match:<profile property>:<normalised value>`. They are
resolved when read, so that an event for somebody unknown becomes theirs when they become known, and never counts twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import reduce
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from hub.lake import deduplicated
from hub.lake.functions import map_value
from hub.lake.tables import EVENTS, IDENTITY, PROFILES

if TYPE_CHECKING:
    from hub.lake.deduplicated import Narrow
    from hub.lake.reading import Reader
    from hub.lake.snapshot import Filter
    from hub.workspace import Project

MATCH = "$match:"
"""What the pseudo id of a message event begins with."""

DEVICE = "$device:"
"""What the id of a device that belongs to nobody yet begins with (simplified identity)."""

_EMAIL = "$email"


def people_events(
    reader: Reader,
    project: Project,
    *,
    months: Sequence[str] | None = None,
    narrow: Narrow | None = None,
    known_at: datetime | None = None,
) -> ibis.Table:
    """The project's events, each once, with the column `person` beside EVENT_COLUMNS.

    `months` (`YYYY-MM`, UTC) limits the read to those partitions; None reads all of them. `narrow` as of
    `project_events`. `known_at` (aware) asks who was who by what the hub knew then; the events are those
    that are there now.
    """
    people = owners(reader, project, months=months, known_at=known_at)
    return with_person(project_events(reader, project, months, narrow), people)


def people_profiles(reader: Reader, project: Project, *, known_at: datetime | None = None) -> ibis.Table:
    """The newest profile of each person who has one, with the column `person` beside those of the lake's table.

    It is that of the canonical id. Under original identity somebody whose canonical id has none has the one of their
    ids that changed last; under simplified identity what was set on a device does not go over to its user.
    `known_at` (aware) asks for what the hub knew then.
    """
    identity = identity_map(reader, project, known_at)
    profiles = _owned_profiles(reader, project, identity, known_at)
    if identity is None or project.identity == "simplified":
        return profiles
    order = [(profiles.distinct_id == profiles.person).desc(), profiles.seq.desc()]
    ranked = profiles.mutate(rank=ibis.row_number().over(group_by=profiles.person, order_by=order))
    return ranked.filter(ranked["rank"] == 0).drop("rank")


def event_people(
    reader: Reader, project: Project, *, until: ibis.Value, known_at: datetime | None = None
) -> ibis.Table:
    """Everybody who has an event before the instant `until`: the column `person`, each person once.

    `known_at` (aware) leaves out events that the hub got later, and asks who was who by what it knew then.
    """
    events = project_events(reader, project, narrow=lambda rows: [rows.time < until])
    tests = [events.time < until, *([events.received_at <= known_at] if known_at else [])]
    ids = events.filter(*tests).select("distinct_id").distinct()
    people = owners(reader, project, known_at=known_at)
    found = with_person(ids, people).select("person")
    return found if people is None else found.distinct()


def owners(
    reader: Reader, project: Project, *, months: Sequence[str] | None = None, known_at: datetime | None = None
) -> ibis.Table | None:
    """Whose an id is, for every id that is not its own person: columns `id`, `person`. None when there is none.

    Holds the identity map, and the pseudo ids of message events in these months. `known_at` (aware) asks for what the
    hub knew then.
    """
    parts = (identity_map(reader, project, known_at), links(reader, project, months=months, known_at=known_at))
    found = [part for part in parts if part is not None]
    return reduce(lambda left, right: left.union(right), found) if found else None


def links(
    reader: Reader, project: Project, *, months: Sequence[str] | None = None, known_at: datetime | None = None
) -> ibis.Table | None:
    """The people behind the pseudo ids of message events: columns `id`, `person`. None without such events.

    An address of several people belongs to the one with the smallest distinct_id; one of nobody is not in the table.
    Message events always have a source, which lets this pass over everybody else's files and rows. `known_at` (aware)
    asks for the profiles and people of then.
    """
    if not reader.has(EVENTS, "source", _partitions(project, months)):
        return None
    key = ("links", project.id, None if months is None else tuple(months), known_at)
    return reader.once(key, lambda: _links(reader, project, months, known_at))


def _links(
    reader: Reader, project: Project, months: Sequence[str] | None, known_at: datetime | None
) -> ibis.Table | None:
    events = project_events(reader, project, months, lambda rows: [rows.distinct_id.startswith(MATCH)])
    marked = events.filter(events.source.notnull() & events.distinct_id.startswith(MATCH))
    return known_by_value(reader, project, marked.select(id=marked.distinct_id).distinct(), known_at)


def known_by_value(
    reader: Reader, project: Project, pseudo: ibis.Table, known_at: datetime | None = None
) -> ibis.Table | None:
    """The people behind pseudo ids (the column `id`, each once), as of `links`; None when there is no pseudo id."""
    pseudo = reader.keep(pseudo)
    properties = _column(reader, pseudo.select(property=_property_of(pseudo.id)).distinct())
    return reader.keep(matched(reader, project, pseudo, properties, known_at)) if properties else None


def match_owners(reader: Reader, project: Project, pseudo_ids: Collection[str]) -> dict[str, str]:
    """The people behind these pseudo ids of message events, as of `links`; one of nobody is left out."""
    if not pseudo_ids:
        return {}
    pseudo = reader.rows(pa.table({"id": [*pseudo_ids]}))
    properties = {each.removeprefix(MATCH).partition(":")[0] for each in pseudo_ids}
    found = matched(reader, project, pseudo, properties, None)
    return {row["id"]: row["person"] for batch in reader.batches(found) for row in batch.to_pylist()}


def matched(
    reader: Reader, project: Project, pseudo: ibis.Table, properties: Collection[str], known_at: datetime | None
) -> ibis.Table:
    """The people behind pseudo ids (the column `id`) of these properties: `id`, `person`, as of `links`."""
    # profiles are read once for each property: a table used twice would be kept in memory as a whole
    owned = [_owned(reader, project, pseudo, name, known_at) for name in sorted(properties)]
    found = reduce(lambda left, right: left.union(right), owned)
    return found.group_by("id").agg(person=found.person.argmin(found.distinct_id))


def with_person(rows: ibis.Table, people: ibis.Table | None, *, of: str = "distinct_id") -> ibis.Table:
    """`rows` with the column `person`: the owner of the id in the column `of` by `people` (`id`, `person`), else the id
    itself."""
    if people is None:
        return rows.mutate(person=rows[of])
    owned = people.select(owned_id=people.id, owner=people.person)
    joined = rows.left_join(owned, rows[of] == owned.owned_id)
    return joined.mutate(person=ibis.coalesce(joined.owner, joined[of])).drop("owned_id", "owner")


def normalised(value: ibis.Value, how: str) -> ibis.Value:
    """A match value as partners compare it; empty is no value.

    `email` drops blanks around it and the case. `phone` drops what people write between digits, and makes `00` in front
    a plus; a number without its country's code stays without it.
    """
    if how == "phone":
        value = value.re_replace(r"[\s().\-/]+", "").re_replace("^00", "+")
    return (value.strip().lower() if how == "email" else value).nullif("")


def match_value(profiles: ibis.Table, property_name: str, how: str) -> ibis.Value:
    """The value of a profile property by which partners know people, normalised; null without one.

    A whole number is its digits.
    """
    number = map_value(profiles.numbers, property_name)
    whole = (number == number.round()) & (number.abs() < 2**53)
    digits = whole.ifelse(number.round().cast("int64").cast("string"), ibis.null("string"))
    return normalised(ibis.coalesce(map_value(profiles.strings, property_name), digits), how)


def _owned(
    reader: Reader, project: Project, pseudo: ibis.Table, property_name: str, known_at: datetime | None
) -> ibis.Table:
    """The pseudo ids of one property with everybody whom they may mean: `id`, `person`, `distinct_id`."""
    prefix = f"{MATCH}{property_name}:"
    identity = identity_map(reader, project, known_at)
    if property_name == "distinct_id":
        ids = pseudo.filter(pseudo.id.startswith(prefix))
        owned = with_person(ids.mutate(distinct_id=ids.id.substr(len(prefix))), identity)
        return owned.select("id", "person", "distinct_id")
    profiles = _owned_profiles(reader, project, identity, known_at)
    value = match_value(profiles, property_name, "email" if property_name == _EMAIL else "exact")
    candidates = profiles.select("person", "distinct_id", id=ibis.literal(prefix).concat(value))
    return candidates.join(pseudo, "id").select("id", "person", "distinct_id")


def _column(reader: Reader, rows: ibis.Table) -> list[str]:
    return [value for batch in reader.batches(rows) for value in batch.column(0).to_pylist()]


def _property_of(pseudo_id: ibis.Value) -> ibis.Value:
    rest = pseudo_id.substr(len(MATCH))
    return rest.substr(0, rest.find(":"))


def project_events(
    reader: Reader, project: Project, months: Sequence[str] | None = None, narrow: Narrow | None = None
) -> ibis.Table:
    """The project's events that belong to somebody, each once, without saying to whom: for what no person matters to.

    With `narrow`, only those that pass; it asks for what `hub.lake.deduplicated.events` says.
    """
    events = deduplicated.events(reader, _partitions(project, months), narrow=narrow)
    # an event without an id belongs to nobody
    return events.filter(events.distinct_id != "", *(narrow(events) if narrow else ()))


def _owned_profiles(
    reader: Reader, project: Project, identity: ibis.Table | None, known_at: datetime | None
) -> ibis.Table:
    """The newest profile of every id, with the column `person`; without those that nobody sees any more."""
    profiles = _newest_profiles(reader, project, known_at)
    if identity is None or project.identity != "simplified":
        return with_person(profiles, identity)
    # what was set on a device before it was somebody's stays with the device
    own = profiles.anti_join(identity, profiles.distinct_id == identity.id)
    return own.mutate(person=own.distinct_id)


def _newest_profiles(reader: Reader, project: Project, known_at: datetime | None) -> ibis.Table:
    # each side reads the table for itself: one table used twice would be kept in memory as a whole
    rows, all_rows = (reader.table(PROFILES, _of(project)) for _ in range(2))
    if known_at is not None:
        rows, all_rows = (each.filter(each.known_at <= known_at) for each in (rows, all_rows))
    # few ids have several rows: to look for the older rows of these alone is a small join
    several = all_rows.group_by("distinct_id").agg(newest=all_rows.seq.max(), rows=all_rows.count())
    several = several.filter(several.rows > 1).select(several_id="distinct_id", newest="newest")
    found = rows.left_join(several, rows.distinct_id == several.several_id)
    found = found.filter(found.newest.isnull() | (found.seq == found.newest), ~found.deleted)
    return found.drop("several_id", "newest")


def identity_map(reader: Reader, project: Project, known_at: datetime | None = None) -> ibis.Table | None:
    """Whose an id is: `id`, `person`, for every id that is not its own person. None when there is none.

    An interval that has ended has two rows, that of its beginning and that of its end, until they are compacted.
    """
    if not reader.has(IDENTITY, "id", _of(project)):
        return None
    if known_at is not None:
        return _map_then(reader.table(IDENTITY, _of(project)), known_at)
    begun = reader.table(IDENTITY, _of(project))
    begun = begun.filter(begun.known_to.isnull())
    if reader.has(IDENTITY, "known_to", _of(project)):
        ended = reader.table(IDENTITY, _of(project))
        ended = ended.filter(ended.known_to.notnull()).select("id", "known_from")
        begun = begun.anti_join(ended, ["id", "known_from"])
    return begun.select("id", "person")


def _map_then(known: ibis.Table, at: datetime) -> ibis.Table:
    begun = known.filter(known.known_from <= at)
    intervals = begun.group_by("id", "person", "known_from").agg(known_to=begun.known_to.max())
    return intervals.filter(intervals.known_to.isnull() | (intervals.known_to > at)).select("id", "person")


def _partitions(project: Project, months: Sequence[str] | None) -> list[Filter]:
    return [*_of(project), *([("month", "in", list(months))] if months is not None else [])]


def _of(project: Project) -> list[Filter]:
    return [("project_id", "=", str(project.id))]
