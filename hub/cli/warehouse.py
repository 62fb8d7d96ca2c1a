"""`hub warehouse`: databases that are asked for the members of cohorts, and never written to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.context import Json, Yes, confirm, open_hub, print_json, print_table, quit_with, say
from hub.clock import ago

if TYPE_CHECKING:
    from hub.cohorts.warehouses.service import Warehouse

app = typer.Typer(no_args_is_help=True, add_completion=False)

Name = Annotated[str, typer.Argument(help="The warehouse's name.")]
Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="HUB_WAREHOUSE_URL",
        show_envvar=True,
        help="duckdb:///folder/file.duckdb, or postgresql://user:password@host:5432/database.",
    ),
]


@app.callback()
def _noun() -> None:
    """Warehouses."""


@app.command()
def add(name: Name, url: Url, as_json: Json = False) -> None:
    """Keep a warehouse, if it can be reached. A password is encrypted; in the environment nobody sees it go by."""
    _show(open_hub().warehouses.add(name, url), "Added", as_json=as_json)


@app.command()
def edit(name: Name, url: Url, as_json: Json = False) -> None:
    """Give a warehouse another address or password, if it can be reached there."""
    _show(open_hub().warehouses.edit(name, url), "Changed", as_json=as_json)


@app.command("list")
def list_warehouses(as_json: Json = False) -> None:
    """Every warehouse, without its password, and whether it worked when it was last checked."""
    found = open_hub().warehouses.list()
    if as_json:
        print_json([each.figures() for each in found])
        return
    print_table(
        ("name", "address", "checked", "problem"),
        [(each.name, each.url, ago(each.checked_at), each.message) for each in found],
        empty="There is no warehouse yet. Add one with `hub warehouse add NAME --url URL`.",
    )


@app.command()
def check(name: Name, as_json: Json = False) -> None:
    """Ask whether a warehouse can be reached. Ends with 1 when it cannot."""
    found = open_hub().warehouses.check(name)
    _show(found, "Works" if not found.message else "Does not work", as_json=as_json)
    if found.message:
        quit_with(1)


@app.command()
def remove(name: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Forget a warehouse and its password. While a cohort is asked of it, it stays."""
    hub = open_hub()
    found = hub.warehouses.get(name)
    confirm(f"Forget the warehouse {found.name} and its password?", yes=yes)
    hub.warehouses.remove(name)
    if as_json:
        print_json({"warehouse": name, "removed": True})
        return
    typer.echo(f"The warehouse {name} is forgotten.")


def _show(found: Warehouse, word: str, *, as_json: bool) -> None:
    if as_json:
        print_json(found.figures())
        return
    typer.echo(f"{word}: {found.name}, {found.url}")
    if found.message:
        say(found.message)
