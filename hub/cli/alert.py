"""`hub alert`: what is wrong, and who is told."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from hub.alerts.targets import variable
from hub.cli.context import (
    Json,
    Yes,
    confirm,
    open_hub,
    print_json,
    print_table,
    quit_with,
    quoted,
    say,
)
from hub.clock import ago, counted, now, shown
from hub.errors import UsageError
from hub.sync.intervals import interval

if TYPE_CHECKING:
    from hub.alerts.model import OpenAlert
    from hub.alerts.targets import Target
    from hub.app import Hub

app = typer.Typer(no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(help="The channel's name.")]
Level = Annotated[str, typer.Option(help="The least that is sent: warning or critical.")]
Url = Annotated[str, typer.Option("--webhook", metavar="URL", help="A signed request to this address.")]
SlackUrl = Annotated[
    str,
    typer.Option("--slack", metavar="URL", help="A Slack-compatible request, to this secret address; - is stdin."),
]
Command = Annotated[
    list[str] | None, typer.Argument(help="A command of this machine and its arguments, after --; no shell.")
]
TimeOut = Annotated[str, typer.Option("--timeout", metavar="30s", help="How long the command may take.")]
Sync = Annotated[str, typer.Argument(help="The sync; left out with --all.")]
All = Annotated[bool, typer.Option("--all", help="Everything in this project, and of the hub as a whole.")]


@app.callback()
def _noun() -> None:
    """Alerts."""


@app.command()
def add(
    name: Name,
    command: Command = None,
    webhook: Url = "",
    slack: SlackUrl = "",
    level: Level = "warning",
    timeout: TimeOut = "",
    as_json: Json = False,
) -> None:
    """Tell somebody when something goes wrong, and when it is well again.

    hub alert add ops --webhook https://ops.example/hub
    hub alert add chat --slack https://hooks.slack.com/services/...
    hub alert add pager --level critical -- /usr/local/bin/page --team ops

    A webhook gets a signing secret, shown once, unless HUB_ALERT_<NAME>_SECRET holds one. With --slack - the address is
    read from standard input.
    """
    hub = open_hub()
    target = _target(webhook, slack, command, timeout)
    made = hub.alerts.channels.add(name, target, level=level, secret=os.environ.get(variable(name, "secret"), ""))
    channel = hub.alerts.channels.get(name)
    if as_json:
        print_json({**channel.figures(), "secret": made or None})
        return
    typer.echo(f"Alerts of the level {level} go to {name}: {channel.shown}.")
    if channel.warning:
        say(f"Warning: {channel.warning}")
    if made:
        say(f"Its signing secret, shown this once: {made}")
    say(f"Try it: hub alert test {quoted(name)}")


@app.command()
def edit(
    name: Name,
    command: Command = None,
    webhook: Url = "",
    slack: SlackUrl = "",
    level: Annotated[str, typer.Option(help="The least that is sent: warning or critical.")] = "",
    timeout: TimeOut = "",
    as_json: Json = False,
) -> None:
    """Change where a channel leads, or from which level on. A webhook keeps its secret: `rotate` renews it."""
    target = _target(webhook, slack, command, timeout) if webhook or slack or command else None
    if target is None and not level:
        raise UsageError("There is nothing to change.", hint="Give --webhook, --slack, a command or --level.")
    changed = open_hub().alerts.channels.edit(name, target=target, level=level)
    if as_json:
        print_json(changed.figures())
        return
    typer.echo(f"Alerts of the level {changed.level} go to {name}: {changed.shown}.")


@app.command()
def rotate(
    name: Name,
    keep: Annotated[str, typer.Option(help="For how long the old secret signs, too.")] = "1d",
    as_json: Json = False,
) -> None:
    """Give a webhook a new secret. For a while both sign, so that the receiver can be changed meanwhile."""
    lasts = interval(keep)
    new = open_hub().alerts.channels.rotate(name, keep=lasts)
    if as_json:
        print_json({"name": name, "secret": new, "old_until": (now() + lasts).isoformat()})
        return
    typer.echo(f"The channel {name} has a new secret; the old one signs beside it for {keep}.")
    say(f"The new secret, shown this once: {new}")


@app.command("list")
def list_alerts(as_json: Json = False) -> None:
    """What is wrong now, what is muted, and where alerts go."""
    hub = open_hub()
    hub.alerts.look()
    found, channels, muted = hub.alerts.open(), hub.alerts.channels.list(), hub.alerts.mutes()
    if as_json:
        print_json(
            {
                "open": [each.figures() for each in found],
                "channels": [each.figures() for each in channels],
                "muted": [each.figures() for each in muted],
            }
        )
        return
    zone = hub.workspace.project.timezone
    _print_open(found)
    for mute in muted:
        why = f" ({mute.reason})" if mute.reason else ""
        typer.echo(f"muted until {shown(mute.until, zone)}: {mute.sync or 'everything'}, by {mute.actor}{why}")
    print_table(
        ("channel", "kind", "level", "to", "waiting", "last"),
        [
            (
                each.name,
                each.kind,
                each.level,
                each.shown,
                f"{each.waiting:,}",
                f"{each.last_state} {ago(each.last_at)}: {each.answer}" if each.last_at else "nothing sent yet",
            )
            for each in channels
        ],
        empty="Nobody is told. `hub alert add NAME --webhook URL` (or --slack URL, or -- COMMAND) changes that.",
    )
    for each in channels:
        if each.warning:
            say(f"{each.name}: {each.warning}")


@app.command()
def test(name: Name, as_json: Json = False) -> None:
    """Send a test to a channel, once, and show the answer. Exit code 1 if it did not arrive."""
    attempt = asyncio.run(open_hub().alerts.test(name))
    if as_json:
        print_json(attempt.figures())
    elif attempt.arrived:
        typer.echo(f"It arrived: {attempt.answer}.")
    else:
        say(f"It did not arrive: {attempt.answer}")
    quit_with(0 if attempt.arrived else 1)


@app.command()
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


@app.command()
def unmute(sync: Sync = "", everything: All = False, as_json: Json = False) -> None:
    """Tell of a sync again. What is wrong is told at the next look."""
    _one(sync, everything)
    was = open_hub().alerts.unmute(sync)
    if as_json:
        print_json({"sync": sync or None, "was_muted": was})
        return
    what = f"The sync {sync}" if sync else "Everything"
    typer.echo(f"{what} is told of again." if was else f"{what} was not muted.")


@app.command()
def remove(name: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Forget a channel and its secret. What waits for it is not sent any more; the log keeps the rest."""
    hub = open_hub()
    channel = hub.alerts.channels.get(name)
    if channel.waiting and not yes:
        say(f"{counted(channel.waiting, 'message waits', 'messages wait')} for it.")
    confirm(f"Remove the alert channel {name}?", yes=yes)
    hub.alerts.channels.remove(name)
    if as_json:
        print_json({"name": name, "removed": True})
        return
    typer.echo(f"Removed the alert channel {name}.")


