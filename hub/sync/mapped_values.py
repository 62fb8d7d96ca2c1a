"""What a mapping makes of an evaluated cohort: its steps, as one expression over all members, and what they refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.cohorts.mapped import EMPTIED, by_target, text_for
from hub.sync.mapping import Field, Fields, Missing

if TYPE_CHECKING:
    import ibis

    from hub.lake.reading import Reader
    from hub.sync.transforms import Step


def with_values(people: ibis.Table, fields: Fields, zone: ZoneInfo) -> ibis.Table:
    """Evaluated members with what is to be sent of them in `mapped`, and in `unusable` why not, by target too.

    `zone` is the project's. A value that is of no use to a step is neither sent nor cleared.
    """
    import ibis

    targets = sorted(fields)
    nothing = ibis.null("string")
    facts = [name for name in people.columns if name not in ("mapped", "unusable")]
    begun = {f"value {place}": text_for(people.mapped, target) for place, target in enumerate(targets)}
    work = people.select(*facts, **begun, **{f"why {place}": nothing for place in range(len(targets))})
    for place, target in enumerate(targets):
        for step in fields[target].steps:
            work = _stepped(work, place, step, zone)
    return work.select(
        *facts,
        mapped=by_target({target: _sent(work, place, fields[target]) for place, target in enumerate(targets)}),
        unusable=by_target({target: work[f"why {place}"] for place, target in enumerate(targets)}),
    )


def unusable_values(reader: Reader, people: ibis.Table, fields: Fields) -> dict[str, dict[str, int]]:
    """How many values of those who can go out are not sent, by target and reason."""
    found: dict[str, dict[str, int]] = {}
    for target in sorted(target for target, field in fields.items() if field.steps):
        known = people.filter(people.has_profile, people.key.notnull())
        refused = known.select(why=text_for(known.unusable, target)).filter(lambda row: row.why.notnull())
        counted = refused.group_by("why").aggregate(values=refused.count())
        rows = [row for batch in reader.batches(counted) for row in batch.to_pylist()]
        if rows:
            found[target] = {row["why"]: row["values"] for row in rows}
    return found


def _stepped(work: ibis.Table, place: int, step: Step, zone: ZoneInfo) -> ibis.Table:
    names, (value, why) = work.columns, (f"value {place}", f"why {place}")
    made = step.made(work, value, zone, "made")
    new, known = made["made"], made[why]
    if step.fills:
        changed = {value: known.isnull().ifelse(new, None)}
    else:
        refused = made[value].notnull() & new.isnull()
        changed = {value: new, why: refused.ifelse(step.refusal, known)}
    return made.select(**{name: changed.get(name, made[name]) for name in names})


def _sent(work: ibis.Table, place: int, field: Field) -> ibis.Value:
    value, why = work[f"value {place}"], work[f"why {place}"]
    if field.missing is not Missing.CLEAR:
        return value
    return (value.isnull() & why.isnull()).ifelse(EMPTIED, value)
