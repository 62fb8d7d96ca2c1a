"""`hub project`: several projects in one hub, kept apart."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.cli.context import Json, chosen, open_hub, print_json, print_table, quoted, say
from hub.clock import counted
from hub.errors import UsageError
from hub.workspace import Project

app = typer.Typer(no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(help="The project's name.")]


@app.callback()
def _noun() -> None:
    """Projects."""


@app.command()
def add(
    name: Name,
    timezone: Annotated[str, typer.Option(help="An IANA name: what a day and a month are.")] = "UTC",
    identity: Annotated[str, typer.Option(help="How people are merged: simplified or original.")] = "simplified",
    as_json: Json = False,
) -> None:
    """Make a project. Every command works on it with --project NAME before the noun, or with HUB_PROJECT."""
    made = open_hub().projects.add(name, timezone=timezone, identity=identity)
    if as_json:
        print_json(_figures(made))
        return
    typer.echo(f"Made the project {made.name} ({made.timezone}, {made.identity} identity).")
    typer.echo(f"Next: hub --project {quoted(made.name)} token add")


@app.command("list")
def list_projects(as_json: Json = False) -> None:
    """Every project; the first is worked on when none is named."""
    hub = open_hub()
    found = hub.projects.list()
    if as_json:
        print_json([_figures(each) for each in found])
        return
    print_table(
        ("number", "project", "time zone", "identity", ""),
        [
            (str(each.id), each.name, each.timezone, each.identity, "(this)" if each == hub.workspace.project else "")
            for each in found
        ],
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The project's name; left out: the one that commands work on.")] = "",
    as_json: Json = False,
) -> None:
    """One project, and what it holds."""
    if name:
        chosen.project = name
    hub = open_hub()
    project, status, tokens = hub.workspace.project, hub.status(), hub.tokens.list()
    held = {
        "event": status.events,
        "profile": status.profiles,
        "cohort": status.cohorts,
        "connection": status.connections,
        "sync": status.syncs,
        "token": len(tokens),
    }
    if as_json:
        print_json({**_figures(project), **{f"{thing}s": number for thing, number in held.items()}})
        return
    typer.echo(f"{project.name}: number {project.id}, {project.timezone}, {project.identity} identity")
    typer.echo(f"  {', '.join(counted(number, thing) for thing, number in held.items())}")


@app.command()
def edit(
    name: Name,
    new_name: Annotated[str, typer.Option("--name", help="What to call it from now on.")] = "",
    timezone: Annotated[str, typer.Option(help="An IANA name; days and months are cut anew, in all reports.")] = "",
    identity: Annotated[str, typer.Option(help="simplified or original; fixed once data is in.")] = "",
    as_json: Json = False,
) -> None:
    """Rename a project, or change its time zone, or its identity system while it holds no data."""
    if not (new_name or timezone or identity):
        raise UsageError("Nothing to change.", hint="Give --name, --timezone or --identity.")
    edited = open_hub().projects.edit(name, new_name=new_name, timezone=timezone, identity=identity)
    if as_json:
        print_json(_figures(edited))
        return
    typer.echo(f"The project {edited.name} has the time zone {edited.timezone} and {edited.identity} identity.")
    if edited.name != name:
        say(f"Scripts that say --project {quoted(name)} or HUB_PROJECT={quoted(name)} have to be changed.")


def _figures(project: Project) -> dict[str, Any]:
    return {
        "project": project.name,
        "id": project.id,
        "timezone": project.timezone,
        "identity": project.identity,
    }
