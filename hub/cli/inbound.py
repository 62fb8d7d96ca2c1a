"""`hub inbound`: message events that partners tell back."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from hub.cli.context import Json, interruptible, open_hub, print_json, print_table
from hub.clock import ago

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _noun() -> None:
    """Message events."""


@app.command("list")
def list_sources(as_json: Json = False) -> None:
    """The connections that message events come from, and how fresh they are."""
    sources = open_hub().inbound.list()
    if as_json:
        print_json([vars(source) for source in sources])
        return
    print_table(
        ("connection", "received", "pulled", "state"),
        [
            (source.connection, f"{source.received:,}", ago(source.pulled_at), source.message or "ok")
            for source in sources
        ],
        empty="No connection has message events. Add one with `hub connection add`.",
    )


@app.command()
def pull(
    connection: Annotated[str, typer.Argument(help="The connection to pull from.")],
    as_json: Json = False,
) -> None:
    """Fetch what is new from a partner's reports. What the hub has already is dropped."""
    hub = open_hub()
    with interruptible() as stop:
        pulled = asyncio.run(hub.inbound.pull(connection, stop=stop))
    if as_json:
        print_json({"connection": pulled.connection, "read": pulled.read, "new": pulled.new})
    else:
        typer.echo(f"{pulled.connection}: {pulled.new:,} new message events, of {pulled.read:,} read.")
