"""`hub cohort history`: the size of a cohort over time, and who entered and left."""

from __future__ import annotations

import math
import sys
from datetime import datetime, timedelta
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.cohort_members import KnownAt, Name, at
from hub.cli.context import Json, console, open_hub, print_json, print_table, say
from hub.cli.mtu import FIXED_WIDTH
from hub.cli.values import DAY, day
from hub.clock import now, shown
from hub.errors import UsageError

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from hub.app import Hub
    from hub.cohorts.history import History

_DAYS = 30


def history(
    name: Name,
    days: Annotated[int | None, typer.Option(min=1, help="So many days back, today included.")] = None,
    first: Annotated[str, typer.Option("--from", metavar=DAY, help="The first day, of the project's zone.")] = "",
    last: Annotated[str, typer.Option("--to", metavar=DAY, help="The last day; today if left out.")] = "",
    every: Annotated[str, typer.Option(metavar="day|week", help="How far apart the points are.")] = "day",
    known_at: KnownAt = "",
    plot: Annotated[bool, typer.Option("--plot", help="Draw it, too.")] = False,
    entered: Annotated[bool, typer.Option("--entered", help="With --between: print who entered.")] = False,
    left: Annotated[bool, typer.Option("--left", help="With --between: print who left.")] = False,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="T1 T2", help="Who entered and left between two times: instants, or ends of days."),
    ] = None,
    as_json: Json = False,
) -> None:
    """The size of a cohort at the end of each day (or week), each as `count --as-of` tells it.

    Evaluated by the present definition; a star marks points before which the cohort was recorded. With --between T1 T2:
    who is in the cohort as of T2 and not as of T1 (entered), and the other way round (left), a line each.
    """
    hub = open_hub()
    if between is None:
        if entered or left:
            raise UsageError("Between which times is not said.", hint="Give --between T1 T2.")
        _sizes(hub, name, _instants(hub, days, first, last, every), known_at, plot=plot, as_json=as_json)
        return
    if days or first or last or plot:
        raise UsageError("--between goes without days and plot.", hint="It has both times.")
    _changes(hub, name, between, known_at, wanted=_wanted(entered, left), as_json=as_json)


def drawn(found: History, zone: ZoneInfo, *, width: int, colours: bool) -> str:
    """The points as a line, the latest on the right. Every line is `width` columns wide."""
    import plotext

    sizes = [point.size for point in found.points]
    most = max(1, *sizes)
    ticks = range(0, most + 1, math.ceil(most / 4))
    places = range(1, len(sizes) + 1)
    step = max(1, math.ceil(len(sizes) * 12 / width))
    labelled = [*places][::-step][::-1]
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)  # before the size, or it is cut to that of the terminal
    plotext.plotsize(width, 16)
    plotext.plot(places, sizes, marker="braille", color="blue")
    plotext.ylim(0, most)
    plotext.xlim(1, max(2, len(sizes)))
    plotext.yticks(ticks, [f"{tick:,}" for tick in ticks])
    plotext.xticks(labelled, [f"{found.points[place - 1].at.astimezone(zone):%m-%d}" for place in labelled])
    plotext.title(f"people in {found.cohort}")
    text: str = plotext.build()
    return (text if colours else plotext.uncolorize(text)).rstrip("\n")


def _sizes(hub: Hub, name: str, instants: list[datetime], known_at: str, *, plot: bool, as_json: bool) -> None:
    from rich.progress import Progress

    with Progress(console=console(), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("points", total=len(instants))
        found = hub.cohorts.history(
            name,
            instants,
            known_at=at(hub, known_at),
            done=lambda number: progress.update(task, completed=number),
        )
    if found.left_out:
        say(found.left_out)
    if as_json:
        print_json(found.figures())
        return
    zone = hub.workspace.project
    rows = []
    for before, point in zip([None, *found.points], found.points, strict=False):
        change = "" if before is None else f"{point.size - before.size:+,}"
        rows.append((shown(point.at, zone.timezone), f"{point.size:,}", change, "*" if point.recorded else ""))
    print_table(("as of", "people", "change", "recorded"), rows)
    if plot:
        terminal = sys.stdout.isatty()
        width = get_terminal_size().columns if terminal else FIXED_WIDTH
        typer.echo(drawn(found, zone.zone, width=width, colours=terminal))


def _changes(hub: Hub, name: str, between: tuple[str, str], known_at: str, *, wanted: set[str], as_json: bool) -> None:
    since, until = (at(hub, text) for text in between)
    if since is None or until is None:
        raise UsageError("--between has two times.", hint="Write --between 2026-11-01 2026-11-23.")
    found = hub.cohorts.changes(name, since, until, known_at=at(hub, known_at))
    numbers = {"entered": 0, "left": 0}
    for row in found:
        numbers[row["change"]] += 1
        if row["change"] not in wanted:
            continue
        if as_json:
            print_json(row)
        else:
            typer.echo("\t".join((row["change"], row["person"], row["email"] or "")))
    zone = hub.workspace.project.timezone
    say(
        f"Between {shown(since, zone)} and {shown(until, zone)}, {numbers['entered']:,} entered and "
        f"{numbers['left']:,} left."
    )


def _wanted(entered: bool, left: bool) -> set[str]:
    found = {change for change, asked in (("entered", entered), ("left", left)) if asked}
    return found or {"entered", "left"}


def _instants(hub: Hub, days: int | None, first: str, last: str, every: str) -> list[datetime]:
    from hub.cohorts.history import Every, ends

    if days and first:
        raise UsageError("--days and --from exclude each other.", hint="Choose one of them.")
    if every not in tuple(Every):
        raise UsageError(f"--every {every!r} is not known.", hint="Write day or week.")
    at_present, zone = now(), hub.workspace.project.zone
    until = day(last, "--to") or at_present.astimezone(zone).date()
    since = day(first, "--from") or until - timedelta(days=(days or _DAYS) - 1)
    return ends(since, until, Every(every), zone, at_present)
