"""What a plan would do, in lines for people: on the command line and in the terminal UI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hub.clock import counted
from hub.sync.evaluated import INVALID, NO_KEY, NO_PROFILE, SHARED_KEY
from hub.sync.guards import Scope
from hub.sync.states import Leavers

if TYPE_CHECKING:
    from hub.sync.matching import Shown
    from hub.sync.preview import Preview

_WITHOUT = {
    NO_PROFILE: ("no_profile", "has no profile", "have no profile"),
    NO_KEY: ("no_key", "has no key", "have no key"),
    INVALID["email"]: ("invalid_email", "has an invalid e-mail address", "have an invalid e-mail address"),
    INVALID["phone"]: ("invalid_phone", "has an invalid phone number", "have an invalid phone number"),
    SHARED_KEY: (
        "sharing_key",
        "shares a key that goes out for somebody else",
        "share a key that goes out for somebody else",
    ),
}


def plan_lines(found: Preview) -> list[str]:
    """What a run would do and to whom, who cannot go out, which values are not sent, and what guards say."""
    plan, samples = found.plan, found.samples
    verb = "clear" if plan.leavers is Leavers.CLEAR else "remove"
    lines = [f"{found.sync} to {found.audience!r}, which holds {counted(plan.held, 'member')}; now it would"]
    for word, count, kind in (
        ("add", plan.to_add, "adds"),
        ("update", plan.to_update, "updates"),
        (verb, plan.to_remove, "removes"),
    ):
        lines.append(f"  {word} {count:,}{_people(samples[kind])}")
    lines.append(f"  leave {plan.unchanged:,} as they are" + (f"; {plan.parked:,} are parked" if plan.parked else ""))
    if plan.leavers is Leavers.KEEP:
        lines.append("  Nobody is taken out: those who leave are kept.")
    elif not plan.to_remove:
        lines.append("  Nobody is taken out.")
    lines += [f"  {line}" for line in _matched(found)]
    lines += [f"  Guard: {concern.said}" for concern in found.concerns]
    if found.holds:
        waits = "the removals" if found.holds is Scope.REMOVALS else "everything"
        lines.append(f"  A run would hold {waits} until somebody approves.")
    if found.running:
        lines.append("  A run has not ended: what that one changes is not in here.")
    return lines


def _matched(found: Preview) -> Iterator[str]:
    kinds = found.matched.by_kind
    by = ", ".join(f"{people:,} by {kind}" for kind, people in kinds.items())
    yield f"Of {found.plan.qualified:,} in the cohort the partner can know {by}"
    for reason, (kind, has, have) in _WITHOUT.items():
        if count := found.plan.skipped.get(reason, 0):
            yield f"{count:,} {has if count == 1 else have}{_people(found.samples[kind])}"
    for each in found.matched.unusable:
        values = counted(each.values, "value")
        yield f"{each.target}: {values} of {each.property} not sent, {each.reason}: {', '.join(each.people)}"
    yield from (f"Note: {warning}" for warning in found.warnings)


def _people(sample: Sequence[Shown]) -> str:
    if not sample:
        return ""
    named = [f"{each.person} ({each.key})" if each.key and each.key != each.person else each.person for each in sample]
    return f": {', '.join(named)}"
