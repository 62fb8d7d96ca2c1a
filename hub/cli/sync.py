"""`hub sync`: cohorts on their way to partners."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from hub.app import Hub
from hub.cli import freshness, guarding, mapping, repairing, why
from hub.cli.context import (
    Json,
    Yes,
    confirm,
    interruptible,
    open_hub,
    print_json,
    print_table,
    quoted,
    say,
)
from hub.cli.run_results import ended, in_short, sentence, shown_progress
from hub.cli.scheduling import (
    CronText,
    IsOnce,
    Leader,
    Often,
    Zone,
    asked_schedule,
    how_often,
    next_run,
    when_first,
)
from hub.clock import counted, shown
from hub.clock import now as clock_now
from hub.errors import UsageError
from hub.running.standstill import guarded_from_standstill
from hub.sync import freshness_words
from hub.sync.schedule import Every
from hub.sync.states import ACTIVE

if TYPE_CHECKING:
    from hub.sync.preview import Preview

app = typer.Typer(no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(help="The sync's name.")]


@app.callback()
def _noun() -> None:
    """Syncs."""


@app.command()
def start(
    cohort: Annotated[str, typer.Argument(help="The cohort.")],
    connection: Annotated[str, typer.Argument(help="The connection to sync it to.")],
    once: IsOnce = False,
    every: Often = "",
    cron: CronText = "",
    zone: Zone = "",
    after: Leader = "",
    audience: Annotated[str, typer.Option(help="Its name at the partner; `hub: COHORT` if left out.")] = "",
    name: Annotated[str, typer.Option(help="The sync's name; COHORT-CONNECTION if left out.")] = "",
    maps: mapping.Maps = None,
    missing: mapping.MissingWords = None,
    leavers: guarding.LeaversOption = None,
    now: Annotated[bool, typer.Option("--now", help="Run it at once, too.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell who would go out, with which values; make nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Keep an audience at a partner equal to a cohort: once, or for ever.

    Without --once, --every, --cron and --after it runs as often as is usual there. Its first run is due at once (that
    of --cron at its next time, that of --after when the other has run): `hub run-due` or `hub daemon` does it, or
    `hub sync run NAME`, or --now. --dry-run evaluates the cohort, and tells how many match, have no key or share one.
    """
    schedule = asked_schedule(once=once, every=every, cron=cron, zone=zone, after=after)
    hub, fields = open_hub(), mapping.asked_fields(maps, missing)
    mapping.check_at_partner(hub, connection, fields)
    if dry_run:
        plan = hub.trials.plan(cohort, connection, audience=audience, name=name, mapping=fields, leavers=leavers)
        _tried(plan, as_json)
        return
    schedule = schedule or Every(hub.connections.kind(connection).limits.default_interval)
    before = {each.name for each in hub.syncs.list() if each.state == ACTIVE}
    made = hub.syncs.start(
        cohort, connection, schedule=schedule, audience=audience, name=name, mapping=fields, leavers=leavers
    )
    if not as_json:
        verb = "puts" if once else "keeps"
        where = f"in {made.audience!r} at {connection}, {how_often(made)}"
        typer.echo(f"The sync {made.name} {verb} the cohort {cohort} {where}.")
    for other in hub.syncs.list():
        if other.name in before and other.state != ACTIVE and other.audience == made.audience:
            say(f"Note: the sync {other.name} wrote that audience, and is stopped.")
    warnings = hub.connections.get(connection).warnings
    for warning in warnings:
        say(f"Note: {warning}")
    if now:
        _run(hub, made.name, as_json)
    elif as_json:
        print_json({**made.figures(), "warnings": list(warnings)})
    else:
        command = f"hub sync run {quoted(made.name)}"
        typer.echo(when_first(made, hub.workspace.project.timezone, command))
        typer.echo(f"`hub sync plan {quoted(made.name)}` tells before that who goes out, and who cannot.")


@app.command()
def change(
    name: Name,
    once: IsOnce = False,
    every: Often = "",
    cron: CronText = "",
    zone: Zone = "",
    after: Leader = "",
    maps: mapping.Maps = None,
    missing: mapping.MissingWords = None,
    unmap: mapping.Unmaps = None,
    as_json: Json = False,
) -> None:
    """Give a sync another schedule, or change what it sends along. What is due already stays due.

    --map and --missing change the targets that they name, and no other. Where it sends to is another sync.
    """
    schedule = asked_schedule(once=once, every=every, cron=cron, zone=zone, after=after)
    if schedule is None and not (maps or missing or unmap):
        raise UsageError(
            "There is nothing to change.", hint="Give --every, --cron, --after, --once, --map, --missing or --unmap."
        )
    hub = open_hub()
    known = hub.syncs.get(name)
    fields = mapping.changed_fields(known.mapping, maps, missing, unmap)
    if fields is not None:
        mapping.check_at_partner(hub, known.connection, fields)
    changed = hub.syncs.change(name, schedule=schedule, mapping=fields)
    if as_json:
        print_json(changed.figures())
        return
    if schedule is not None:
        following = next_run(changed, hub.workspace.project.timezone)
        typer.echo(f"The sync {name} runs {how_often(changed)} now{f'; next run: {following}' if following else ''}.")
    if fields is not None:
        sends = "; ".join(mapping.field_lines(changed.mapping)) or "nothing but who is in it"
        typer.echo(f"From its next run on the sync {name} sends: {sends}.")


