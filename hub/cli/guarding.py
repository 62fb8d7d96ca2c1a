"""`hub sync plan`, `guard`, `approve` and `refuse`: what would be sent, what is let pass, and who decides."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Annotated, Any

import typer

from hub.cli.context import Json, open_hub, print_json, print_table, say
from hub.clock import counted
from hub.errors import UsageError
from hub.sync.states import Leavers

Name = Annotated[str, typer.Argument(help="The sync's name.")]
RunId = Annotated[int, typer.Argument(metavar="RUN", help="The number of the run that is held.")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; it is kept with the run, and who said it.")]
LeaversOption = Annotated[
    Leavers | None, typer.Option("--leavers", help="What becomes of those who leave the cohort; `remove` at first.")
]


class Changes(StrEnum):
    """What a changed definition or mapping does."""

    HOLD = "hold"
    GO = "go"


class Additions(StrEnum):
    """What additions do while removals are held."""

    GO = "go"
    WAIT = "wait"


def plan(name: Name, as_json: Json = False) -> None:
    """What a run of a sync would do now, to whom, and whether a guard would hold it. Changes nothing at all."""
    from hub.sync.plan_words import plan_lines

    found = open_hub().syncs.plan(name)
    if as_json:
        print_json(found.figures())
        return
    for line in plan_lines(found):
        typer.echo(line)
    typer.echo(f"  digest {found.plan.digest}")


def guard(
    name: Name,
    removals: Annotated[
        str, typer.Option(metavar="SHARE", help="Hold when more would leave: 30%, `learned` from its past, or `off`.")
    ] = "",
    shrink: Annotated[
        str, typer.Option(metavar="SHARE", help="Hold when the cohort has shrunk by more since: 50%, or `off`.")
    ] = "",
    growth: Annotated[
        str, typer.Option(metavar="SHARE", help="Hold when the audience would grow by more: 100%, or `off`.")
    ] = "",
    least: Annotated[
        int | None, typer.Option(min=0, help="Fewer members than this are never an alarm; ten times as many of growth.")
    ] = None,
    changes: Annotated[
        Changes | None, typer.Option(help="A changed definition or mapping: hold the run, or go.")
    ] = None,
    additions: Annotated[
        Additions | None, typer.Option(help="While removals are held, additions: go, or wait.")
    ] = None,
    off: Annotated[bool, typer.Option("--off", help="Hold nothing at all.")] = False,
    on: Annotated[bool, typer.Option("--on", help="Watch again.")] = False,
    defaults: Annotated[bool, typer.Option("--defaults", help="Forget what was set; the hub's own apply.")] = False,
    leavers: LeaversOption = None,
    as_json: Json = False,
) -> None:
    """Show or set what a sync's guards let pass. What is not given stays as it is."""
    from hub.sync.thresholds import growth_of, removals_of, shrink_of, told

    if on and off:
        raise UsageError("--on and --off exclude each other.")
    values: dict[str, Any] = {}
    if removals:
        values["removals"] = removals_of(removals)
    if shrink:
        values["shrink"] = shrink_of(shrink)
    if growth:
        values["growth"] = growth_of(growth)
    if least is not None:
        values["least"] = least
    if changes:
        values["changes"] = changes is Changes.HOLD
    if additions:
        values["additions"] = additions is Additions.GO
    if on or off:
        values["on"] = on
    syncs = open_hub().syncs
    if leavers:
        syncs.leavers(name, leavers)
    found = syncs.guard(name, anew=defaults, **values)
    kept = syncs.get(name).leavers
    if as_json:
        print_json({"sync": name, **found.model_dump(), "leavers": kept.value})
        return
    print_table(("guard", "holds a run"), told(found))
    typer.echo(f"Those who leave the cohort: {_leavers_in_words(kept)}.")


def approve(run: RunId, reason: Reason = "", as_json: Json = False) -> None:
    """Let a held run go: exactly what was planned is delivered. When the world has moved since, nothing is (exit 3)."""
    from hub.cli.context import interruptible
    from hub.cli.run_results import ended, shown_progress

    hub = open_hub()
    with interruptible() as asked, shown_progress(asked) as report:
        done = asyncio.run(hub.syncs.approve(run, reason=reason, report=report, stop=asked))
    ended(done, as_json)


def refuse(run: RunId, reason: Reason = "", as_json: Json = False) -> None:
    """Let nothing that is held leave. The sync's next run plans anew; `hub sync stop` keeps it from that."""
    done = asyncio.run(open_hub().syncs.refuse(run, reason=reason))
    if as_json:
        print_json(done.figures())
        return
    typer.echo(f"Run {done.id} of {done.sync} is refused: what it held does not leave.")
    if done.added or done.updated:
        said = f"{counted(done.added, 'member')} added and {done.updated:,} updated before stay so."
        say(said)


def _leavers_in_words(leavers: Leavers) -> str:
    return {
        Leavers.REMOVE: "are taken out of the audience",
        Leavers.KEEP: "stay in the audience as they are",
        Leavers.CLEAR: "stay in the audience, and what was written of them is emptied",
    }[leavers]
