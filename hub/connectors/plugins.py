"""Finding plugins: entry points of the group `hub.plugins`, loaded one by one.

A broken plugin is named with its reason and left out; everything else works. First-party plugins come through
the same door.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import pluggy

from hub.connectors import hookspecs
from hub.errors import NotFound, PluginError
from hub.settings import version

if TYPE_CHECKING:
    from hub.connectors.contract import Connector
    from hub.connectors.messages import MessageEvents
    from hub.testing.conformance import Subject
    from hub.testing.sandbox import Sandbox

GROUP = "hub.plugins"
HUB = "cohort-hub"
"""The distribution that plugins require."""


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
    _hosts: dict[str, pluggy.PluginManager] = field(default_factory=dict)

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
        """The sandbox partner called `name`.

        Raises NotFound, naming those that there are; PluginError when only a plugin that fails could have it.
        """
        known: dict[str, type[Sandbox]] = {}
        failed: list[PluginError] = []
        for plugin, call in self.implementing("hub_sandboxes"):
            try:
                known |= {found.name: found for answer in told(plugin, "hub_sandboxes", call) for found in answer}
            except PluginError as error:
                failed.append(error)
        if name in known:
            return known[name]
        if failed:
            raise failed[0]
        raise NotFound(f"There is no sandbox {name!r}.", hint=f"There are: {', '.join(sorted(known)) or 'none'}.")

    def subjects(self, plugin: str) -> list[Subject]:
        """What a plugin tells the conformance suite of its connectors. Raises PluginError when it fails to."""
        calls = [call for name, call in self.implementing("hub_conformance") if name == plugin]
        return [subject for call in calls for answer in told(plugin, "hub_conformance", call) for subject in answer]

    def implementing(self, hook: str) -> list[tuple[str, Any]]:
        """The plugins that implement a hook, by name, each with what calls it."""
        callers = [(name, getattr(host.hook, hook)) for name, host in self._hosts.items()]
        return [(name, call) for name, call in callers if call.get_hookimpls()]


def told(plugin: str, hook: str, call: Any) -> list[Any]:
    """What a plugin answers a hook without arguments. Raises PluginError, naming it, when it raises or has no list."""
    try:
        answers = call()
        if not all(isinstance(answer, list) for answer in answers):
            raise TypeError("it has to return a list")
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"The plugin {plugin} failed in {hook} with {type(error).__name__}: {error}",
            hint="This is a fault of the plugin; tell its author.",
        ) from error
    return list(answers)


@cache
def load_plugins() -> Plugins:
    """Load every installed plugin, once a process."""
    return load_from(sorted(entry_points(group=GROUP), key=lambda point: point.name))


def load_from(points: Sequence[EntryPoint]) -> Plugins:
    """Load the plugins that these entry points name, leaving out those that are broken."""
    found: list[Plugin] = []
    connectors: dict[str, type[Connector]] = {}
    hosts: dict[str, pluggy.PluginManager] = {}
    for point in points:
        distribution = point.dist.name if point.dist else ""
        version = point.dist.version if point.dist else ""
        try:
            if point.name in hosts:
                raise PluginError(f"it registers the name {point.name!r}, which another plugin has registered already")
            host, brought = loaded(point)
            _refuse_taken(brought, connectors)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code: whatever it raises is its reason
            reason = f"{type(error).__name__}: {error}" if not isinstance(error, PluginError) else str(error)
            found.append(Plugin(point.name, distribution, version, point.value, error=reason))
            continue
        connectors |= {connector.name: connector for connector in brought}
        hosts[point.name] = host
        names = tuple(connector.name for connector in brought)
        found.append(Plugin(point.name, distribution, version, point.value, names))
    return Plugins(tuple(found), connectors, hosts)


def loaded(point: EntryPoint) -> tuple[pluggy.PluginManager, list[type[Connector]]]:
    """Load one plugin: the host that calls its hooks, and its connectors. Raises what is wrong with it."""
    refuse_newer(point.dist.requires or [] if point.dist else [])
    module = point.load()
    refuse_newer([f"{HUB}{wanted}" for wanted in [getattr(module, "requires_hub", "")] if wanted])
    host = _host(module)
    brought: list[type[Connector]] = []
    for answer in host.hook.hub_connectors():
        if not isinstance(answer, list):
            raise PluginError(f"its hub_connectors returns {type(answer).__name__}, where a list of classes belongs")
        brought += answer
    for connector in brought:
        _refuse_unsound(connector)
    return host, brought


def refuse_newer(requirements: Iterable[str]) -> None:
    """Raise PluginError when one of a plugin's requirements is a hub that this one is not.

    Requirements are as packages state them (PEP 508); those of an extra do not count.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    for text in requirements:
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise PluginError(f"it requires {text!r}, which cannot be read: {error}") from error
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        is_hub = wanted.name.lower().replace("_", "-") == HUB
        if is_hub and applies and not wanted.specifier.contains(version(), prereleases=True):
            raise PluginError(f"it needs {HUB} {wanted.specifier}, and this is {version()}; update one of the two")


def _host(module: Any) -> pluggy.PluginManager:
    host = pluggy.PluginManager("hub")
    host.add_hookspecs(hookspecs)
    try:
        host.register(module)
        host.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(_hook_at_fault(host, module, error)) from error
    return host


def _hook_at_fault(host: pluggy.PluginManager, module: Any, error: pluggy.PluginValidationError) -> str:
    """What is wrong with a plugin's hooks, with the nearest name for one that there is not."""
    known = [name for name in vars(hookspecs) if name.startswith("hub_")]
    for name in vars(module):
        if host.parse_hookimpl_opts(module, name) is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            return f"it implements a hook that there is not, {name}: {meant}"
    said = " ".join(str(error).split())
    return f"it implements a hook with other arguments than the hook has: {said}"


def _refuse_unsound(connector: Any) -> None:
    from hub.connectors.contract import Connector

    if not (isinstance(connector, type) and issubclass(connector, Connector)):
        raise PluginError(f"its hub_connectors names {connector!r}, which is no subclass of hub.Connector")
    needed = ("name", "label", "docs_url", "Settings", "matching", "limits", "abilities")
    missing = [name for name in needed if not hasattr(connector, name)]
    missing += sorted(getattr(connector, "__abstractmethods__", ()))
    if missing:
        raise PluginError(f"its connector {connector.__name__} lacks {', '.join(missing)}")


def _refuse_taken(brought: list[type[Connector]], taken: dict[str, type[Connector]]) -> None:
    names = set(taken)
    for connector in brought:
        if connector.name in names:
            other = "another plugin has brought" if connector.name in taken else "it has brought"
            raise PluginError(f"it brings a connector {connector.name!r}, which {other} already")
        names.add(connector.name)
