"""`hub plugin`: what is installed, and what is broken."""

from __future__ import annotations

import typer

from hub.cli.context import Json, print_json, print_table
from hub.connectors.plugins import load_plugins

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _noun() -> None:
    """Plugins."""


@app.command("list")
def list_plugins(as_json: Json = False) -> None:
    """Every installed plugin, with its connectors; a broken one with its reason."""
    found = load_plugins().found
    if as_json:
        print_json([vars(plugin) for plugin in found])
        return
    print_table(
        ("plugin", "package", "version", "connectors", "state"),
        [
            (
                plugin.name,
                plugin.distribution,
                plugin.version,
                ", ".join(plugin.connectors),
                f"left out: {plugin.error}" if plugin.error else "ok",
            )
            for plugin in found
        ],
        empty="No plugin is installed.",
    )
