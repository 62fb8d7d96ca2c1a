"""Checking a plugin: that it loads, that what it states holds, and that its connectors keep the contract's promises."""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from hub.connectors.contract import Connector
from hub.connectors.plugins import GROUP, Plugin, Plugins, load_from, refuse_newer
from hub.errors import NotFound, PluginError, UsageError
from hub.testing.conformance import CHECKS, Finding, Subject, Verdict, examine
from hub.testing.conformance.examining import finding

LOADS = "It loads: its module imports, its hooks exist, its connectors are whole, and it needs no other hub."
DESCRIBED = "Its connectors are described for the conformance suite."


@dataclass(frozen=True)
class Examined:
    """What was found of one plugin, by connector; what is about the plugin itself stands under an empty name."""

    plugin: Plugin
    findings: tuple[tuple[str, Finding], ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(found.verdict is not Verdict.FAILED for _, found in self.findings)

    def figures(self) -> dict[str, Any]:
        """For machines: the stable keys of `hub plugin check --json`."""
        told = [{"connector": name, **asdict(found)} for name, found in self.findings]
        return {**asdict(self.plugin), "ok": self.ok, "findings": told}


Report = Callable[[str, Finding], None]
"""Called after each check, with the connector's name."""


def check_plugins(what: str, report: Report = lambda name, found: None) -> list[Examined]:
    """Check a plugin, by its name or by the folder of its project; all that are installed when `what` is empty.

    Raises NotFound for a name that is not installed, UsageError for a folder that holds no plugin.
    """
    plugins = _plugins(what)
    return [_examined(plugins, plugin, report) for plugin in plugins.found]


def _plugins(what: str) -> Plugins:
    points = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    if not what:
        return load_from(points)
    named = [point for point in points if point.name == what]
    if named and not Path(what).is_dir():
        return load_from(named)
    if Path(what).is_dir():
        return _in_folder(Path(what).absolute())
    known = ", ".join(point.name for point in points) or "none"
    raise NotFound(f"There is no plugin and no folder {what!r}.", hint=f"Installed plugins: {known}.")


def _in_folder(folder: Path) -> Plugins:
    """The plugins of a project that need not be installed."""
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text()).get("project", {})
        named = dict(project.get("entry-points", {}).get(GROUP, {}))
    except (OSError, tomllib.TOMLDecodeError, AttributeError, TypeError) as error:
        raise UsageError(f"{folder} is no plugin's project: {error}", hint="It needs a pyproject.toml.") from error
    if not named:
        raise UsageError(
            f"{folder}/pyproject.toml names no plugin.", hint=f'Name its module under [project.entry-points."{GROUP}"].'
        )
    sys.path[:0] = [str(place) for place in (folder, folder / "src") if place.is_dir()]
    try:
        refuse_newer(project.get("dependencies", []))
    except PluginError as error:
        return Plugins(
            tuple(Plugin(name, project.get("name", ""), "", named[name], error=str(error)) for name in named)
        )
    found = load_from([EntryPoint(name, module, GROUP) for name, module in named.items()])
    name, version = str(project.get("name", "")), str(project.get("version", ""))
    return replace(found, found=tuple(replace(each, distribution=name, version=version) for each in found.found))


def _examined(plugins: Plugins, plugin: Plugin, report: Report) -> Examined:
    found = []
    for name, one in _findings(plugins, plugin):
        report(name, one)
        found.append((name, one))
    return Examined(plugin, tuple(found))


def _findings(plugins: Plugins, plugin: Plugin) -> Iterator[tuple[str, Finding]]:
    if plugin.error:
        hint = "Mend it, and check it again. Nothing else is looked at until it loads."
        yield "", Finding("loads", LOADS, Verdict.FAILED, f"It was left out: {plugin.error}.", hint)
        return
    yield "", Finding("loads", LOADS, Verdict.PASSED)
    try:
        subjects = plugins.subjects(plugin.name)
    except PluginError as error:
        yield "", Finding("described", DESCRIBED, Verdict.FAILED, error.message, error.hint)
        subjects = []
    for name in plugin.connectors:
        connector = plugins.connectors[name]
        described = [subject for subject in subjects if subject.connector is connector]
        for subject in described:
            with tempfile.TemporaryDirectory(prefix="hub-conformance-") as folder:
                yield from ((name, found) for found in examine(subject, Path(folder)))
        if not described:
            yield from ((name, found) for found in _facts_alone(connector))


def _facts_alone(connector: type[Connector]) -> Iterator[Finding]:
    """What can be told of a connector that no subject describes."""
    reason = "the plugin does not describe it in hub_conformance, so nothing was sent"
    for check in CHECKS.values():
        if check.name.startswith("facts-"):
            yield finding(check, Subject(connector, _no_sandbox, ()), None)
    yield Finding("described", DESCRIBED, Verdict.LEFT_OUT, reason)


def _no_sandbox(folder: Path) -> Any:
    raise NotImplementedError(f"nothing runs in {folder}: the facts are looked at alone")
