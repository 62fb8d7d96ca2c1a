"""`hub event`: events in."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli.context import Json, open_hub
from hub.cli.importing import import_files

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _noun() -> None:
    """Events."""


@app.command("import")
def import_(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON lines, plain or gzipped; - for stdin.")],
    as_json: Json = False,
) -> None:
    """Take in files of events: one JSON object a line, as Mixpanel's import takes and its raw export gives them.

    A file that is in already adds nothing, and one that was interrupted goes on where it stopped. Lines that cannot go
    in are told on standard error, and the command ends with 4. With --json: one object a file, with `file`, `digest`,
    `state` (done, already imported), `lines`, `accepted`, `rejected`, `reasons`, `rejects` (the first 100), `seconds`.
    """
    events = open_hub().events
    import_files(
        files,
        "events",
        lambda file, progress, stop: events.import_file(file, progress=progress, stop=stop),
        as_json=as_json,
    )
