"""`hub alert`: what is wrong, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.alert_channels import add, edit, remove, rotate, test
from hub.cli.alert_muting import mute, unmute
from hub.cli.context import Json, open_hub, print_json, print_table, say
from hub.clock import ago, shown

if TYPE_CHECKING:
    from hub.alerts.model import OpenAlert

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _noun() -> None:
    """Alerts."""


app.command()(add)
app.command()(edit)
app.command()(rotate)


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
    for each in muted:
        why = f" ({each.reason})" if each.reason else ""
        typer.echo(f"muted until {shown(each.until, zone)}: {each.sync or 'everything'}, by {each.actor}{why}")
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
    for channel in channels:
        if channel.warning:
            say(f"{channel.name}: {channel.warning}")


app.command()(test)
app.command()(mute)
app.command()(unmute)
app.command()(remove)


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
