"""`--oauth` of `hub connection add` and `edit`: the browser is opened, the answer awaited on this machine."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from hub.app import Hub
from hub.cli.context import say
from hub.connectors.contract import Connector

WithOAuth = Annotated[
    bool, typer.Option("--oauth", help="Ask the account's owner in a browser, instead of a key that is copied.")
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="With --oauth: print the address, and open nothing.")]
CallbackPort = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="With --oauth: the port of this machine that the answer comes to."),
]


def consented(
    hub: Hub, kind: type[Connector], values: Mapping[str, Any], *, browser: bool, port: int | None
) -> dict[str, str]:
    """The settings that the consent of an account's owner brings.

    Raises UsageError (no OAuth, no app, a port that is taken), NotAnswered, and the PartnerError of the partner.
    """
    from hub.connectors.authorizing import asking, granted
    from hub.connectors.callback import PORT, callback
    from hub.connectors.guarding import guard_of

    with callback(port or PORT) as waiting:
        asked = asking(kind, values, waiting.redirect_uri)
        say(f"Open this address, log in to {kind.label} and allow it; the answer comes to {waiting.redirect_uri}:")
        say(asked.url)
        if browser:
            webbrowser.open(asked.url)
        code = waiting.wait(asked)
    return asyncio.run(granted(asked, code, guard_of(hub.settings)))
