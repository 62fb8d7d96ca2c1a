"""Who is in a cohort, on the command line: counted, printed, exported, recorded."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.context import Json, open_hub, print_json, say
from hub.clock import counted
from hub.cohorts.edges import instant
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.cohorts.export import Format

Name = Annotated[str, typer.Argument(help="The cohort's name.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME...", help="The cohorts.", show_default=False)]
All = Annotated[bool, typer.Option("--all", help="Every cohort.")]
AsOf = Annotated[
    str,
    typer.Option(
        "--as-of", metavar="T", help="Leave out later events: an instant with its zone, or a day, which is its end."
    ),
]
KnownAt = Annotated[
    str,
    typer.Option("--known-at", metavar="T", help="Leave out what the hub got later, profiles and ids too; likewise."),
]
Properties = Annotated[
    list[str] | None,
    typer.Option("--property", metavar="NAME", help="A property of the profile, beside them; repeatable."),
]


def count(
    names: Names = None, everything: All = False, as_of: AsOf = "", known_at: KnownAt = "", as_json: Json = False
) -> None:
    """How many people are in a cohort, or in several, now or as of another time. Several are counted together."""
    hub = open_hub()
    wanted = _wanted(names, everything)
    found = hub.cohorts.count_all(wanted, **times(hub, as_of, known_at))
    for warning in (warning for each in found for warning in each.warnings):
        say(f"Warning: {warning}")
    if as_json:
        told = [each.figures() for each in found]
        print_json(told[0] if len(wanted) == 1 else told)
        return
    for each in found:
        people = counted(each.count, "person is", "people are")
        typer.echo(f"{people} in {each.cohort}{f' ({each.seconds:.2f} s)' if len(found) == 1 else ''}.")
    if not found:
        say("There is no cohort yet. Make one with `hub cohort add NAME --where TEXT`.")
    if len(found) > 1:
        say(f"Counted together in {found[0].seconds:.2f} s.")


def refresh(names: Names = None, everything: All = False, as_json: Json = False) -> None:
    """Evaluate cohorts now and record who entered and left since the last time: for other tools, and for cron.

    The record is the table `membership_changes` of the lake. A sync's run records its cohort, too.
    """
    hub = open_hub()
    found = hub.cohorts.refresh(_wanted(names, everything))
    if as_json:
        print_json([each.figures() for each in found])
        return
    for each in found:
        changed = f"{each.entered:,} entered, {each.left:,} left" if each.entered is not None else ""
        people = counted(each.size, "person is", "people are")
        typer.echo(f"{people} in {each.cohort}: {changed or 'another process has just recorded it'}.")


def members(
    name: Name,
    properties: Properties = None,
    as_of: AsOf = "",
    known_at: KnownAt = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header, as export does.")] = False,
    as_json: Json = False,
) -> None:
    """Everybody who is in a cohort, each once: lines with tabs, CSV, or one JSON object a line."""
    if as_csv and as_json:
        raise UsageError("--csv and --json exclude each other.", hint="Choose one of them.")
    from hub.cohorts.export import Format, OutputClosed, headings

    hub, wanted = open_hub(), properties or []
    names, asked = headings(wanted), times(hub, as_of, known_at)
    try:
        if as_csv:
            hub.cohorts.export(name, sys.stdout.buffer, Format.CSV, properties=wanted, **asked)
            return
        found = hub.cohorts.members(name, properties=wanted, **asked)
        if not as_json:
            typer.echo("\t".join(names))
        for member in found:
            if as_json:
                print_json(member)
            else:
                typer.echo("\t".join(_cell(value) for value in _row(member, wanted)))
    except (BrokenPipeError, OutputClosed):
        _nobody_reads()


def export(
    name: Name,
    file: Annotated[str, typer.Argument(help="The file to write, as a whole or not at all; - for standard output.")],
    kind: Annotated[
        str, typer.Option("--format", metavar="csv|parquet", help="Parquet if left out and FILE ends so, else CSV.")
    ] = "",
    properties: Properties = None,
    as_of: AsOf = "",
    known_at: KnownAt = "",
    as_json: Json = False,
) -> None:
    """Write everybody who is in a cohort to a file, CSV or Parquet, each once; as many as there are.

    With --json, what was written is told as an object on standard output (of `-`: on standard error).
    """
    from hub.cohorts.export import Exported, OutputClosed, whole_file

    form = _format(kind, file)
    hub, to_output = open_hub(), file == "-"
    if to_output and form == "parquet" and sys.stdout.isatty():
        raise UsageError("Parquet is nothing for a terminal.", hint="Name a file, or send it on: > members.parquet")
    stream: AbstractContextManager[IO[bytes]] = nullcontext(sys.stdout.buffer) if to_output else whole_file(Path(file))
    asked = times(hub, as_of, known_at)
    hub.cohorts.get(name)  # an unknown one leaves no file
    try:
        with stream as output:
            written = hub.cohorts.export(name, output, form, properties=properties or [], **asked)
    except OutputClosed:
        _nobody_reads()
        raise
    done = Exported(name, file, form.value, written)
    if as_json and not to_output:
        print_json(done.figures())
        return
    say(f"Wrote {counted(written, 'member')} of {name}{'' if to_output else f' to {file}'}.")


def times(hub: Hub, as_of: str, known_at: str) -> dict[str, Any]:
    """The instants that the options name, in the project's zone: `as_of`, `known_at`."""
    return {"as_of": at(hub, as_of), "known_at": at(hub, known_at)}


def at(hub: Hub, text: str) -> datetime | None:
    """The instant that an option names, in the project's zone; None when it is not given."""
    return instant(text, hub.workspace.project.zone) if text else None


def _wanted(names: list[str] | None, everything: bool) -> list[str]:
    if bool(names) == everything:
        raise UsageError(
            "Which cohorts is not said." if not names else "--all goes without names.",
            hint="Give their names, or --all.",
        )
    return names or []


def _format(kind: str, file: str) -> Format:
    from hub.cohorts.export import Format

    if not kind:
        return Format.PARQUET if file.lower().endswith(".parquet") else Format.CSV
    try:
        return Format(kind.lower())
    except ValueError:
        raise UsageError(f"--format {kind!r} is not known.", hint="Write csv or parquet.") from None


def _row(member: dict[str, Any], properties: list[str]) -> list[object]:
    from hub.cli.values import shown_value

    values = member.pop("properties", {})
    shown = (shown_value(values[name]) if name in values else "" for name in properties)
    return [*member.values(), *shown]


def _nobody_reads() -> None:
    """What is left in the buffer must not be tried again at the end of the process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _cell(value: object) -> str:
    """A value between tabs: one that holds tabs or ends of lines itself keeps to its place."""
    text = "" if value is None else str(value)
    return text if text.isprintable() else " ".join(text.split())
