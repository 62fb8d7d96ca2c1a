"""`hub connection`: accounts at partners."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hub.app import Hub
from hub.cli.authorizing import CallbackPort, NoBrowser, WithOAuth, consented
from hub.cli.connection_events import check_events
from hub.cli.context import Json, Yes, confirm, interactive, open_hub, print_json, print_table, say, say_what_goes
from hub.cli.listening import listen_at
from hub.clock import ago, shown
from hub.connectors.connection import CONNECTED, Connection
from hub.connectors.fields import SettingField, from_environment, made_up
from hub.errors import HubError, UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False)

Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting; give it once for each.")
]
Match = Annotated[
    str | None,
    typer.Option(
        "--match",
        metavar="KEYS",
        help="By which properties people are matched there, the preferred first: '$email=work_email,$phone'. "
        "Empty: the partner's own.",
    ),
]
Name = Annotated[str, typer.Argument(help="The connection's name.")]


@app.callback()
def _noun() -> None:
    """Connections."""


@app.command()
def add(
    connector: Annotated[str, typer.Argument(help="The partner, such as mailchimp.")],
    name: Name,
    settings: Settings = None,
    match: Match = None,
    like: Annotated[
        str, typer.Option("--like", metavar="NAME", help="The account and the settings of another connection.")
    ] = "",
    oauth: WithOAuth = False,
    no_browser: NoBrowser = False,
    callback_port: CallbackPort = None,
    as_json: Json = False,
) -> None:
    """Connect an account at a partner. It is checked first, and kept only if it works.

    Settings come from --set, else from the connection of --like, else from the environment (HUB_<CONNECTOR>_<SETTING>),
    else they are asked for on a terminal. Secrets are encrypted at rest and never shown again; one that the hub makes
    is shown this once. With --oauth the account's owner is asked in a browser.
    """
    hub = open_hub()
    kind = hub.plugins.connector(connector)
    copied = hub.connections.copied(like, connector) if like else {}
    values = {**from_environment(kind), **copied, **_given(settings)}
    if oauth:
        values |= consented(hub, kind, values, browser=not no_browser, port=callback_port)
    if interactive():
        values = _asked(hub, connector, values)
    made = made_up(kind, values)
    for field, secret in made.items():  # before the check: a partner that has to know it first refuses until it does
        say(f"Made, and shown only now; tell the partner, or give another: --set {field}={secret}")
    added = asyncio.run(hub.connections.add(connector, name, {**values, **made}, match=match or ""))
    _show(added, as_json, "Connected")


@app.command()
def edit(
    name: Name,
    settings: Settings = None,
    match: Match = None,
    oauth: WithOAuth = False,
    no_browser: NoBrowser = False,
    callback_port: CallbackPort = None,
    as_json: Json = False,
) -> None:
    """Change settings of a connection, such as a renewed credential, which is checked first; or how people are matched.

    With another match key the next runs move people: the old key out, the new one in. A guard holds the first of them.
    With --oauth the account's owner is asked again, such as after the consent was revoked.
    """
    if not settings and match is None and not oauth:
        raise UsageError("Nothing to change.", hint="Give what is new with --set NAME=VALUE, --match KEYS or --oauth.")
    hub = open_hub()
    connections, given = hub.connections, _given(settings)
    if oauth:
        values = {**connections.values(name), **given}
        given |= consented(hub, connections.kind(name), values, browser=not no_browser, port=callback_port)
    found = asyncio.run(connections.edit(name, given)) if given else connections.get(name)
    if match is not None:
        found = connections.rematch(name, match)
    _show(found, as_json, "Connected")


@app.command()
def check(
    name: Name,
    events: Annotated[
        bool,
        typer.Option("--events", help="What was told back of the newest message: sent, delivered, opened."),
    ] = False,
    person: Annotated[
        str, typer.Option("--person", metavar="PERSON", help="With --events: to whom, by any id or address.")
    ] = "",
    since: Annotated[
        str, typer.Option("--since", metavar="WHEN", help="With --events: a day or an instant; seven days ago.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Ask the partner whether the connection works. Changes nothing there.

    With --events: send a message to yourself at the partner, open it, and see whether that was told back. Exit code 1
    when something is missing.
    """
    if events:
        check_events(name, person=person, since=since, as_json=as_json)
        return
    if person or since:
        raise UsageError("--person and --since go with --events.")
    found = asyncio.run(open_hub().connections.check(name))
    if found.state != CONNECTED:
        if as_json:
            print_json(_figures(found))
        raise HubError(f"{found.label} does not work with {name}: {found.message}")
    _show(found, as_json, "Connected")


@app.command()
def listen(
    name: Name,
    off: Annotated[bool, typer.Option("--off", help="Send nothing there any more.")] = False,
    as_json: Json = False,
) -> None:
    """Have the partner send to the hub's door, by its own API: to this connection's secret address at `server_url`.

    What it signs with is kept. Harmless when repeated; at Mailchimp it makes the audience's webhook anew.
    """
    listen_at(name, off=off, as_json=as_json)