for command in (
    guarding.plan,
    guarding.guard,
    guarding.approve,
    guarding.refuse,
    repairing.verify,
    repairing.undo,
    freshness.freshness,
    why.attempts,
):
    app.command()(command)


@app.command()
def run(name: Name, as_json: Json = False) -> None:
    """Run a sync now. A run of it that was interrupted is gone on with, not begun again."""
    _run(open_hub(), name, as_json)


@app.command("list")
def list_syncs(as_json: Json = False) -> None:
    """Every sync, when it runs next, and how its last run ended."""
    hub = open_hub()
    found = hub.syncs.list()
    if as_json:
        print_json([each.figures() for each in found])
        return
    zone = hub.workspace.project.timezone
    print_table(
        ("sync", "cohort", "connection", "runs", "state", "fresh", "next run", "missed", "last run"),
        [
            (
                each.name,
                each.cohort,
                each.connection,
                how_often(each),
                each.state,
                freshness_words.in_short(each.freshness),
                next_run(each, zone),
                f"{each.missed:,}",
                in_short(each.last_run),
            )
            for each in found
        ],
        empty="There is no sync yet. Make one with `hub sync start COHORT CONNECTION`.",
        styles=freshness.STYLES,
    )


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """One sync, removed ones too: its schedule, its last runs, and who was refused in the last one."""
    hub = open_hub()
    found = hub.syncs.find(name)
    runs = hub.syncs.runs(name, limit=10)
    rejected = hub.syncs.rejected(runs[0].id) if runs else []
    if as_json:
        print_json(
            {
                **found.figures(),
                "runs": [each.figures() for each in runs],
                "rejected": [vars(each) for each in rejected],
                "verified": verified.figures() if (verified := hub.syncs.last_verification(name)) else None,
            }
        )
        return
    zone = hub.workspace.project.timezone
    typer.echo(f"{found.name}: {found.cohort} to {found.audience!r} at {found.connection}, {how_often(found)}")
    typer.echo(f"  {found.state}. {found.message}".rstrip())
    missed = f" ({counted(found.missed, 'tick was', 'ticks were')} missed)" if found.missed else ""
    if (following := next_run(found, zone)) or missed:
        typer.echo(f"  next run {following or 'none'}{missed}")
    for line in freshness.styled_lines(found.freshness, zone) if found.freshness else ():
        typer.echo(f"  {line}")
    for line in mapping.field_lines(found.mapping):
        typer.echo(f"  {line}")
    if verified := hub.syncs.last_verification(name):
        typer.echo(f"  {repairing.last_verified(verified)}")
    for each in runs:
        typer.echo(f"  {shown(each.created_at, zone)}  {sentence(each)}")
    for member in rejected:
        typer.echo(f"  refused: {member.person} ({member.key}): {member.reason}")


@app.command()
def stop(name: Name) -> None:
    """Take a sync off the schedule. What the partner holds stays as it is."""
    say(f"The sync {open_hub().syncs.stop(name).name} is stopped.")


@app.command()
def pause(name: Name) -> None:
    """Let a sync wait: it keeps its audience and its place in time, and `hub sync resume` lets it go on."""
    say(f"The sync {open_hub().syncs.pause(name).name} is paused.")


@app.command()
def resume(name: Name) -> None:
    """Let a paused sync go on where it was, or put a stopped one back on the schedule, due now."""
    hub = open_hub()
    resumed = hub.syncs.resume(name)
    due = resumed.next_run_at and resumed.next_run_at <= clock_now()
    following = next_run(resumed, hub.workspace.project.timezone)
    say(f"The sync {name} is due now." if due else f"The sync {name} goes on; next run: {following}.")


@app.command()
def remove(name: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Remove a sync. What the partner holds stays as it is, the ledger keeps the runs, and the name is free."""
    hub = open_hub()
    if not yes:
        say(hub.syncs.removal(name).sentence())
        confirm(f"Remove the sync {name}?", yes=yes)
    left = asyncio.run(hub.syncs.remove(name))
    if as_json:
        print_json({**left.figures(), "removed": True})
        return
    typer.echo(f"Removed the sync {name}. {left.sentence()}")


def _run(hub: Hub, name: str, as_json: bool) -> None:
    with interruptible() as asked, shown_progress(asked) as report:
        running = hub.syncs.run(name, report=report, stop=asked)
        run = asyncio.run(guarded_from_standstill(running, say=say))
    ended(run, as_json)


def _tried(found: Preview, as_json: bool) -> None:
    if as_json:
        print_json(found.figures())
        return
    from hub.sync.plan_words import plan_lines

    for line in plan_lines(found):
        typer.echo(line)
