"""`hub alert mute` and `unmute`: telling nobody for a while."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import Json, open_hub, print_json
from hub.clock import now, shown
from hub.errors import UsageError
from hub.sync.intervals import interval

if TYPE_CHECKING:
    from hub.app import Hub

Sync = Annotated[str, typer.Argument(help="The sync; left out with --all.")]
All = Annotated[bool, typer.Option("--all", help="Everything in this project, and of the hub as a whole.")]


def mute(
    sync: Sync = "",
    everything: All = False,
    lasts: Annotated[str, typer.Option("--for", metavar="2h", help="For so long: 30m, 2h, 1d.")] = "",
    until: Annotated[str, typer.Option(help="Until this instant, such as 2026-11-24T08:00+01:00.")] = "",
    reason: Annotated[str, typer.Option(help="Why, for the others.")] = "",
    as_json: Json = False,
) -> None:
    """Tell nobody of a sync for a while. What is still wrong afterwards is told then."""
    hub = open_hub()
    _one(sync, everything)
    done = hub.alerts.mute(sync, _until(hub, lasts, until), reason=reason)
    if as_json:
        print_json(done.figures())
        return
    what = f"The sync {sync} is" if sync else "All alerts are"
    typer.echo(f"{what} muted until {shown(done.until, hub.workspace.project.timezone)}.")


def unmute(sync: Sync = "", everything: All = False, as_json: Json = False) -> None:
    """Tell of a sync again. What is wrong is told at the next look."""
    _one(sync, everything)
    was = open_hub().alerts.unmute(sync)
    if as_json:
        print_json({"sync": sync or None, "was_muted": was})
        return
    what = f"The sync {sync}" if sync else "Everything"
    typer.echo(f"{what} is told of again." if was else f"{what} was not muted.")


def _one(sync: str, everything: bool) -> None:
    if bool(sync) == everything:
        raise UsageError("Which sync?", hint="Name one, or give --all for everything; not both.")


def _until(hub: Hub, lasts: str, until: str) -> datetime:
    if bool(lasts) == bool(until):
        raise UsageError("For how long?", hint="Give --for 2h, or --until 2026-11-24T08:00+01:00; not both.")
    if lasts:
        return now() + interval(lasts)
    try:
        found = datetime.fromisoformat(until)
    except ValueError as error:
        raise UsageError(f"--until {until!r} is no instant.", hint="Write it as 2026-11-24T08:00+01:00.") from error
    return found if found.tzinfo else found.replace(tzinfo=hub.workspace.project.zone)
