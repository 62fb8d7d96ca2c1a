"""What a verification found, as rows and lines, and what can be done about it. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from hub.sync.verify_books import WAYS, Way
from hub.sync.verify_findings import Kind
from hub.sync.verify_reports import Verification
from tui import words
from tui.cells import Cell, Column, Row
from tui.details import Line

COLUMNS = (
    Column("kind", "Found", 16),
    Column("members", "Members", 9, right=True),
    Column("what", "Which means", 30, grow=3),
    Column("way", "To be done", 16, grow=1),
)
MEANING = {
    Kind.MISSING: "we put them there, and they are not",
    Kind.CHANGED: "there, with other values than we wrote",
    Kind.UNCERTAIN: "sent without an answer",
    Kind.EXTRA_IN_COHORT: "not ours, and in the cohort",
    Kind.EXTRA: "not ours, and not in the cohort",
    Kind.KNOWN: "extras that are to be left so",
    Kind.RECENT: "written too shortly before to tell",
}
_TO_BE_DONE = {Way.ADOPT: "adopt: ours now", Way.REPAIR: "repair: next run", Way.IGNORE: "ignore from now"}

Choices = Mapping[Kind, Way]
"""What is to be done about each kind that somebody has chosen something for."""


def kinds(found: Verification) -> list[Kind]:
    """The kinds of which somebody was found."""
    return [kind for kind in Kind if found.found.get(kind.value)]


def ways(kind: Kind) -> list[Way]:
    """What can be done about a kind."""
    return [way for way, possible in WAYS.items() if kind in possible]


def following(kind: Kind, way: Way | None) -> Way | None:
    """What is chosen next, after `way`: each way in turn, then nothing."""
    turn: list[Way | None] = [None, *ways(kind)]
    return turn[(turn.index(way) + 1) % len(turn)]


def row(kind: Kind, found: Verification, choices: Choices) -> Row:
    """One kind of findings."""
    decided = found.decided.get(kind.value)
    chosen = choices.get(kind)
    if found.run is not None:
        said = Cell(decided or "left as it is", "good" if decided else "dim")
    elif chosen:
        said = Cell(_TO_BE_DONE[chosen], "busy")
    else:
        said = Cell("nothing (enter)" if ways(kind) else "-", "dim")
    return Row(
        kind.value,
        {
            "kind": Cell(kind.value, "warn" if ways(kind) else "dim"),
            "members": Cell(f"{found.found[kind.value]:,}"),
            "what": Cell(MEANING[kind]),
            "way": said,
        },
    )


def head(found: Verification, audience: str) -> list[Line]:
    """The figures that a verification begins with."""
    there = words.plural(found.listed, "member is", "members are")
    lines: list[Line] = [
        [Cell(f"{there} in {audience!r}, {found.held:,} by our books", "")],
        [Cell("Nothing differs.", "good") if not found.differs else Cell("They differ. Nothing was changed.", "warn")],
    ]
    if found.run is not None:
        lines[1] = [Cell(f"{found.words} (run {found.run})", "good")]
    if not found.values_read:
        lines.append([Cell("Mapped values were not compared: there are none, or the partner tells none.", "dim")])
    return lines


def some(kind: Kind, found: Verification) -> list[Line]:
    """Some members of a kind, a line each."""
    shown = found.samples.get(kind.value, ())[:5]
    lines = []
    for each in shown:
        who = each.key if each.person == each.key else f"{each.key} ({each.person})"
        lines.append([Cell(who), Cell(f"  {', '.join(each.differs)}" if each.differs else "", "warn")])
    more = found.found[kind.value] - len(shown)
    if more > 0:
        lines.append(
            [Cell(f"and {more:,} more: hub sync verify {found.sync} --report {found.id} --list {kind}", "dim")]
        )
    return lines


def chosen_words(choices: Choices, found: Verification) -> str:
    """What is about to be done, in a sentence."""
    parts = [f"{way} {words.plural(found.found[kind.value], 'member')} ({kind})" for kind, way in choices.items()]
    return f"It will {', '.join(parts)}. The next run of {found.sync} does the rest, by plan and guards."
