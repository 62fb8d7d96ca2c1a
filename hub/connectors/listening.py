"""Partners that are told, by their own API, to send to the hub's door."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hub.connectors.containing import contained
from hub.connectors.contract import Ability
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.connectors.connection import Connection
    from hub.connectors.connections import Connections


async def listen(connections: Connections, name: str, url: str) -> Connection:
    """Have the partner of a connection send to `url`, and keep what it tells for that, such as a signing secret.

    Harmless when repeated. Raises NotFound, UsageError (no such address, or a partner that cannot be told so), and the
    PartnerError that the partner answers with.
    """
    _refuse(connections, name, url)
    async with connections.opened(name, read_attempts=1) as opened:
        told = await contained(opened, opened.listen(url))
    return connections.amend(name, told)


async def stop_listening(connections: Connections, name: str, url: str) -> Connection:
    """Have the partner send nothing to `url` any more. Harmless when repeated. Raises as `listen`."""
    _refuse(connections, name, url)
    async with connections.opened(name, read_attempts=1) as opened:
        await contained(opened, opened.stop_listening(url))
    return connections.get(name)


def _refuse(connections: Connections, name: str, url: str) -> None:
    kind = connections.kind(name)
    if Ability.LISTEN not in kind.abilities:
        raise UsageError(
            f"{kind.label} cannot be told by its API where to send.",
            hint="Give it the address there, by hand." if Ability.RECEIVE in kind.abilities else "",
        )
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise UsageError(f"{url} is not an address.", hint=f"For example https://hub.example.com/in/{name}.")
