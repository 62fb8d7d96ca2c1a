"""`hub inbound`: message events that partners tell back, and cohorts that they push."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import Json, interruptible, open_hub, print_json, print_table, quoted, say
from hub.cli.inbound_shown import campaign_lines, figures, kept_figures, kept_lines, source_lines
from hub.cli.values import harmless
from hub.cli.why import begin
from hub.clock import ago, counted
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.inbound.service import Source

app = typer.Typer(no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(help="The connection's name.")]


@app.callback()
def _noun() -> None:
    """Message events."""


@app.command("list")
def list_sources(as_json: Json = False) -> None:
    """The connections that message events come from, and how fresh they are."""
    hub = open_hub()
    hub.inbound.catch_up()
    sources = hub.inbound.list()
    if as_json:
        print_json([figures(source) for source in sources])
        return
    print_table(
        ("connection", "received", "pulled", "last request", "waiting", "parked", "not verified", "state"),
        [_row(source) for source in sources],
        empty="No connection has message events. Add one with `hub connection add`.",
    )
    for source in sources:
        for line in campaign_lines(source.renamed, hub.workspace.project.timezone):
            typer.echo(harmless(f"{source.connection}: {line}"))


def _row(source: Source) -> tuple[str, ...]:
    return (
        source.connection,
        f"{source.received:,}",
        ago(source.pulled_at) if source.pulls else "-",
        ago(source.last_request_at) if source.receives else "-",
        f"{source.waiting:,}",
        f"{source.parked:,}",
        f"{source.refused:,}",
        source.message or "ok",
    )


@app.command()
def show(
    connection: Name,
    everything: Annotated[bool, typer.Option("--all", help="Requests of any state, not parked ones alone.")] = False,
    most: Annotated[int, typer.Option(min=0, max=1000, help="So many requests, the newest first.")] = 10,
    as_json: Json = False,
) -> None:
    """What came in through a connection: what is parked and why, what was not verified, what is left out, renamed."""
    hub = open_hub()
    hub.inbound.catch_up()
    source = hub.inbound.source(connection)
    kept = hub.inbound.kept(connection, parked=not everything, most=most)
    campaigns = hub.inbound.campaigns(connection)
    if as_json:
        told = {**figures(source), "campaigns": [each.figures() for each in campaigns]}
        print_json({**told, "kept": [kept_figures(each) for each in kept]})
        return
    zone = hub.workspace.project.timezone
    for line in [*source_lines(source), *campaign_lines(source.renamed, zone), *kept_lines(kept, zone)]:
        typer.echo(harmless(line))
    if source.parked:
        say(f"`hub inbound replay {quoted(connection)}` tries them again, such as with a newer plugin.")


@app.command()
def pull(connection: Name, as_json: Json = False) -> None:
    """Fetch what is new from a partner's reports. What the hub has already is dropped."""
    hub = open_hub()
    with interruptible() as stop:
        pulled = asyncio.run(hub.inbound.pull(connection, stop=stop))
    if as_json:
        print_json({"connection": pulled.connection, "read": pulled.read, "new": pulled.new})
    else:
        typer.echo(f"{pulled.connection}: {pulled.new:,} new message events, of {pulled.read:,} read.")


@app.command()
def replay(
    connection: Name,
    since: Annotated[
        str,
        typer.Option("--since", metavar="WHEN", help="Everything received since a day or an instant."),
    ] = "",
    as_json: Json = False,
) -> None:
    """Decode kept requests of a connection again: those that are parked, or all since a time. Nothing comes twice."""
    hub = open_hub()
    with interruptible() as stop:
        done = hub.inbound.replay(connection, since=begin(hub, since) if since else None, stop=stop)
    if as_json:
        print_json({"connection": connection, **vars(done)})
        return
    typer.echo(
        f"{connection}: {counted(done.requests, 'request')} decoded again, {counted(done.new, 'new message event')} of "
        f"{done.events:,}; {done.parked:,} parked."
    )


@app.command()
def kinds(
    connection: Name,
    take: Annotated[list[str] | None, typer.Option("--take", metavar="KIND", help="Take it in again.")] = None,
    leave: Annotated[
        list[str] | None,
        typer.Option("--leave", metavar="KIND", help="Leave it out: a kind, an event's name, or such as `opened`."),
    ] = None,
    as_json: Json = False,
) -> None:
    """The kinds of message events of a connection, and which are taken in. Those left out are only counted."""
    inbound = open_hub().inbound
    if take and leave and {*take} & {*leave}:
        raise UsageError("A kind is either taken in or left out.")
    if take or leave:
        inbound.choose_kinds(connection, take=take or (), leave=leave or ())
    found = inbound.kinds(connection)
    if as_json:
        print_json(
            [
                {"kind": kind.kind, "event": kind.event, "metric": kind.metric, "exempt": kind.exempt, "taken": taken}
                for kind, taken in found
            ]
        )
        return
    print_table(
        ("kind", "event", "means", "tracked users", "taken in"),
        [
            (kind.kind, kind.event, kind.metric, "exempt" if kind.exempt else "counts", "yes" if taken else "no")
            for kind, taken in found
        ],
        empty="The connector declares no message events.",
    )