@app.command("list")
def list_connections(as_json: Json = False) -> None:
    """Every connection and its state."""
    found = open_hub().connections.list()
    if as_json:
        print_json([_figures(each) for each in found])
        return
    print_table(
        ("name", "partner", "state", "account", "checked"),
        [(each.name, each.label, each.state, each.account, ago(each.checked_at)) for each in found],
        empty="There is no connection yet. Add one with `hub connection add CONNECTOR NAME`.",
    )


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """One connection with its settings, without its secrets."""
    hub = open_hub()
    found = hub.connections.get(name)
    if as_json:
        address = hub.inbound.address(name) if hub.inbound.receives(name) else None
        print_json({**_figures(found), "receives_at": address})
        return
    zone = hub.workspace.project.timezone
    typer.echo(f"{found.name}: {found.label}, {found.state} {found.message}".rstrip())
    typer.echo(f"  account: {found.account}")
    if found.checked_at:
        typer.echo(f"  checked: {shown(found.checked_at, zone)}")
    typer.echo(f"  people are matched by: {', '.join(found.match)}")
    for field in hub.connections.fields(found.connector):
        value = "(kept secret)" if field.kind == "secret" else found.settings.get(field.name, "")
        typer.echo(f"  {field.name}: {value}")
    if hub.inbound.receives(name):
        typer.echo(f"  receives at: {hub.inbound.address(name)}")
        typer.echo(
            f"    The last part is a secret. A partner that signs may use {hub.inbound.address(name, secret=False)}"
        )
        if not hub.settings.server_url:
            typer.echo("    Before it comes the address of `hub serve` as the partner sees it (HUB_SERVER_URL).")


@app.command()
def remove(name: Name, yes: Yes = False, as_json: Json = False) -> None:
    """Forget a connection and its secrets. What the partner holds stays there; the ledger keeps the runs."""
    hub = open_hub()
    found, used = hub.connections.get(name), hub.connections.uses(name)
    if not used.busy and not yes:
        say(f"{name} is {found.label}, account {found.account}. What is there stays as it is.")
        say_what_goes(used)
    if not used.busy:
        confirm(f"Forget the connection {name} and its secrets?", yes=yes)
    gone = hub.connections.remove(name)
    if as_json:
        print_json({"connection": name, "removed": True, "syncs": gone})
        return
    say(f"The connection {name} is forgotten.")


def _given(settings: list[str] | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in settings or []:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            # the text itself may be a secret, so it is not repeated
            raise UsageError("--set wants NAME=VALUE.", hint="For example --set api_key=...")
        values[name.strip()] = value
    return values


def _asked(hub: Hub, connector: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Ask for what is needed and not given; choices that only the account knows are fetched from it.

    Nothing is asked within an event loop, which would keep Ctrl-C from the question.
    """
    answers = dict(values)
    for field in hub.connections.fields(connector):
        if field.name in answers or not field.required:
            continue
        if field.kind == "options":
            answers[field.name] = _chosen(hub, connector, answers, field)
        else:
            answers[field.name] = typer.prompt(
                _question(field), default=field.default or None, hide_input=field.kind == "secret", err=True
            )
    return answers


def _chosen(hub: Hub, connector: str, answers: Mapping[str, Any], field: SettingField) -> str:
    offered = asyncio.run(hub.connections.options(connector, answers, field.name))
    if not offered:
        raise HubError(f"The account offers nothing for {field.title}.", hint="Make one at the partner first.")
    if len(offered) == 1:
        say(f"{field.title}: {offered[0].label}")
        return offered[0].value
    for number, option in enumerate(offered, start=1):
        say(f"  {number}. {option.label} ({option.value})")
    while True:
        answer: int = typer.prompt(f"{field.title} (a number)", type=int, default=1, err=True)
        if 1 <= answer <= len(offered):
            return offered[answer - 1].value
        say(f"Choose a number from 1 to {len(offered)}.")


def _question(field: SettingField) -> str:
    return f"{field.title}{f' ({field.description})' if field.description else ''}"


def _show(found: Connection, as_json: bool, word: str) -> None:
    if as_json:
        print_json(_figures(found))
    else:
        typer.echo(f"{word}: {found.name} is {found.label}, account {found.account}.")
        for note in filter(None, (found.message, *found.warnings)):
            say(f"Note: {note}")


def _figures(found: Connection) -> dict[str, Any]:
    return {
        "name": found.name,
        "connector": found.connector,
        "state": found.state,
        "message": found.message,
        "account": found.account,
        "checked_at": found.checked_at,
        "settings": dict(found.settings),
        "match": list(found.match),
        "warnings": list(found.warnings),
    }
