"""`hub connection listen`: partners that are told, by their own API, to send to the hub's door."""

from __future__ import annotations

import asyncio

import typer

from hub.cli.context import open_hub, print_json, say
from hub.connectors.listening import listen, stop_listening
from hub.errors import UsageError


def listen_at(name: str, *, off: bool, as_json: bool) -> None:
    """Have a partner send to the secret address of its connection, or no more. The address is not printed."""
    hub = open_hub()
    url, host = hub.inbound.address(name), hub.settings.server_url
    if not host:
        raise UsageError(
            "The hub does not know the address that it is reached at from the internet.",
            hint="Set server_url, such as HUB_SERVER_URL=https://hub.example.com.",
        )
    if off:
        found = asyncio.run(stop_listening(hub.connections, name, url))
    else:
        found = asyncio.run(listen(hub.connections, name, url))
    if as_json:
        print_json({"connection": name, "listens": not off, "at": host})
        return
    typer.echo(f"{found.label} sends nothing to {host} any more." if off else f"{found.label} sends to {host} now.")
    if not off:
        say("`hub serve` has to answer there; `hub inbound show` tells what came in.")
