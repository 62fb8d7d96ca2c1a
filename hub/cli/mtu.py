"""`hub mtu`: monthly tracked users, for people and for scripts."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from enum import StrEnum
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import typer

from hub.cli.context import print_json, print_table, say

if TYPE_CHECKING:
    from hub.people.exemptions import Exemption, Exemptions
    from hub.people.mtu import Mtu

PRODUCT = "(product)"
"""What people read for events without a source: those of the product itself."""

FIXED_WIDTH = 80
"""Columns of a plot that goes to no terminal."""


class By(StrEnum):
    """What `hub mtu --by` can divide people by."""

    SOURCE = "source"


def show(found: Sequence[Mtu], *, as_json: bool, several: bool, plot: bool) -> None:
    """Print months, the oldest first: as JSON (a list if `several`), or for people, with a plot if wanted."""
    if as_json:
        print_json([each.figures() for each in found] if several else found[0].figures())
        return
    if several:
        _table(found)
    else:
        _sentence(found[0])
    if found[0].by_source is not None:
        say("A person counts under every source that they have events of.")
    if plot:
        terminal = sys.stdout.isatty()
        typer.echo(drawn(found, width=get_terminal_size().columns if terminal else FIXED_WIDTH, colours=terminal))


def show_exempt(found: Exemptions, as_json: bool) -> None:
    """Print the pairs in force, by source and event, each with where it comes from."""
    pairs = sorted(found.in_force, key=lambda exemption: (exemption.source or "", exemption.event))
    if as_json:
        print_json([{"source": e.source, "event": e.event, "from": e.origin, "page": e.page} for e in pairs])
        return
    rows = [(exemption.source or "(any)", exemption.event, _origin(exemption)) for exemption in pairs]
    print_table(("source", "event", "from"), rows, empty="No event is exempt.")


def drawn(found: Sequence[Mtu], *, width: int, colours: bool) -> str:
    """Months as bars, a line each, the oldest on top: tracked people, then those with nothing but exempt events.

    Every line is `width` columns wide. The two differ by their marks, and on a terminal by colours too.
    """
    import plotext

    lines = range(len(found), 0, -1)
    everybody = [each.mtu + each.exempt_only for each in found]
    most = max(1, *everybody)
    ticks = range(0, most + 1, math.ceil(most / 4))
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)  # before the size, or it is cut to that of the terminal
    plotext.plotsize(width, len(found) + 4)  # a title, two axes and the ticks
    # the bar of everybody lies below the bar of the tracked, so that only its end is seen
    for values, mark, colour in ((everybody, "░", "yellow"), ([each.mtu for each in found], "█", "blue")):
        plotext.bar(lines, values, orientation="horizontal", marker=mark, width=0.01, color=colour)
    plotext.yticks(lines, [each.month for each in found])
    plotext.ylim(1, max(2, len(found)))
    plotext.xlim(0, most)
    plotext.xticks(ticks, [f"{tick:,}" for tick in ticks])
    plotext.title("█ tracked   ░ exempt only")
    text: str = plotext.build()
    return (text if colours else plotext.uncolorize(text)).rstrip("\n")


def _sentence(found: Mtu) -> None:
    typer.echo(
        f"{found.month}: {found.mtu:,} monthly tracked users; "
        f"{found.exempt_only:,} more had nothing but exempt events and do not count."
    )
    if found.by_source is not None:
        rows = [(source or PRODUCT, f"{people:,}") for source, people in found.by_source.items()]
        print_table(("source", "tracked"), rows, empty="Nobody had events that count.")


def _table(found: Sequence[Mtu]) -> None:
    sources = sorted({source for each in found for source in each.by_source or ()})
    headings = ("month", "tracked", "exempt only", *(source or PRODUCT for source in sources))
    print_table(headings, [_row(each, sources) for each in found])


def _row(found: Mtu, sources: Sequence[str]) -> list[str]:
    by_source = found.by_source or {}
    figures = (found.mtu, found.exempt_only, *(by_source.get(source, 0) for source in sources))
    return [found.month, *(f"{figure:,}" for figure in figures)]


def _origin(exemption: Exemption) -> str:
    if exemption.origin == "setting":
        return "setting HUB_MTU_EXEMPT_ADD"
    return f"{exemption.origin} {exemption.page}"
