"""`hub alert add`, `edit`, `rotate`, `test` and `remove`: where alerts go."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from hub.alerts.targets import given_secret
from hub.cli.context import Json, Yes, confirm, open_hub, print_json, quit_with, quoted, say
from hub.clock import counted, now
from hub.errors import UsageError
from hub.sync.intervals import interval

if TYPE_CHECKING:
    from hub.alerts.targets import Target

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
    made = hub.alerts.channels.add(name, target, level=level, secret=given_secret(name))
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
