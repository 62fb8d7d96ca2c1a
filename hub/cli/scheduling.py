"""The options of `hub sync` that say when a sync runs, and schedules in words."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.clock import shown
from hub.errors import UsageError
from hub.sync.intervals import interval
from hub.sync.models import Sync
from hub.sync.schedule import After, Cron, Every, Once, Schedule

IsOnce = Annotated[bool, typer.Option("--once", help="Put it there once.")]
Often = Annotated[str, typer.Option("--every", help="Keep it there: every 30m, 2h, 1d.")]
CronText = Annotated[
    str, typer.Option("--cron", metavar="TEXT", help='At local times: five fields, such as "0 7 * * 1-5".')
]
Zone = Annotated[str, typer.Option("--zone", help="The time zone of --cron, an IANA name; the project's if left out.")]
Leader = Annotated[str, typer.Option("--after", metavar="SYNC", help="Whenever a run of that sync has ended well.")]


def asked_schedule(*, once: bool, every: str, cron: str, zone: str, after: str) -> Schedule | None:
    """The schedule that the options say; None without any. Raises UsageError when they exclude each other."""
    options = {"--once": once, "--every": every, "--cron": cron, "--after": after}
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other.")
    if zone and not cron:
        raise UsageError("--zone is the time zone of --cron.", hint="Give --cron, too.")
    if once:
        return Once()
    if every:
        return Every(interval(every))
    if cron:
        return Cron(cron, zone)
    return After(after) if after else None


def how_often(sync: Sync) -> str:
    """When a sync runs: `once`, `every 2 hours`, `at 0 7 * * 1-5 (Europe/Oslo)`, `after winback`."""
    schedule = sync.schedule
    if isinstance(schedule, Cron):
        return f"at {schedule.expression}{f' ({schedule.zone})' if schedule.zone else ''}"
    if not isinstance(schedule, Every):
        return str(schedule)
    minutes = int(schedule.length.total_seconds() // 60)
    for size, word in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            count = minutes // size
            return f"every {word}" if count == 1 else f"every {count} {word}s"
    return str(schedule)


def next_run(sync: Sync, zone: str) -> str:
    """When a sync runs next, in the project's zone; empty when nothing is scheduled."""
    if sync.state == "paused":
        return "paused"
    if sync.next_run_at:
        return shown(sync.next_run_at, zone)
    return str(sync.schedule) if isinstance(sync.schedule, After) and sync.state == "active" else ""


def when_first(sync: Sync, zone: str, command: str) -> str:
    """When a sync that was just made or changed runs, and how to run it at once."""
    if isinstance(sync.schedule, After):
        return f"It runs when {sync.schedule.sync} has run, or now: {command}"
    if isinstance(sync.schedule, Cron) and sync.next_run_at:
        return f"It runs at {shown(sync.next_run_at, zone)}, or now: {command}"
    return f"It is due now: hub run-due, or {command}"
