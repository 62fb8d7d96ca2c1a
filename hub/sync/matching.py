"""Who of a cohort a partner can know, and which of their values it can be told; with samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from hub.cohorts.mapped import text_for
from hub.sync.evaluated import INVALID, NO_KEY, NO_PROFILE
from hub.sync.mapped_values import unusable_values

if TYPE_CHECKING:
    import ibis

    from hub.connectors.matching import MatchOn
    from hub.lake.reading import DuckDbReader, Reader
    from hub.sync.mapping import Fields

SAMPLE = 10
"""People shown of each kind."""


@dataclass(frozen=True)
class Shown:
    """One person of a sample. `key` is None for somebody without one."""

    person: str
    key: str | None

    def figures(self) -> dict[str, str | None]:
        """For machines."""
        return {"person": self.person, "key": self.key}


@dataclass(frozen=True)
class Unusable:
    """Values of one property that are of no use to a step: they are not sent, and the members all the same are."""

    target: str
    property: str
    reason: str
    values: int
    people: Sequence[str]

    def figures(self) -> dict[str, Any]:
        """For machines."""
        return {
            "target": self.target,
            "property": self.property,
            "reason": self.reason,
            "values": self.values,
            "people": list(self.people),
        }


@dataclass(frozen=True)
class Matched:
    """`by_kind` counts who can go out, by the kind of their key; of several with one key, each."""

    by_kind: Mapping[str, int]
    unusable: Sequence[Unusable]
    samples: Mapping[str, Sequence[Shown]] = field(default_factory=dict)


def matched(reader: DuckDbReader, people: ibis.Table, match: Sequence[MatchOn], fields: Fields) -> Matched:
    """Look at an evaluated cohort (`hub.sync.evaluated`)."""
    return Matched(_by_kind(reader, people, match), _unusable(reader, people, fields), _samples(reader, people))


def some(reader: Reader, people: ibis.Table) -> list[Shown]:
    """The first of these people, by key and id."""
    first = people.select("key", "person").order_by("key", "person").limit(SAMPLE)
    return [Shown(row["person"], row["key"]) for batch in reader.batches(first) for row in batch.to_pylist()]


def _by_kind(reader: Reader, people: ibis.Table, match: Sequence[MatchOn]) -> dict[str, int]:
    import ibis

    known = people.filter(people.has_profile, people.key.notnull())
    prefixed = [(known.key.startswith(f"{on.kind}:"), on.kind) for on in match if on.prefix or on.reserved]
    bare = next((on.kind for on in match if not on.prefix), "")
    kind = ibis.cases(*prefixed, else_=bare) if prefixed else ibis.literal(bare)
    counted = known.select(kind=kind).group_by("kind").aggregate(people=lambda rows: rows.count())
    found = {row["kind"]: row["people"] for batch in reader.batches(counted) for row in batch.to_pylist()}
    return {on.kind: found.get(on.kind, 0) for on in match}


def _unusable(reader: Reader, people: ibis.Table, fields: Fields) -> list[Unusable]:
    found = []
    known = people.filter(people.has_profile, people.key.notnull())
    for target, reasons in unusable_values(reader, people, fields).items():
        for reason, values in sorted(reasons.items()):
            theirs = known.filter(text_for(known.unusable, target) == reason)
            shown = [each.person for each in some(reader, theirs)]
            found.append(Unusable(target, fields[target].source, reason, values, shown))
    return found


def _samples(reader: Reader, people: ibis.Table) -> dict[str, list[Shown]]:
    without = people.filter(people.has_profile, people.key.isnull())
    of_key = people.filter(people.has_profile, people.key.notnull())
    several = of_key.group_by("key").aggregate(people=of_key.count()).filter(lambda row: row.people > 1)
    return {
        _name(NO_PROFILE): some(reader, people.filter(~people.has_profile)),
        _name(NO_KEY): some(reader, without.filter(without.invalid.isnull())),
        **{_name(reason): some(reader, without.filter(without.invalid == how)) for how, reason in INVALID.items()},
        "sharing_key": some(reader, of_key.semi_join(several, "key")),
    }


def _name(reason: str) -> str:
    return reason.replace(" ", "_").replace("-", "")
