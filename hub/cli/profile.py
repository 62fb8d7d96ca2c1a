"""`hub profile`: profiles in."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli.context import Json, open_hub
from hub.cli.importing import Strict, import_files

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
