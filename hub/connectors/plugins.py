"""Finding plugins: entry points of the group `hub.plugins`, loaded one by one.

A broken plugin is named with its reason and left out; everything else works. First-party plugins come through
the same door.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from hub.connectors import hookspecs
from hub.errors import NotFound, PluginError

if TYPE_CHECKING:
    from hub.connectors.contract import Connector
    from hub.connectors.messages import MessageEvents
    from hub.testing.sandbox import Sandbox

GROUP = "hub.plugins"


@dataclass(frozen=True)
class Plugin:
    """One installed plugin. `error` is empty when it loaded; else it says why it was left out."""

    name: str
    distribution: str
    version: str
    module: str
    connectors: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Plugins:
    """What was found: every plugin, broken ones too, and the connectors of those that loaded."""

    found: tuple[Plugin, ...]
    connectors: dict[str, type[Connector]] = field(default_factory=dict)
    _modules: dict[str, Any] = field(default_factory=dict)

    def connector(self, name: str) -> type[Connector]:
        """The connector that users call `name`.

        Raises PluginError when its plugin is broken, NotFound (naming those installed) otherwise.
        """
        if name in self.connectors:
            return self.connectors[name]
        for plugin in self.found:
            if plugin.error and plugin.name == name:
                raise PluginError(f"The plugin {name} was left out: {plugin.error}")
        near = difflib.get_close_matches(name, self.connectors, n=1)
        known = ", ".join(sorted(self.connectors)) or "none"
        raise NotFound(
            f"There is no connector {name!r}.",
            hint=(f"Did you mean {near[0]}? " if near else "") + f"Installed: {known}.",
        )

    def message_events(self) -> list[MessageEvents]:
        """The message events that the connectors declare."""
        return [found.message_events for found in self.connectors.values() if found.message_events]

    def sandbox(self, name: str) -> type[Sandbox]:
        """The sandbox partner called `name`. Raises NotFound, naming those that there are."""
        known = {found.name: found for module in self._modules.values() for found in _sandboxes(module)}
        if name not in known:
            raise NotFound(f"There is no sandbox {name!r}.", hint=f"There are: {', '.join(sorted(known))}.")
        return known[name]


@cache
def load_plugins() -> Plugins:
    """Load every installed plugin, once a process."""
    return load_from(sorted(entry_points(group=GROUP), key=lambda point: point.name))


def load_from(points: Sequence[EntryPoint]) -> Plugins:
    """Load the plugins that these entry points name, leaving out those that are broken."""
    found: list[Plugin] = []
    connectors: dict[str, type[Connector]] = {}
    modules: dict[str, Any] = {}
    for point in points:
        distribution = point.dist.name if point.dist else ""
        version = point.dist.version if point.dist else ""
        try:
            module, brought = _load(point)
            _refuse_taken(brought, connectors)
        except Exception as error:  # noqa: BLE001 - the boundary to foreign code: whatever it raises is its reason
            reason = f"{type(error).__name__}: {error}" if not isinstance(error, PluginError) else str(error)
            found.append(Plugin(point.name, distribution, version, point.value, error=reason))
            continue
        connectors |= {connector.name: connector for connector in brought}
        modules[point.name] = module
        names = tuple(connector.name for connector in brought)
        found.append(Plugin(point.name, distribution, version, point.value, names))
    return Plugins(tuple(found), connectors, modules)


def _load(point: EntryPoint) -> tuple[Any, list[type[Connector]]]:
    module = point.load()
    host = _host(module)
    brought = [connector for connectors in host.hook.hub_connectors() for connector in connectors]
    return module, brought


def _sandboxes(module: Any) -> list[type[Sandbox]]:
    return [sandbox for sandboxes in _host(module).hook.hub_sandboxes() for sandbox in sandboxes]


def _host(module: Any) -> pluggy.PluginManager:
    host = pluggy.PluginManager("hub")
    host.add_hookspecs(hookspecs)
    host.register(module)
    try:
        host.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"it implements a hook that there is not: {error}") from error
    return host


def _refuse_taken(brought: list[type[Connector]], taken: dict[str, type[Connector]]) -> None:
    for connector in brought:
        if connector.name in taken:
            raise PluginError(f"it brings a connector {connector.name!r}, which another plugin has brought already")
