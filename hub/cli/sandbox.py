"""`hub sandbox PARTNER`: a partner on this machine, to try things on."""

from __future__ import annotations

import shlex
import sqlite3

from hub.cli.context import chosen, say
from hub.connectors.plugins import load_plugins
from hub.errors import HubError
from hub.settings import load
from hub.testing.sandbox import Running, serve


def serve_sandbox(partner: str, port: int | None) -> None:
    """Serve the sandbox called `partner` until it is interrupted. Its state stays in the home."""
    settings = load(chosen.home)
    home = settings.home / "sandbox" / partner
    try:
        sandbox = load_plugins().sandbox(partner)(home)
    except (OSError, sqlite3.Error) as error:
        raise HubError(
            f"The sandbox cannot keep its state in {home}: {error}.", hint="Make the home writable for this user."
        ) from error

    def ready(listening: Running) -> None:
        url = listening.url
        given = " ".join(f"--set {name}={shlex.quote(value)}" for name, value in listening.settings.items())
        say(f"{sandbox.label} listens on {url}. Its state is in {sandbox.home}.")
        say(f"Connect to it:   hub connection add {partner} NAME {given}")
        say(f"Look inside:     curl {url}/_sandbox/")

    serve(sandbox, port=port, on_ready=ready)
