"""What is wrong and who is told, as rows and lines. Pure functions; `zone` is the project's time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub import clock
from tui import words
from tui.cells import WIDE, Cell, Column, Row, Tone
from tui.details import Line

if TYPE_CHECKING:
    from hub.alerts.channels import Channel
    from hub.alerts.model import OpenAlert
    from hub.alerts.muting import Mute

ALERT_COLUMNS = (
    Column("level", "Level", 8),
    Column("subject", "About", 20, grow=2),
    Column("what", "What is wrong", 18),
    Column("since", "Since", 10),
    Column("told", "Told", 7),
    Column("until", "Muted until", 15, from_width=WIDE),
    Column("said", "In words", 28, grow=5, from_width=WIDE),
)
CHANNEL_COLUMNS = (
    Column("name", "Channel", 12, grow=1),
    Column("kind", "Kind", 7),
    Column("level", "Told from", 9),
    Column("to", "To", 16, grow=4),
    Column("last", "Last message", 18),
    Column("waiting", "Waiting", 7, right=True),
    Column("answer", "What came of it", 24, grow=4, from_width=WIDE),
)

_LEVEL_TONES: dict[str, Tone] = {"warning": "warn", "critical": "bad"}


@dataclass(frozen=True)
class Firing:
    """Something that is wrong, with what keeps it from being told; or, without an alert, something that is muted."""

    alert: OpenAlert | None
    mute: Mute | None

    @property
    def key(self) -> str:
        """What tells it from the others."""
        return f"alert {self.alert.key}" if self.alert else f"mute {self.sync}"

    @property
    def sync(self) -> str:
        """The sync that it is about; empty: none, or everything."""
        if self.alert:
            return self.alert.sync
        return self.mute.sync if self.mute else ""


def firing(found: Sequence[OpenAlert], mutes: Sequence[Mute]) -> list[Firing]:
    """What is wrong in the order given, each with its mute; before it that all is muted, after it what is muted and
    well."""
    of_sync = {each.sync: each for each in mutes}
    everything = of_sync.pop("", None)
    alerts = [Firing(each, of_sync.get(each.sync) or everything) for each in found]
    wrong = {each.sync for each in found}
    well = [Firing(None, each) for sync, each in of_sync.items() if sync not in wrong]
    return [*([Firing(None, everything)] if everything else []), *alerts, *well]


def alert_row(item: Firing, zone: str) -> Row:
    """One thing that is wrong, or muted."""
    when = words.when(item.mute.until, zone) if item.mute else ""
    until = Cell(when or "-", "dim")
    if item.alert is None:
        return Row(
            item.key,
            {
                "level": Cell("muted", "dim"),
                "subject": Cell(item.sync or "everything"),
                "what": Cell(f"until {when}", "dim"),
                "said": Cell(_muted(item.mute, zone), "dim"),
                "since": Cell("-", "dim"),
                "told": Cell("muted", "dim"),
                "until": until,
            },
        )
    alert = item.alert
    return Row(
        item.key,
        {
            "level": Cell(alert.level, _LEVEL_TONES.get(alert.level, "")),
            "subject": Cell(alert.subject),
            "what": Cell(alert.kind.replace("_", " ")),
            "said": Cell(alert.said),
            "since": Cell(clock.ago(alert.since), "dim"),
            "told": Cell("muted", "dim") if alert.muted else Cell("yes", "good") if alert.told else Cell("not yet"),
            "until": until,
        },
    )


def alert_lines(item: Firing, zone: str) -> list[Line]:
    """Something that is wrong: its sentences, since when, and whether anybody is told."""
    muted: list[Line] = [[Cell(_muted(item.mute, zone), "warn")]] if item.mute else []
    if item.alert is None:
        return [[Cell("Nothing is wrong with it." if item.sync else "All alerts are muted.")], *muted]
    alert = item.alert
    told = "" if item.mute or alert.told else "; not told yet (6 shows who is)"
    return [
        [Cell(f"{alert.level}: ", _LEVEL_TONES.get(alert.level, "")), Cell(alert.said)],
        [Cell(alert.hint)],
        [Cell(f"Since {clock.shown(alert.since, zone)}{told}", "dim")],
        *muted,
    ]


def channel_row(channel: Channel) -> Row:
    """One channel."""
    return Row(
        channel.name,
        {
            "name": Cell(channel.name),
            "kind": Cell(channel.kind),
            "level": Cell(channel.level),
            "to": Cell(channel.shown),
            "last": last_message(channel),
            "waiting": Cell(f"{channel.waiting:,}", "warn" if channel.waiting else "dim"),
            "answer": Cell(channel.answer, "bad" if channel.fails else "dim"),
        },
    )


def last_message(channel: Channel) -> Cell:
    """What came of the last message that was tried."""
    if channel.last_at is None:
        return Cell("nothing sent yet", "dim")
    ago = clock.ago(channel.last_at)
    if not channel.fails:
        return Cell(f"arrived {ago}", "good")
    return Cell(f"failed {ago}", "warn" if channel.waiting else "bad")


def channel_lines(channel: Channel, zone: str) -> list[Line]:
    """A channel: where it leads, what it is told, and what came of its last message in full."""
    told = "critical alerts alone" if channel.level == "critical" else "every alert"
    lines: list[Line] = [
        [Cell(f"{channel.kind} {channel.shown}")],
        [Cell(f"Told {told}; added {clock.shown(channel.created_at, zone)}", "dim")],
    ]
    if channel.last_at:
        word = last_message(channel)
        at = clock.shown(channel.last_at, zone)
        what = "failed" if channel.fails else "arrived"
        lines.append([Cell(f"Last message {what} {at}: "), Cell(channel.answer, word.tone)])
    if channel.waiting:
        waits = words.plural(channel.waiting, "message waits", "messages wait")
        lines.append([Cell(f"{waits}: what did not arrive is tried again", "warn")])
    if channel.warning:
        lines.append([Cell(channel.warning, "warn")])
    return lines


def _muted(mute: Mute | None, zone: str) -> str:
    if mute is None:
        return ""
    why = f": {mute.reason}" if mute.reason else ""
    return f"Nobody is told until {clock.shown(mute.until, zone)}, by {mute.actor}{why}"