@app.command()
def log(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many messages, the newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """The messages of the last 30 days: what was told, to whom, and what came of it. The newest comes first."""
    hub = open_hub()
    found = hub.alerts.log(limit=limit)
    if as_json:
        print_json([each.figures() for each in found])
        return
    zone = hub.workspace.project.timezone
    print_table(
        ("at", "channel", "state", "tries", "told", "answer"),
        [
            (
                shown(each.created_at, zone),
                each.channel,
                each.state if each.next_at is None else f"waiting, again {shown(each.next_at, zone)}",
                str(each.tries),
                "a test" if each.test else "; ".join(_told(alert) for alert in each.alerts),
                each.answer,
            )
            for each in found
        ],
        empty="Nothing was sent yet.",
    )


@app.command()
def schema() -> None:
    """Print the JSON Schema of what a webhook and a command get."""
    from hub.alerts.payload import schema as of_messages

    print_json(of_messages())


def _told(alert: dict[str, str]) -> str:
    return f"{alert['subject']} {alert['kind']} {alert['change']}"


def _print_open(found: list[OpenAlert]) -> None:
    if not found:
        typer.echo("Nothing is wrong.")
    for each in found:
        mute = " (muted)" if each.muted else ""
        typer.echo(f"{each.level}{mute}, since {ago(each.since)}: {each.said}")
        typer.echo(f"    {each.hint}")


def _target(webhook: str, slack: str, command: list[str] | None, timeout: str) -> Target:
    from hub.alerts.targets import COMMAND, SLACK, WEBHOOK, Target

    given = [
        each for each in ("--webhook" * bool(webhook), "--slack" * bool(slack), "a command" * bool(command)) if each
    ]
    if len(given) != 1:
        raise UsageError(
            f"{' and '.join(given)} exclude each other." if given else "Where do alerts go?",
            hint="Give one of --webhook URL, --slack URL, or a command after --.",
        )
    if timeout and not command:
        raise UsageError("--timeout goes with a command.")
    if command:
        lasts = interval(timeout) if timeout else timedelta(seconds=30)
        return Target(COMMAND, argv=tuple(command), timeout=lasts)
    if webhook:
        return Target(WEBHOOK, url=webhook)
    return Target(SLACK, url=typer.get_text_stream("stdin").readline().strip() if slack == "-" else slack)


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
