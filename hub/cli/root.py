"""The `hub` command: its global options, its nouns, and how errors are told."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hub.cli.context import Json, Yes, chosen, open_hub, print_json, say, stopped_by
from hub.cli.mtu import By
from hub.errors import HubError, Interrupted, UsageError
from hub.private import keep_private

NOUNS = {
    "alert": "Alerts: what is wrong, and who is told.",
    "project": "Projects: each with its own events, people, cohorts and syncs.",
    "token": "Tokens: who may send events and profiles to a project.",
    "event": "Events: in from files, out again, and what the server refused.",
    "profile": "Profiles: in from files, as they are, and how they came to be so.",
    "person": "People: all that is known of somebody.",
    "cohort": "Cohorts: define, count and list people.",
    "warehouse": "Warehouses: databases that are asked for the members of cohorts.",
    "connection": "Connections: accounts at partners.",
    "sync": "Syncs: keep a cohort at a partner, once or for ever.",
    "inbound": "Message events: what partners tell back.",
    "lake": "The lake: what its tables hold, and compacting them.",
    "plugin": "Plugins: what is installed, and what is broken.",
}
"""Each noun is a module of its own, imported when it is used: `hub --help` stays quick."""


class _Nouns(TyperGroup):
    """A group that lists its nouns without importing them, and imports the one that is used."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted({*super().list_commands(ctx), *NOUNS})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in NOUNS:
            return TyperGroup(name=cmd_name, help=NOUNS[cmd_name])
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        noun = args[0] if args else ""
        if noun not in NOUNS:
            return super().resolve_command(ctx, args)
        module = importlib.import_module(f"hub.cli.{noun}")
        command = typer.main.get_command(module.app)
        command.name, command.help = noun, NOUNS[noun]
        return noun, command, args[1:]


