"""`hub plugin`: what is installed, what is broken, and what a plugin's author needs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import Json, print_json, print_table, say
from hub.clock import counted
from hub.connectors.plugins import load_plugins

if TYPE_CHECKING:
    from hub.testing.checking import Examined
    from hub.testing.conformance import Finding

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


@app.command("new")
def new_plugin(
    name: Annotated[str, typer.Argument(help="What users will type: the partner's name, such as acme.")],
    folder: Annotated[Path, typer.Option("--in", help="Where the folder hub-NAME is made.")] = Path(),
    as_json: Json = False,
) -> None:
    """Begin a plugin: a folder hub-NAME with a connector, a sandbox, and tests that pass."""
    from hub.testing.starting import start_plugin

    plugins = load_plugins()
    taken = {plugin.name for plugin in plugins.found} | {*plugins.connectors}
    started = start_plugin(name, folder, installed=taken)
    if as_json:
        print_json({"plugin": started.name, "folder": str(started.folder), "files": list(started.files)})
        return
    typer.echo(f"Made {started.folder}: a plugin that works, for a partner that there is not.")
    typer.echo(f"Look at it:    hub plugin check {started.folder}")
    typer.echo(f"Install it:    pip install -e {started.folder}")
    typer.echo("Make it yours: docs/plugins/tutorial.md")


@app.command("check")
def check_plugin(
    what: Annotated[
        str, typer.Argument(help="A plugin's name, or the folder of its project; all that are installed if left out.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Load a plugin, look at what it states, and put its connectors through the conformance suite."""
    from hub.testing.checking import check_plugins

    found = check_plugins(what)
    ok = all(examined.ok for examined in found)
    if as_json:
        print_json({"ok": ok, "plugins": [examined.figures() for examined in found]})
    else:
        for examined in found:
            _tell(examined)
        if not found:
            say("No plugin is installed.")
    if not ok:
        raise typer.Exit(1)


def _tell(examined: Examined) -> None:
    from hub.testing.conformance import Verdict

    def of(verdict: Verdict) -> list[tuple[str, Finding]]:
        return [(name, found) for name, found in examined.findings if found.verdict is verdict]

    failed, left_out = of(Verdict.FAILED), of(Verdict.LEFT_OUT)
    passed = counted(len(of(Verdict.PASSED)), "check")
    typer.echo(f"{examined.plugin.name}: {passed} passed, {len(left_out)} left out, {len(failed)} failed.")
    for (name, reason), checks in _by_reason(left_out).items():
        typer.echo(f"  left out  {_of(name)}{reason}: {', '.join(checks)}")
    for name, found in failed:
        typer.echo(f"  failed    {_of(name)}{found.check}: {found.what}")
        typer.echo(f"            {found.message}")
        typer.echo(f"            {found.hint}")


def _by_reason(left_out: Iterable[tuple[str, Finding]]) -> dict[tuple[str, str], list[str]]:
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, found in left_out:
        grouped.setdefault((name, found.message.rstrip(".")), []).append(found.check)
    return grouped


def _of(connector: str) -> str:
    return f"{connector}: " if connector else ""
