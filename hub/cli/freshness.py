"""How fresh a sync is, in words: part of `hub sync`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from hub.cli.context import Json, open_hub, print_json
from hub.errors import UsageError
from hub.sync.freshness import FRESH, LATE, STALE, Freshness
from hub.sync.freshness_words import freshness_lines
from hub.sync.intervals import interval

STYLES = {FRESH: "green", LATE: "yellow", STALE: "bold red"}
"""The colours of the words; each word stands for itself without."""


def freshness(
    name: Annotated[str, typer.Argument(help="The sync's name.")],
    within: Annotated[str, typer.Option(help="It is late once a change is that old: 30m, 4h, 1d.")] = "",
    usual: Annotated[bool, typer.Option("--usual", help="It is late when its schedule says so, again.")] = False,
    as_json: Json = False,
) -> None:
    """How fresh what a sync keeps is; and from when on it is late."""
    if within and usual:
        raise UsageError("--within and --usual exclude each other.")
    hub = open_hub()
    found = hub.syncs.freshness(name, within=interval(within) if within else None, usual=usual).freshness
    assert found is not None
    if as_json:
        print_json({"sync": name, **found.figures()})
        return
    for line in styled_lines(found, hub.workspace.project.timezone):
        typer.echo(line)


def styled_lines(found: Freshness, zone: str) -> Iterator[str]:
    """The lines of `hub.sync.freshness_words`, the word in its colour."""
    for line in freshness_lines(found, zone):
        is_the_word = found.state and line.startswith(f"{found.state}:")
        yield _styled(found.state) + line.removeprefix(found.state) if is_the_word else line


def _styled(state: str) -> str:
    *bold, colour = STYLES[state].split()
    return typer.style(state, fg=colour, bold=bool(bold))
