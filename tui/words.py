"""Figures, times and states as people read them. Pure functions; instants are aware, durations are timedeltas."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hub import clock
from hub.sync.models import Progress, Run
from hub.sync.schedule import Cron, Every, Schedule
from hub.sync.states import RunState

if TYPE_CHECKING:
    from hub.sync.undo import Undo

CONNECTION_STATES = {
    "connected": "Connected",
    "refused": "Refused",
    "wrong": "Settings wrong",
    "unreachable": "Unreachable",
}

_SHORT = ((10**9, "B"), (10**6, "M"), (10**3, "k"))
_UNITS = (
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 member`, `2,000 members`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def compact(count: int, width: int = 6) -> str:
    """A count in `width` characters (5 or more): `12,345`, `123k`, `4.5M`, `12M`. Shortened ones are rounded down."""
    exact = f"{count:,}"
    if len(exact) <= width:
        return exact
    size, letter = next((size, letter) for size, letter in _SHORT if count >= size)
    tenths = count * 10 // size
    return f"{tenths / 10:.1f}{letter}" if tenths < 100 else f"{count // size}{letter}"


def every(interval: timedelta | None) -> str:
    """How often a sync runs: `once`, `15 min`, `2 h`, `1 d 12 h`."""
    if interval is None:
        return "once"
    parts, rest = [], interval
    for unit, name in _UNITS:
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts) or "0 s"


def schedule(known: Schedule) -> str:
    """When a sync runs, in a column: `once`, `15 min`, `0 7 * * 1-5`, `after winback`."""
    match known:
        case Every(length=length):
            return every(length)
        case Cron(expression=expression):
            return expression
    return str(known)


def schedule_in_words(known: Schedule) -> str:
    """The same, in a sentence: `every 15 min`, `cron 0 7 * * 1-5 (Europe/Oslo)`, `after winback`, `once`."""
    return f"every {every(known.length)}" if isinstance(known, Every) else str(known)


def took(passed: timedelta) -> str:
    """A duration in its two largest units: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if passed < timedelta(seconds=10):
        return f"{max(passed.total_seconds(), 0):.1f} s"
    return " ".join(every(timedelta(seconds=int(passed.total_seconds()))).split(" ")[:4])


def run_took(run: Run) -> str:
    """How long a run took, or has taken so far."""
    return took((run.finished_at or clock.now()) - run.created_at)


def run_took_in_words(run: Run) -> str:
    """The same, in a sentence: `took 12 s`, `12 s so far`."""
    return f"took {run_took(run)}" if run.finished_at else f"{run_took(run)} so far"


def when(instant: datetime | None, zone: str) -> str:
    """An instant in the project's zone, shortly: `14:05` today, `tomorrow 02:00`, `27 Nov 14:05`, `2025-01-31`."""
    if instant is None:
        return "never"
    local, today = instant.astimezone(ZoneInfo(zone)), clock.now().astimezone(ZoneInfo(zone))
    days = (local.date() - today.date()).days
    if days == 0:
        return f"{local:%H:%M}"
    if days in (1, -1):
        return f"{'tomorrow' if days > 0 else 'yesterday'} {local:%H:%M}"
    if local.year == today.year:
        return f"{local.day} {local:%b %H:%M}"
    return f"{local:%Y-%m-%d}"


def state(run: Run) -> str:
    """The word for where a run stands."""
    return run.state.value.capitalize()


def trigger(run: Run) -> str:
    """What started a run: `by hand`, `by schedule`, `to take back run 12`."""
    if run.undoes is not None:
        return f"to take back run {run.undoes}"
    return {"manual": "by hand", "verify": "by a verification"}.get(run.trigger, f"by {run.trigger}")


def setting(value: Any) -> str:
    """A stored setting as people fill it in: `yes`, `no`, or its text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def share(done: int, total: int) -> float:
    """How much of `total` is done, from 0 to 1; nothing to do is all done."""
    return min(1.0, done / total) if total > 0 else 1.0


def bar(done: int, total: int, width: int) -> str:
    """A progress bar that needs no colour: `━━━━╌╌╌╌  50%`, `width` characters with its figure."""
    part = share(done, total)
    full = round(part * (width - 5))
    return f"{'━' * full}{'╌' * (width - 5 - full)}{int(part * 100):>4}%"


def run_bar(run: Run, progress: Progress | None, width: int) -> str:
    """The bar of a run: by members when it runs here (`progress`), by batches when it runs elsewhere."""
    current = progress.state if progress else run.state
    if current is RunState.DONE:
        return bar(1, 1, width)
    if current in (RunState.EVALUATING, RunState.PLANNING):
        return bar(0, 1, width)
    if progress and current is RunState.DELIVERING:
        return bar(progress.done, progress.total, width)
    return bar(run.batches_done, run.batches, width)


def step(progress: Progress, width: int = 0) -> str:
    """What a run that is under way here does now: `Delivering 1,200 of 5,000`, with a bar when there is room."""
    word = progress.state.value.capitalize()
    if progress.state is not RunState.DELIVERING:
        return f"{word}…" if progress.state is not RunState.DONE else word
    if width >= len(word) + 11:
        return f"{word} {bar(progress.done, progress.total, min(width - len(word) - 1, 25))}"
    return f"{word} {progress.done:,} of {progress.total:,}"


def result(run: Run) -> str:
    """What a run did, in one short line: `+120 ~3 −1, 2 rejected, 40 owed`; `no change` when it sent nothing."""
    signs = (("+", run.added), ("~", run.updated), ("−", run.removed))
    sent = " ".join(f"{sign}{count:,}" for sign, count in signs if count)
    rest = [f"{count:,} {word}" for count, word in ((run.rejected, "rejected"), (run.owed, "owed")) if count]
    return ", ".join([sent, *rest] if sent else rest) or "no change"


def result_in_words(run: Run) -> str:
    """What a run did, spelt out: `12 added, 0 updated, 1 removed`, and what went wrong with whom."""
    text = f"{run.added:,} added, {run.updated:,} updated, {run.removed:,} removed"
    for count, word in ((run.rejected, "rejected"), (run.owed, "owed")):
        text += f", {count:,} {word}" if count else ""
    return text


def undo_in_words(undo: Undo) -> str:
    """What taking a run back would do: in numbers, who stays, what a guard says, and what becomes of the sync."""
    plan = undo.plan
    added = plural(plan.to_add, "member is", "members are")
    parts = [f"{added} added again, {plan.to_update:,} set back, {plan.to_remove:,} removed."]
    parts += [f"{plural(count, 'member stays', 'members stay')}: {reason}." for reason, count in plan.skipped.items()]
    parts += [concern.said for concern in undo.concerns]
    if undo.holds:
        parts.append("It is held until somebody approves.")
    if undo.pauses:
        parts.append(f"{undo.sync} is paused with it: its next run would do all of it again.")
    return " ".join(parts)


def skipped(reasons: Mapping[str, int]) -> str:
    """Who could not go out, by reason: `412 no_email, 7 shared_key`; empty when nobody."""
    return ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in reasons.items() if count)


def phases(timings: Mapping[str, float]) -> str:
    """How long each phase took; `timings` are seconds: `evaluate 0.8 s, deliver 12 s`."""
    return ", ".join(f"{phase} {took(timedelta(seconds=seconds))}" for phase, seconds in timings.items())
