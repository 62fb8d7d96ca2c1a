"""`hub profile`: profiles in, as they are, and how they came to be so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.context import Json, open_hub, print_json, say
from hub.cli.importing import Strict, import_files
from hub.cli.values import harmless, property_lines, shortened, shown_value
from hub.clock import counted, shown

if TYPE_CHECKING:
    from hub.people.profile_history import Change

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _noun() -> None:
    """Profiles."""


@app.command("import")
def import_(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="JSON lines or a JSON array; plain, gzip or zstd; - for stdin."),
    ],
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Take in files of profiles: one JSON object a line, or a JSON array of them, as Mixpanel's /engage takes and its
    profile export gives them.

    Operators ($set, $set_once, $add, $append, $union, $remove, $unset, $delete) are folded in, in the file's order. A
    file that is in already changes nothing, and one that was interrupted goes on where it stopped. Lines that cannot
    go in are told on standard error, and the command ends with 4. With --json: one object a file, as of `hub event
    import`.
    """
    profiles = open_hub().profiles
    import_files(
        files,
        "profiles",
        lambda file, progress, stop: profiles.import_file(file, strict=strict, progress=progress, stop=stop),
        as_json=as_json,
    )


Id = Annotated[str, typer.Argument(metavar="ID", help="An id of the person, letter for letter.")]


@app.command()
def show(distinct_id: Id, as_json: Json = False) -> None:
    """The profile of a person as it is now, by any of their ids.

    Values are cut to the width of the terminal; --json has them whole.
    """
    hub = open_hub()
    found = hub.profiles.get(distinct_id)
    if as_json:
        print_json(found.figures())
        return
    zone = hub.workspace.project.timezone
    typer.echo(f"{harmless(found.distinct_id)}: {_size(found.properties)}, last changed {shown(found.known_at, zone)}.")
    for line in property_lines(found.properties):
        typer.echo(line)


@app.command()
def history(distinct_id: Id, as_json: Json = False) -> None:
    """What changed in the profiles of a person and when the hub got to know, the oldest change first.

    Changes that only moved $last_seen are counted at the end; --json has them, one object a line, with whole values.
    """
    hub = open_hub()
    changes = hub.profiles.history(distinct_id)
    if as_json:
        for change in changes:
            print_json(change.figures())
        return
    only_seen = 0
    for change in changes:
        if change.only_seen:
            only_seen += 1
            continue
        for line in _change(change, hub.workspace.project.timezone):
            typer.echo(line)
    if only_seen:
        say(f"{counted(only_seen, 'more change')} only moved $last_seen.")


def _change(change: Change, zone: str) -> Iterator[str]:
    yield f"{shown(change.known_at, zone)}  {harmless(change.distinct_id)}{'  deleted' if change.deleted else ''}"
    yield from property_lines(change.added, indent="  + ")
    yield from property_lines(change.changed, indent="  ~ ", show=_both)
    yield from property_lines(change.removed, indent="  - ")


def _both(values: tuple[Any, Any], width: int) -> str:
    """A value before and after, each with half of the room if both do not fit."""
    old, new = (shown_value(value) for value in values)
    whole = f"{old} -> {new}"
    half = (width - 4) // 2
    return whole if shortened(whole, width) == whole else f"{shortened(old, half)} -> {shortened(new, half)}"


def _size(properties: dict[str, Any]) -> str:
    return counted(len(properties), "property", "properties")
