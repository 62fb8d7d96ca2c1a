"""How a run stands, in words and as an exit code; and how far it is, while it is under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from hub.cli.context import console, print_json, quit_with
from hub.clock import ago
from hub.sync.models import Progress, Report, Run
from hub.sync.states import RunState
from hub.sync.triggers import Trigger

if TYPE_CHECKING:
    from hub.cli.context import Stop

REJECTED, HELD, FAILED = 4, 3, 1


def sentence(run: Run) -> str:
    """A run for a person, in one or two sentences."""
    changed = f"{run.added:,} added, {run.updated:,} updated, {run.removed:,} removed"
    begin = f"{run.sync}, run {run.id}: {run.state}"
    if run.trigger == Trigger.VERIFY:
        return f"{begin}; {run.message} {run.hint}".strip()
    if run.undoes is not None:
        parts = [f"{begin}; it takes back run {run.undoes}: {changed}"]
        parts += [f"{people:,} left alone ({why})" for why, people in run.skipped.items()]
    else:
        parts = [f"{begin}; {run.qualified:,} in the cohort, {changed}, {run.unchanged:,} unchanged"]
        skipped = ", ".join(f"{people:,} with {_reason(why)}" for why, people in run.skipped.items())
        parts += [f"skipped {skipped}"] if skipped else []
    parts += [f"{people:,} {word}" for people, word in _leftovers(run) if people]
    if unsent := unsent_values(run):
        parts.append(unsent)
    if run.resumed:
        parts.append("gone on with after an interruption")
    doubts = "" if run.finished else run.doubts  # a finished run says so itself
    said = f"{doubts} {run.message} {run.hint}".strip()
    return "; ".join(parts) + "." + (f" {said}" if said else "")


def _leftovers(run: Run) -> list[tuple[int, str]]:
    return [(run.rejected, "rejected"), (run.parked, "parked"), (run.owed, "owed"), (run.held, "held")]


def unsent_values(run: Run) -> str:
    """How many values the mapping could make nothing of, and why; empty when there is none."""
    told = [(target, why, values) for target, reasons in run.unusable.items() for why, values in reasons.items()]
    named = ", ".join(f"{values:,} of {target} ({why})" for target, why, values in told)
    return f"values not sent: {named}" if told else ""


def _reason(why: str) -> str:
    return {"shared key": "a key that somebody else has"}.get(why, why)


def ended(run: Run, as_json: bool) -> NoReturn:
    """Tell how a run stands, and end the command with its exit code."""
    if as_json:
        print_json(run.figures())
    else:
        typer.echo(sentence(run))
    quit_with(_code(run))


def _code(run: Run) -> int:
    if run.state is RunState.FAILED:
        return FAILED
    return HELD if run.state is RunState.HELD else REJECTED if run.rejected else 0


@contextmanager
def shown_progress(stop: Stop) -> Iterator[Report]:
    """The bar of a run, on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    shown_on = console()
    with Bars(*columns, console=shown_on, transient=True, disable=not shown_on.is_terminal) as bars:
        task = bars.add_task("starting", total=None)

        def report(progress: Progress) -> None:
            bars.update(task, description=progress.state.value, completed=progress.done, total=progress.total or None)

        yield report


def in_short(run: Run | None) -> str:
    """A sync's last run, in a column."""
    if run is None:
        return "never"
    return f"{run.state} {ago(run.created_at)}: +{run.added:,} ~{run.updated:,} -{run.removed:,}"
