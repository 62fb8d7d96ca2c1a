"""`hub lake`: what the tables of the lake hold, and compacting them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli.context import Json, console, interruptible, open_hub, print_json, print_table
from hub.clock import ago, counted
from hub.errors import Interrupted

if TYPE_CHECKING:
    from hub.lake.compaction import Progress
    from hub.lake.slices import Month
    from hub.lake.state import TableState

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _noun() -> None:
    """The lake."""


@app.command()
def status(as_json: Json = False) -> None:
    """What the tables hold, what waits to be moved into them, and when they were compacted."""
    found = open_hub().lake_status()
    if as_json:
        print_json(found.figures())
        return
    print_table(
        ("table", "rows", "files", "size", "not compacted", "newest commit"),
        [(*_cells(table), ago(table.committed_at)) for table in found.lake.tables],
    )
    compacted, waits = found.lake.compacted_at, found.backlog
    took = f", in {found.lake.took.total_seconds():.1f} s" if found.lake.took is not None else ""
    typer.echo(f"Last compaction: {ago(compacted)}{took}.")
    if waits and waits.oldest_at:
        records, size = counted(waits.records, "record"), _size(waits.bytes)
        typer.echo(f"To be moved: {records} ({size}), the oldest came in {ago(waits.oldest_at)}.")
    else:
        typer.echo("Nothing waits to be moved.")


@app.command()
def compact(
    project: Annotated[str, typer.Option("--project", help="Only this project; all of them if left out.")] = "",
    as_json: Json = False,
) -> None:
    """Compact all events that are not: sorted, each once. Others may read and write meanwhile.

    The hub does this by itself when it is worth it, beside `hub serve` and in `hub run-due`. Ctrl-C leaves the month in
    hand as it was.
    """
    hub = open_hub()
    project_id = hub.projects.get(project).id if project else None
    done = []
    with interruptible() as stop, _progress(quiet=as_json) as progress:
        for month in hub.compact(project_id=project_id, progress=progress, stop=stop):
            done.append(month)
    if as_json:
        print_json([vars(month) for month in done])
    else:
        for month in done:
            again = f", {counted(month.duplicates, 'duplicate')} left out" if month.duplicates else ""
            typer.echo(f"{month.month} of project {month.project_id}: {counted(month.read, 'event')}{again}")
        if not done and not stop.is_set():
            typer.echo("All is compacted.")
    if stop.is_set():
        raise Interrupted(
            f"Stopped: {counted(len(done), 'month')} compacted; the others are as they were.",
            signal_number=stop.signal_number,
            hint="Run the command again to go on.",
        )


def _cells(table: TableState) -> tuple[str, ...]:
    tail = "" if table.tail_rows is None else f"{table.tail_rows:,} ({table.tail_rows / max(table.rows, 1):.1%})"
    return table.name, f"{table.rows:,}", f"{table.files:,}", _size(table.bytes), tail


def _size(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1024
    raise AssertionError("a size has a unit")


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress | None]:
    """A bar for the month in hand, on a terminal."""
    err = console()
    if quiet or not err.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("sorting", total=None)

        def tell(month: Month, written: int, total: int) -> None:
            bar.update(task, description=f"{month.name} of project {month.project_id}", completed=written, total=total)

        yield tell
