"""`hub sandbox PARTNER`: a partner on this machine, to try things on."""

from __future__ import annotations

import shlex

from hub.cli.context import chosen, say
from hub.connectors.plugins import load_plugins
from hub.settings import load


def serve_sandbox(partner: str, port: int | None) -> None:
    """Serve the sandbox called `partner` until it is interrupted. Its state stays in the home."""
    from hub.testing.sandbox import serve

    settings = load(chosen.home)
    sandbox = load_plugins().sandbox(partner)(settings.home / "sandbox" / partner)

    def ready(url: str) -> None:
        given = " ".join(f"--set {name}={shlex.quote(value)}" for name, value in sandbox.settings(url).items())
        say(f"{sandbox.label} listens on {url}. Its state is in {sandbox.home}.")
        say(f"Connect to it:   hub connection add {partner} NAME {given}")
        say(f"Look inside:     curl {url}/_sandbox/")

    serve(sandbox, port=port, on_ready=ready)
