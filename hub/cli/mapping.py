"""`--map`, `--missing` and `--unmap` of `hub sync start` and `hub sync change`: what a sync sends along."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.context import say
from hub.errors import UsageError
from hub.sync.mapping import Field, fields_of, pairs_of

if TYPE_CHECKING:
    from hub.app import Hub

Maps = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="TARGET=PROPERTY",
        help="Send a profile property under this name there, with steps if need be: FNAME='$first_name|trim'.",
    ),
]
MissingWords = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        metavar="TARGET=WHAT",
        help="What a missing value does there: skip (at first), clear, or set-if-empty.",
    ),
]
Unmaps = Annotated[
    list[str] | None, typer.Option("--unmap", metavar="TARGET", help="Send it no more; what is there stays.")
]


def asked_fields(lines: list[str] | None, missing: list[str] | None) -> dict[str, Field]:
    """The mapping of a new sync. Raises UsageError."""
    return pairs_of(lines or [], missing=missing or [])


def changed_fields(
    stored: Mapping[str, Any], lines: list[str] | None, missing: list[str] | None, unmap: list[str] | None
) -> dict[str, Field] | None:
    """The mapping that a sync is to have, whose present one is `stored`; None when nothing is said of it."""
    if not (lines or missing or unmap):
        return None
    known = fields_of(stored)
    for target in unmap or []:
        if known.pop(target, None) is None:
            raise UsageError(f"Nothing is sent as {target}.", hint=f"What is: {', '.join(stored) or 'none'}.")
    return known | pairs_of(lines or [], missing=missing or [], of=known)


def check_at_partner(hub: Hub, connection: str, fields: Mapping[str, Field]) -> None:
    """Ask the partner for the fields of a mapping; that it cannot be asked is only told. Raises MappingWrong."""
    if note := asyncio.run(hub.trials.check(connection, fields)):
        say(f"Note: {note}")


def field_lines(stored: Mapping[str, Any]) -> Iterator[str]:
    """What a sync sends along, a line each."""
    for target, field in fields_of(stored).items():
        yield f"{target} is {field}"
