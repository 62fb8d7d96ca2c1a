"""`hub token`: who may send events and profiles to a project."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hub.cli.context import Json, open_hub, print_json, print_table, say
from hub.clock import ago
from hub.errors import UsageError
from hub.tokens import Kind, Token

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def _noun() -> None:
    """Tokens."""


@app.command()
def add(
    secret: Annotated[
        bool, typer.Option("--secret", help="A project secret: for imports, and for nobody's browser.")
    ] = False,
    service_account: Annotated[
        str, typer.Option("--service-account", metavar="NAME", help="A service account of this user name: for imports.")
    ] = "",
    name: Annotated[str, typer.Option(help="What to call it; a service account has a name already.")] = "",
    value: Annotated[
        str,
        typer.Option(
            metavar="TOKEN",
            help="The token itself, such as the one that your apps send to Mixpanel now; - reads it from standard "
            "input. Left out: a new one.",
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a token, and show it: this once, for only its hash is kept.

    Without options it is a project token, which SDKs put into every event and profile update. It is in every browser
    that runs your pages, so it may only send.
    """
    if service_account and (secret or name):
        raise UsageError("--service-account is a kind and a name.", hint="Leave out --secret and --name.")
    kind = Kind.SERVICE if service_account else Kind.SECRET if secret else Kind.PROJECT
    brought = sys.stdin.readline().strip() if value == "-" else value
    made, text = open_hub().tokens.add(kind, name=service_account or name, value=brought)
    if as_json:
        print_json({**made.figures(), "token": text})
        return
    typer.echo(text)
    say(_what_for(made))
    say("It is not shown again.")


@app.command("list")
def list_tokens(
    everything: Annotated[bool, typer.Option("--all", help="Those that were revoked, too.")] = False,
    as_json: Json = False,
) -> None:
    """The tokens of the project, by their last characters. None is ever shown again."""
    hub = open_hub()
    found = hub.tokens.list(revoked=everything)
    if as_json:
        print_json([each.figures() for each in found])
        return
    print_table(
        ("number", "kind", "name", "ends in", "made", "revoked"),
        [
            (
                str(each.id),
                each.kind.value,
                each.name,
                each.hint,
                ago(each.created_at),
                ago(each.revoked_at) if each.revoked_at else "",
            )
            for each in found
        ],
        empty=f"The project {hub.workspace.project.name} has no token yet. Make one with `hub token add`.",
    )


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(metavar="TOKEN", help="Its number, its name, or the token itself.")],
    as_json: Json = False,
) -> None:
    """Let a token work no longer. A server that runs notices within three seconds."""
    found = open_hub().tokens.revoke(which)
    if as_json:
        print_json(found.figures())
        return
    called = f" {found.name}" if found.name else ""
    typer.echo(f"The {found.kind.value} token {found.id}{called}, ending in {found.hint}, is revoked.")


def _what_for(made: Token) -> str:
    if made.kind is Kind.SERVICE:
        return f"The secret of the service account {made.name}, which may import into the project {made.project}."
    if made.kind is Kind.SECRET:
        return f"A secret of the project {made.project}: the user of a Basic login, with an empty password."
    return f"A token of the project {made.project}: what SDKs are given. Next: hub serve"