app = typer.Typer(
    cls=_Nouns,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Events in, cohorts out to messaging partners, their message events back.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from hub.settings import version

        typer.echo(f"cohort-hub {version()}")
        raise typer.Exit


@app.callback()
def _options(
    home: Annotated[Path | None, typer.Option("--home", help="The folder that holds everything (or HUB_HOME).")] = None,
    project: Annotated[str, typer.Option("--project", help="The project to work on (or HUB_PROJECT).")] = "",
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    chosen.home, chosen.project = home, project


@app.command()
def init(
    timezone: Annotated[
        str | None, typer.Option(help="The project's time zone, an IANA name; UTC if left out.")
    ] = None,
    identity: Annotated[
        str | None, typer.Option(help="How people are merged: simplified (if left out) or original.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a hub in the home, or bring the one that is there up to date. Never asks."""
    from hub.projects import initialise
    from hub.settings import load

    settings = load(chosen.home)
    asked = {"timezone": timezone, "identity": identity}
    new = initialise(settings, **{name: value for name, value in asked.items() if value is not None})
    if not new:
        _say_what_stays(timezone, identity)
    if as_json:
        print_json({"home": str(settings.home), "new": new})
        return
    typer.echo(f"{'Made a hub' if new else 'The hub is up to date'} in {settings.home}.")
    if new:
        typer.echo("Next: hub event import FILE, or hub serve for what apps send. To see it all at once: hub demo.")


def _say_what_stays(timezone: str | None, identity: str | None) -> None:
    project = open_hub().workspace.project
    for what, asked, is_now in (("time zone", timezone, project.timezone), ("identity", identity, project.identity)):
        if asked not in (None, is_now):
            say(f"Note: the {what} of the project {project.name} stays {is_now}, not {asked}: it is chosen once.")


@app.command()
def status(as_json: Json = False) -> None:
    """What the hub holds, and what to do next."""
    from hub.clock import counted, shown

    found = open_hub().status()
    if as_json:
        print_json(found.figures())
        return
    newest = f", the newest of {shown(found.newest_event, found.timezone)}" if found.newest_event else ""
    running = f" ({found.running} running)" if found.running else ""
    typer.echo(f"Hub in {found.home}, project {found.project} ({found.timezone}, {found.identity} identity)")
    typer.echo(f"  {counted(found.events, 'event')}{newest}; {counted(found.profiles, 'profile')}")
    parts = counted(found.cohorts, "cohort"), counted(found.connections, "connection"), counted(found.syncs, "sync")
    fresh = ", ".join(f"{number} {word}" for word, number in found.freshness.items() if number)
    typer.echo(f"  {', '.join(parts)}{running}{f' ({fresh})' if fresh else ''}")
    for problem in found.problems:
        typer.echo(f"  ! {problem}")
    typer.echo(f"Next: {found.next_step}")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Look at everything that the hub stands on, and say how to mend what is not well."""
    from hub.settings import load
    from hub.status import diagnose

    findings = diagnose(load(chosen.home))
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            typer.echo(f"{'ok ' if finding.ok else 'BAD'}  {finding.subject}: {finding.said}")
            if not finding.ok:
                typer.echo(f"     {finding.advice}")
    raise typer.Exit(0 if all(finding.ok for finding in findings) else 1)


@app.command("run-due")
def run_due(as_json: Json = False) -> None:
    """Run every sync and every pull that is due, once. For cron. Works on all projects, or on that of --project."""
    import asyncio

    from hub.cli.context import interruptible
    from hub.running.standstill import guarded_from_standstill
    from hub.schedule import run_due as work

    hub = open_hub()
    with interruptible() as stop:
        working = work(hub, say=say, stop=stop, only=bool(chosen.project))
        due = asyncio.run(guarded_from_standstill(working, say=say))
    if as_json:
        print_json(
            {
                "runs": [run.figures() for run in due.runs],
                "pulled": due.pulled,
                "received": due.received,
                "problems": due.problems,
            }
        )
    else:
        for run in due.runs:
            typer.echo(_sentence(run))
        for name, new in [*due.received.items(), *due.pulled.items()]:
            typer.echo(f"{name}: {new} new message events")
        for name in due.checked:
            typer.echo(f"{name}: the connection works")
        if not (due.runs or due.pulled or due.received or due.checked or due.problems):
            typer.echo("Nothing is due.")
    for name, problem in due.problems.items():
        say(f"{name}: {problem}")
    raise typer.Exit(due.exit_code)


def _sentence(run: Any) -> str:
    from hub.cli.run_results import sentence

    return sentence(run)


AtOnce = Annotated[
    int | None, typer.Option(min=1, max=64, help="So many syncs and pulls at a time (or HUB_DAEMON_SYNCS).")
]
MetricsAt = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Serve metrics for Prometheus there, such as 127.0.0.1:9464.")
]


@app.command()
def daemon(
    syncs: AtOnce = None,
    metrics: MetricsAt = "",
    check: Annotated[
        bool, typer.Option("--check", help="Tell whether the daemon of this home is well, instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Do what is due, of all projects, until Ctrl-C or SIGTERM: then it saves what is in hand within 30 s, and ends."""
    from hub.cli.daemon import check_daemon, run_daemon

    if check:
        check_daemon(as_json)
        return
    run_daemon(syncs, metrics)


@app.command()
def worker(
    syncs: AtOnce = None,
    metrics: MetricsAt = "",
    check: Annotated[
        bool, typer.Option("--check", help="Tell whether the worker of this machine is well, instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Do what is due together with workers on other machines, on one PostgreSQL, until Ctrl-C or SIGTERM."""
    from hub.cli.worker import check_worker, run_worker

    if check:
        check_worker(as_json)
        return
    run_worker(syncs, metrics)


@app.command()
def why(
    asked: Annotated[str, typer.Argument(metavar="PERSON", help="Any id of the person, or an address of a profile.")],
    sync: Annotated[str, typer.Option(help="Only this sync.")] = "",
    since: Annotated[str, typer.Option(help="From this instant or day on.")] = "",
    until: Annotated[str, typer.Option(help="Up to this instant, or to the end of this day.")] = "",
    as_json: Json = False,
) -> None:
    """What became of somebody: when sent, where, what the partner said, and why not. The oldest comes first."""
    from hub.cli.why import tell

    tell(asked, sync=sync, since=since, until=until, as_json=as_json)


@app.command()
def mtu(
    month: Annotated[str, typer.Option(help="YYYY-MM in the project's zone; the present one if left out.")] = "",
    months: Annotated[
        int | None, typer.Option(min=1, max=120, help="So many months, ending with that one; the oldest first.")
    ] = None,
    by: Annotated[By | None, typer.Option(help="How many of them had events of each source.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw the months as bars, too.")] = False,
    exempt: Annotated[bool, typer.Option("--exempt", help="List the exempt events instead, and who says so.")] = False,
    as_json: Json = False,
) -> None:
    """Monthly tracked users: people with an event that is not exempt."""
    from hub.cli.mtu import show, show_exempt

    if plot and as_json:
        raise UsageError("--plot draws for people, --json prints for scripts.", hint="Choose one of them.")
    if exempt and (month or months or by or plot):
        raise UsageError("--exempt lists events and counts nobody.", hint="It goes with --json alone.")
    hub = open_hub()
    exemptions = hub.exemptions()
    for warning in exemptions.warnings():
        say(warning)
    if exempt:
        show_exempt(exemptions, as_json)
        return
    found = hub.mtu_by_month(months or 1, month, by_source=by is By.SOURCE)
    show(found, as_json=as_json, several=months is not None, plot=plot)


@app.command()
def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; 0.0.0.0 is all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 is a free one.")] = 8420,
) -> None:
    """Take in what SDKs send, for all projects, and move it to the lake. Ctrl-C or SIGTERM ends it within 10 s."""
    from hub.cli.serve import serve_hub

    serve_hub(host, port)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, such as hub-2026-11-25.backup.")],
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Save the whole hub in one file, as it is at one instant, while everything goes on. The key is not in it."""
    from hub.cli.backup import save

    save(file, replace=replace, as_json=as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `hub backup` made.")],
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of the hub that is there.")] = False,
    nothing_sent_since: Annotated[
        bool,
        typer.Option("--nothing-sent-since", help="No sync has run since the backup: nobody is sent once more."),
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Put a backup back, into an empty home or with --replace into any. End what runs on that home first."""
    from hub.cli.backup import put_back

    put_back(file, replace=replace, certain=nothing_sent_since, yes=yes, as_json=as_json)


@app.command()
def apply(
    file: Annotated[Path | None, typer.Argument(help="What the project is to hold; - for stdin.")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would be done, and its digest; do nothing.")] = False,
    digest: Annotated[str, typer.Option(metavar="D", help="Do the plan with this digest, and no other.")] = "",
    prune: Annotated[bool, typer.Option("--prune", help="Remove what the file's sections do not have.")] = False,
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the history of cohorts.")] = "",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of such a file instead.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make connections, cohorts and syncs what a file says. Applying it again changes nothing.

    Everything is checked first. The digest of a plan binds what was reviewed: hub apply hub.yaml --digest D is refused
    (exit code 3) when the file or the hub has changed since. `hub export hub.yaml` writes such a file.
    """
    from hub.cli.apply import apply as apply_file
    from hub.cli.apply import print_schema

    if schema:
        print_schema()
        return
    apply_file(file, plan_only=plan, digest=digest, prune=prune, message=message, yes=yes, as_json=as_json)


@app.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="The file to write; standard output if left out.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
    as_json: Json = False,
) -> None:
    """Write connections (without their secrets), cohorts and syncs as a file that `hub apply` reads."""
    from hub.cli.apply import export as export_file

    export_file(file, replace=replace, as_json=as_json)


@app.command()
def tui() -> None:
    """Open the terminal UI."""
    from importlib.metadata import entry_points

    found = [*entry_points(group="hub.tui")]
    if not found:
        raise HubError("No terminal UI is installed.", hint="Install cohort-hub again.")
    found[0].load()(chosen.home)


@app.command()
def demo(
    with_tui: Annotated[
        bool, typer.Option("--tui", help="Open the terminal UI on the demo, with the sandbox.")
    ] = False,
    home: Annotated[
        Path | None, typer.Option("--home", help="The demo's home, emptied each time; `.demo` here if left out.")
    ] = None,
    people: Annotated[int, typer.Option(min=400, help="How many people the simulated shop has.")] = 24_000,
    as_json: Json = False,
) -> None:
    """See it all on simulated data: events in, a cohort to a sandbox partner, its message events back."""
    from hub.cli.demo import play

    play(home, people=people, tui=with_tui, as_json=as_json)


@app.command()
def sandbox(
    partner: Annotated[str, typer.Argument(help="The partner, such as mailchimp.")],
    port: Annotated[int | None, typer.Option(help="The port to listen on; its own if left out.")] = None,
) -> None:
    """Run a sandbox partner on this machine: a server that behaves like the real one. Ctrl-C ends it."""
    from hub.cli.sandbox import serve_sandbox

    serve_sandbox(partner, port)


def run() -> None:
    """Run the command; tell errors to people, and the exit code to scripts."""
    keep_private()
    _open_standard_streams()
    try:
        app()
    except KeyboardInterrupt:
        say("Interrupted.")
        sys.exit(130)
    except OSError as error:
        sys.exit(_tell_os_error(error))
    except HubError as error:
        say(f"Error: {error.message}")
        if error.hint:
            say(f"       {error.hint}")
        sys.exit(_exit_code(error))


def _tell_os_error(error: OSError) -> int:
    if error.errno == errno.ENOSPC:
        say("Error: The output cannot be written: the disk is full.")
    else:
        where = f"{error.filename}: " if error.filename else ""
        say(f"Error: {where}{error.strerror or error}.\n       Run `hub doctor`.")
    return 1


def _open_standard_streams() -> None:
    """Give a process that was started without them (`>&-`) an output and an error output that nobody sees.

    Else the next files that are opened, the database among them, would stand in their place. A standard input that is
    closed stays None in Python: who reads it says so.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)
        elif number > 0:
            stream.reconfigure(errors="backslashreplace")  # names of files may be any bytes
    sys.stdout = sys.stdout or os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _exit_code(error: HubError) -> int:
    number = stopped_by()
    return 128 + number if isinstance(error, Interrupted) and number else error.exit_code
