"""What every command shares: opening the hub, printing, progress, and stopping politely."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from hub.app import Hub
    from hub.store.removal import Uses

Json = Annotated[bool, typer.Option("--json", help="Print JSON with stable keys instead of text.")]


class _Chosen:
    """The global options, as given before the noun."""

    home: Path | None = None
    project: str = ""


chosen = _Chosen()


def open_hub() -> Hub:
    """The hub that --home and --project (or HUB_HOME and HUB_PROJECT) name."""
    from hub.app import Hub

    return Hub.open(chosen.home, chosen.project)


def console() -> Console:
    """Where text for people goes that must not mix with data: standard error."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Tell a person something, on standard error."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print one JSON object (or list) on one line of standard output. Instants become ISO 8601 texts."""
    import orjson

    try:
        text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # a file's name that is not UTF-8: Python's escapes say which bytes it has
        text = json.dumps(value, default=str)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def write_lines(lines: Iterable[bytes]) -> None:
    """Write data to standard output as it comes. When nobody reads any more (`| head`), that is the end of it.

    Raises Interrupted at a signal: what is printed by then is not all.
    """
    import os

    from hub.errors import Interrupted

    try:
        with interruptible("") as stop:
            for part in lines:
                if stop.is_set():
                    break
                sys.stdout.buffer.write(part)
            sys.stdout.buffer.flush()
        if stop.is_set():
            raise Interrupted("The output ends early.", signal_number=stop.signal_number)
    except BrokenPipeError:
        # what is left in the buffer must not be tried again at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    empty: str = "",
    styles: Mapping[str, str] | None = None,
) -> None:
    """Print rows for a person: a table on a terminal, lines with tabs elsewhere; `empty` when there is no row.

    On a terminal, a cell that begins with one of the words of `styles` and a comma is shown in that style.
    """
    listed = [*rows]
    if not listed:
        say(empty)
        return
    if not sys.stdout.isatty():
        for row in [headings, *listed]:
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from hub.cli.values import harmless

    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in listed:
        table.add_row(*(Text(harmless(cell), (styles or {}).get(cell.partition(",")[0], "")) for cell in row))
    Console(highlight=False, markup=False, emoji=False).print(table)


def quoted(name: str) -> str:
    """A name as an argument of the command that is suggested next, whatever it holds."""
    return f"-- {shlex.quote(name)}" if name.startswith("-") else shlex.quote(name)


def quit_with(code: int) -> NoReturn:
    """End the command with an exit code of the design."""
    raise typer.Exit(code)


def interactive() -> bool:
    """Whether somebody is there to answer questions."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def confirm(question: str, *, yes: bool) -> None:
    """Go on if somebody says yes: now, or before, with --yes. Raises UsageError where nobody can be asked."""
    from hub.errors import UsageError

    if yes:
        return
    if not interactive():
        raise UsageError("This asks first, and nobody is here to answer.", hint="Give --yes if it is meant.")
    typer.confirm(question, abort=True, err=True)


def say_what_goes(used: Uses) -> None:
    """Tell which syncs are removed with what they used, and what stays of them."""
    if used.over:
        are = "sync that is over goes" if len(used.over) == 1 else "syncs that are over go"
        say(f"{len(used.over)} {are} with it ({', '.join(used.over)}); the ledger keeps {used.runs:,} of their runs.")


class Stop(threading.Event):
    """Set when the process is asked to end; remembers by which signal."""

    signal_number: int = signal.SIGINT


@contextmanager
def interruptible(said: str = "Finishing what is under way, and saving.") -> Iterator[Stop]:
    """Let SIGINT and SIGTERM ask the work inside to finish what is in hand, save and end. A second one adds nothing.

    `said` is what a person is told at once; nothing, if it is empty.
    """
    stop = Stop()

    def ask(number: int, _frame: FrameType | None) -> None:
        if not stop.is_set():
            stop.signal_number = number
            stop.set()
            if said:
                say(said)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if stop.is_set():
            _last_stop.append(stop.signal_number)


_last_stop: list[int] = []


def stopped_by() -> int | None:
    """The signal that this process was asked to end by, if any."""
    return _last_stop[-1] if _last_stop else None
