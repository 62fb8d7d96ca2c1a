"""The addresses that partners send to: `/in/<connection>`, and the secret one, `/in/<connection>/<token>`.

The plain address is enough for whoever signs what he sends, as long as no other project of the hub has a connection of
that name. The secret one names its project, too, and is proof enough where a connector takes it for that.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hub.connectors.contract import Ability
from hub.connectors.offline import offline_connector
from hub.errors import HubError
from hub.store.secrets import open_vault
from hub.store.tables import connections, doors

if TYPE_CHECKING:
    from hub.connectors.contract import Connector
    from hub.connectors.plugins import Plugins
    from hub.settings import Settings
    from hub.store.store import Store

PATH = "/in"
_TOKEN_BYTES = 24


@dataclass(frozen=True)
class Entrance:
    """One connection's door. Without a `connector`, `problem` says why there is none."""

    connection_id: int
    name: str
    token: str = field(repr=False)
    connector: Connector | None = None
    problem: str = ""


@dataclass(frozen=True)
class Entrances:
    """The doors of all projects of a hub at one moment, by the name of their connections."""

    by_name: Mapping[str, tuple[Entrance, ...]] = field(default_factory=dict)
    _seen: Mapping[int, tuple[Any, Entrance]] = field(default_factory=dict)

    def find(self, name: str, token: str) -> Entrance | None:
        """Whose door that is; None when it is nobody's, or could be that of several."""
        named = self.by_name.get(name, ())
        if not token:
            return named[0] if len(named) == 1 else None
        return next((each for each in named if each.token and same(each.token, token)), None)


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def entrances(store: Store, plugins: Callable[[], Plugins], settings: Settings, before: Entrances) -> Entrances:
    """The doors as the control plane has them now. Those that did not change since `before` are taken from there.

    Plugins are loaded when there is a connection. Raises StoreError.
    """
    query = (
        select(connections, doors.c.token)
        .outerjoin(doors, doors.c.connection_id == connections.c.id)
        .where(connections.c.removed_at.is_(None))
        .order_by(connections.c.id)
    )
    with store.reading() as connection:
        rows = connection.execute(query).all()
    seen: dict[int, tuple[Any, Entrance]] = {}
    for row in rows:
        kind = plugins().connectors.get(row.connector)
        if kind is None or Ability.RECEIVE not in kind.abilities:
            continue
        state = (row.name, row.updated_at, row.secrets, row.token)
        known = before._seen.get(row.id)
        seen[row.id] = known if known and known[0] == state else (state, _made(row, plugins(), settings))
    return Entrances(_by_name(found for _, found in seen.values()), seen)


def secret_token(store: Store, settings: Settings, connection_id: int) -> str:
    """The secret part of a connection's address; it is made when it is asked for first. Raises SecretsUnreadable."""
    vault = open_vault(settings)
    query = select(doors.c.token).where(doors.c.connection_id == connection_id)
    with store.reading() as connection:
        sealed = connection.execute(query).scalar()
    if sealed is None:
        made = vault.seal({"token": secrets.token_urlsafe(_TOKEN_BYTES)})
        try:
            with store.writing() as connection:
                connection.execute(doors.insert().values(connection_id=connection_id, token=made))
            sealed = made
        except IntegrityError:  # somebody else made one in this instant
            with store.reading() as connection:
                sealed = connection.execute(query).scalar_one()
    return vault.open(sealed)["token"]


def _made(row: Any, plugins: Plugins, settings: Settings) -> Entrance:
    try:
        token = open_vault(settings).open(row.token)["token"] if row.token else ""
        return Entrance(row.id, row.name, token, offline_connector(row, plugins, settings))
    except HubError as error:
        return Entrance(row.id, row.name, "", problem=error.message)


def _by_name(found: Iterable[Entrance]) -> dict[str, tuple[Entrance, ...]]:
    named: dict[str, tuple[Entrance, ...]] = {}
    for each in found:
        named[each.name] = (*named.get(each.name, ()), each)
    return named
