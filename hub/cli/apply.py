"""`hub apply` and `hub export`: a hub as code."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from hub.cli.context import confirm, open_hub, print_json, say
from hub.cli.values import harmless
from hub.cli.versions import print_difference
from hub.clock import counted
from hub.cohorts.versions import compared
from hub.errors import AlreadyExists, UsageError

if TYPE_CHECKING:
    from hub.declared.file import Declared
    from hub.declared.plan import Entry, FieldChange, Plan

_SIGNS = {"make": "+", "change": "~", "remove": "-"}
_COLOURS = {"make": typer.colors.GREEN, "change": typer.colors.YELLOW, "remove": typer.colors.RED}


def apply(
    file: Path | None, *, plan_only: bool, digest: str, prune: bool, message: str, yes: bool, as_json: bool
) -> None:
    """Make the project what the file says, or show what that would do."""
    from hub.declared.plan import listed

    if plan_only and digest:
        raise UsageError("--plan makes a digest, --digest uses one.", hint="Give one of them.")
    declared, hub = _read(file), open_hub()
    plan = hub.plan_file(declared, prune=prune)
    if plan_only or not digest or digest == plan.digest:
        _show(plan, as_json=as_json)
    if plan_only:
        _finish(plan, applied=False, as_json=as_json)
        return
    going = [entry for entry in plan.to_do if entry.action == "remove"]
    if going and not digest:
        say(f"To be removed: {harmless(listed(going))}.")
        confirm("Remove them?", yes=yes)
    plan = hub.apply_file(declared, prune=prune, digest=digest or plan.digest, message=message)
    _finish(plan, applied=True, as_json=as_json)


def print_schema() -> None:
    """Print the JSON Schema of the file."""
    from hub.declared.schema import hub_file_schema

    typer.echo(json.dumps(hub_file_schema(), indent=2))


def export(file: Path | None, *, replace: bool, as_json: bool) -> None:
    """Write what the project holds, as `hub apply` reads it."""
    from hub.declared.exporting import export_document

    hub = open_hub()
    if as_json:
        print_json(export_document(hub))
        return
    text = hub.export()
    if file is None or str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        with file.open("w" if replace else "x", encoding="utf-8") as written:
            written.write(text)
    except FileExistsError as error:
        raise AlreadyExists(f"There is a file {file} already.", hint="Give --replace to write over it.") from error
    say(f"Wrote {file}. Next: hub apply {file} --plan")


def _read(file: Path | None) -> Declared:
    from hub.cohorts.reading import text_of_file
    from hub.declared.file import read_hub_file

    if file is None:
        raise UsageError("The file is missing.", hint="`hub export hub.yaml` writes one to begin with.")
    if str(file) == "-":
        return read_hub_file(typer.get_text_stream("stdin").read(), "standard input")
    return read_hub_file(text_of_file(file), file.name)


def _show(plan: Plan, *, as_json: bool) -> None:
    for warning in plan.warnings:
        say(f"Warning: {harmless(warning)}")
    if as_json:
        return
    for entry in plan.to_do:
        _show_entry(entry)


def _show_entry(entry: Entry) -> None:
    line = f"{_SIGNS[entry.action]} {entry.thing} {entry.name}"
    typer.secho(harmless(line), fg=_COLOURS[entry.action])
    for each in entry.fields:
        _show_field(entry, each)
    for note in entry.notes:
        typer.echo(f"    {harmless(note)}")


def _show_field(entry: Entry, each: FieldChange) -> None:
    if each.name == "definition":
        lines = compared(each.before, each.after)
        made = [f"  {line.removeprefix('+ ')}" for line in lines]
        print_difference(made if entry.action == "make" else lines, "    ")
    elif entry.action == "make":
        typer.echo(f"    {each.name}: {_value(each.after)}")
    else:
        typer.echo(f"    {each.name}: {_value(each.before)} -> {_value(each.after)}")


def _value(value: Any) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return harmless(text)


def _finish(plan: Plan, *, applied: bool, as_json: bool) -> None:
    from hub.declared.plan import listed

    if as_json:
        print_json({"applied": applied, **plan.figures()})
        return
    counts = {action: sum(entry.action == action for entry in plan.entries) for action in ("make", "change", "remove")}
    words = ("made", "changed", "removed") if applied else ("to make", "to change", "to remove")
    done = ", ".join(f"{number} {word}" for number, word in zip(counts.values(), words, strict=True))
    unchanged = sum(entry.action == "unchanged" for entry in plan.entries)
    if left := [entry for entry in plan.entries if entry.action == "left"]:
        some = listed(left[:5]) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        say(f"In the hub alone, and left: {harmless(some)}. --prune removes what its sections do not have.")
    for variable in plan.needs:
        say(f"Needed in the environment: {variable}")
    same = f"{counted(unchanged, 'thing is', 'things are')} as the file says."
    typer.echo(f"{done}; {same}" if plan.to_do else f"Nothing to do: {same}")
    if not applied:
        typer.echo(f"Digest: {plan.digest}")
