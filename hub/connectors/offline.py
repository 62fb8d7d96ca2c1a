"""A connector that need not talk to its partner: to look at what the partner sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.connectors.containing import containing
from hub.connectors.fields import validated
from hub.connectors.guarding import guard_of
from hub.connectors.matching import match_of
from hub.store.secrets import open_vault

if TYPE_CHECKING:
    from sqlalchemy import Row

    from hub.connectors.contract import Connector
    from hub.connectors.plugins import Plugins
    from hub.settings import Settings


def offline_connector(row: Row[Any], plugins: Plugins, settings: Settings) -> Connector:
    """The connector of a connection (a row of the table), with its settings and secrets. It opens nothing.

    Raises NotFound or PluginError (no such plugin, or a broken one), UsageError (settings that this version of the
    plugin does not take), SecretsUnreadable.
    """
    from hub.connectors.http import PartnerClient

    kind = plugins.connector(row.connector)
    chosen = validated(kind, {**row.settings, **open_vault(settings).open(row.secrets)})
    with containing(kind):
        address = chosen.base_url or kind.base_url(chosen)
        made = kind(chosen, PartnerClient(address, guard=guard_of(settings), timeout=kind.limits.timeout))
    made.match_on = match_of(kind, row.match_keys)
    return made
