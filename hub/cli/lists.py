"""Cohorts that bring their own members, on the command line: their options, and what is told of those brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import interruptible, print_json, quit_with, quoted, say
from hub.clock import counted
from hub.errors import InputError, UsageError

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.cohorts.lists.brought import Brought
    from hub.cohorts.lists.files import Layout

REJECTED = 4

StaticFile = Annotated[
    str | None,
    typer.Option("--static", metavar="FILE", help="A list of its members: a key a line, or CSV; - for stdin."),
]
Freeze = Annotated[
    str | None, typer.Option("--freeze", metavar="COHORT", help="A list of those who are in another cohort now.")
]
SqlFile = Annotated[
    str | None, typer.Option("--sql", metavar="FILE", help="A query whose rows are the members, for --warehouse.")
]
ReceivedList = Annotated[
    bool, typer.Option("--received", help="A list that others keep, with `hub cohort receive` or by pushing to it.")
]
OfWarehouse = Annotated[str | None, typer.Option("--warehouse", metavar="NAME", help="Where --sql is asked.")]
Key = Annotated[
    str | None,
    typer.Option(
        "--key", metavar="PROPERTY", help="What members are known by: distinct_id (if left out), email, or a property."
    ),
]
KeyColumn = Annotated[
    str | None, typer.Option("--column", metavar="COLUMN", help="The column with the key; if left out, its namesake.")
]
Properties = Annotated[
    list[str] | None,
    typer.Option(
        "--property",
        metavar="COLUMN[=NAME]",
        help="A column as a property of the members; of a file with :number, :boolean, :time. All, if left out.",
    ),
]
Delimiter = Annotated[str | None, typer.Option(help="Of CSV: one character, or tab.")]
Replace = Annotated[bool, typer.Option("--replace", help="With --static: in the place of the list that is there.")]


@dataclass(frozen=True)
class ListOptions:
    """The options that make a cohort which brings its own members, as they were given."""

    static: str | None = None
    freeze: str | None = None
    sql: str | None = None
    received: bool = False
    warehouse: str | None = None
    key: str | None = None
    column: str | None = None
    properties: Sequence[str] | None = None
    delimiter: str | None = None
    replace: bool = False

    @property
    def kinds(self) -> list[str]:
        """Which of the options that choose a kind were given."""
        given = {
            "--static": self.static is not None,
            "--freeze": self.freeze is not None,
            "--sql": self.sql is not None,
            "--received": self.received,
        }
        return [option for option, is_given in given.items() if is_given]

    def check(self, *, defined: bool) -> None:
        """Make sure that they go together; `defined` says that a definition was given too. Raises UsageError."""
        if len(self.kinds) + defined > 1:
            raise UsageError(
                f"{' and '.join(self.kinds)} cannot go together{' with a definition' * defined}: "
                "a cohort is of one kind.",
                hint="`hub cohort add --help` shows each of them.",
            )
        kind = next(iter(self.kinds), "")
        for option, value, of in (
            ("--warehouse", self.warehouse, ("--sql",)),
            ("--key", self.key, ("--static", "--sql", "--received")),
            ("--column", self.column, ("--static", "--sql")),
            ("--property", self.properties, ("--static", "--sql")),
            ("--delimiter", self.delimiter, ("--static",)),
            ("--replace", self.replace, ("--static",)),
        ):
            if value and kind not in of:
                raise UsageError(f"{option} goes with {' or '.join(of)}.", hint="`hub cohort add --help` tells more.")
        if kind == "--sql" and not self.warehouse:
            raise UsageError("--sql wants --warehouse NAME.", hint="`hub warehouse list` shows those that there are.")
        if self.replace and self.key:
            raise UsageError("--replace keeps the key of the list that is there.", hint="Leave --key out.")


def layout(column: str | None, properties: Sequence[str] | None, delimiter: str | None) -> Layout:
    """Which column of a file is what, as the options say."""
    from hub.cohorts.lists.files import Layout

    return Layout(column or "", tuple(properties or ()), delimiter or "")


def add_list(hub: Hub, name: str, given: ListOptions, description: str, message: str, *, as_json: bool) -> None:
    """Make the list that the options say, and tell what became of its members. Ends with 4 when some were rejected."""
    if given.received:
        cohort = hub.lists.add_received(name, key=given.key or "distinct_id", description=description, message=message)
        if as_json:
            print_json({**cohort.figures(), "warnings": []})
        else:
            typer.echo(f"Added the cohort {cohort.name}. Next: hub cohort receive {quoted(cohort.name)} FILE")
        return
    tell(_made(hub, name, given, description, message), as_json=as_json)


def tell(done: Brought, *, as_json: bool, source: str = "line") -> None:
    """Tell what became of members, and end with 4 when some were rejected."""
    for line, reason in done.rejects:
        say(f"{source} {line:,}: {reason}")
    if done.rejected > len(done.rejects):
        say(f"... and {done.rejected - len(done.rejects):,} more.")
    for warning in done.warnings:
        say(f"Warning: {warning}")
    if as_json:
        print_json(done.figures())
    else:
        changes = f"{done.added:,} added, {done.changed:,} changed, {done.removed:,} removed"
        rejected = f"; {done.rejected:,} rejected" if done.rejected else ""
        typer.echo(f"{done.cohort} has {counted(done.size, 'member')} ({changes}{rejected}).")
    if done.rejected:
        quit_with(REJECTED)


def _made(hub: Hub, name: str, given: ListOptions, description: str, message: str) -> Brought:
    key = given.key or "distinct_id"
    if given.freeze is not None:
        return hub.lists.freeze(name, given.freeze, description=description, message=message)
    if given.static is not None:
        columns = layout(given.column, given.properties, given.delimiter)
        with interruptible() as stop:
            return hub.lists.add_static(
                name,
                given.static,
                key=key,
                layout=columns,
                description=description,
                message=message,
                replace=given.replace,
                stop=stop,
            )
    return hub.lists.add_sql(
        name,
        _text_of(given.sql or ""),
        given.warehouse or "",
        key=key,
        column=given.column or "",
        properties=tuple(given.properties or ()),
        description=description,
        message=message,
    )


def _text_of(file: str) -> str:
    """The SQL in a file; `-` is standard input."""
    try:
        return typer.get_text_stream("stdin").read() if file == "-" else Path(file).read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text.", hint="Save the query in UTF-8.") from error
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.", hint="Check the path.") from error
