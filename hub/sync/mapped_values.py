"""What a mapping makes of an evaluated cohort: its steps, as one expression over all members, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.cohorts.mapped import EMPTIED
from hub.sync.mapping import Field, Fields, Missing

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import Reader


def with_values(people: ibis.Table, fields: Fields, zone: ZoneInfo) -> ibis.Table:
    """Evaluated members with what is to be sent of them in `mapped`, and the map `unusable`: target -> why not.

    `zone` is the project's. A value that is of no use to a step is neither sent nor cleared.
    """
    import ibis

    from hub.cohorts.profile_columns import mapped

    targets = sorted(fields)
    nothing = ibis.null("string")
    begun = {f"value {place}": people.mapped.get(target) for place, target in enumerate(targets)}
    work = people.drop("mapped").mutate(**begun, **{f"why {place}": nothing for place in range(len(targets))})
    for number in range(max(len(field.steps) for field in fields.values())):
        made: dict[str, ibis.Value] = {}
        for place, target in enumerate(targets):
            if number < len(fields[target].steps):
                made |= _step(work, place, fields[target], number, zone)
        work = work.mutate(**made)
    return work.mutate(
        mapped=mapped({target: _sent(work, place, fields[target]) for place, target in enumerate(targets)}),
        unusable=mapped({target: work[f"why {place}"] for place, target in enumerate(targets)}),
    ).drop(*begun, *(f"why {place}" for place in range(len(targets))))


def unusable_values(reader: Reader, people: ibis.Table, fields: Fields) -> dict[str, dict[str, int]]:
    """How many values of those who can go out are not sent, by target and reason."""
    found: dict[str, dict[str, int]] = {}
    for target in sorted(target for target, field in fields.items() if field.steps):
        why = people.filter(people.has_profile, people.key.notnull()).select(why=people.unusable.get(target))
        counted = why.filter(why.why.notnull()).group_by("why").aggregate(values=why.count())
        rows = [row for batch in reader.batches(counted) for row in batch.to_pylist()]
        if rows:
            found[target] = {row["why"]: row["values"] for row in rows}
    return found


def _step(work: ibis.Table, place: int, field: Field, number: int, zone: ZoneInfo) -> dict[str, ibis.Value]:
    step = field.steps[number]
    value, why = work[f"value {place}"], work[f"why {place}"]
    result = step.applied(value, zone)
    if step.fills:
        return {f"value {place}": why.isnull().ifelse(result, None)}
    refused = value.notnull() & result.isnull()
    return {f"value {place}": result, f"why {place}": refused.ifelse(step.refusal, why)}


def _sent(work: ibis.Table, place: int, field: Field) -> ibis.Value:
    value, why = work[f"value {place}"], work[f"why {place}"]
    if field.missing is not Missing.CLEAR:
        return value
    return (value.isnull() & why.isnull()).ifelse(EMPTIED, value)
