"""Plugins: found one by one; a broken one is named and left out."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

import hub
from hub.connectors.contract import Ability, Connector, ConnectorSettings, Limits, Matching, MatchKey
from hub.connectors.plugins import load_from, load_plugins
from hub.errors import NotFound, PluginError


class Acme(Connector):
    """The smallest connector."""

    name = "acme"
    label = "Acme"
    docs_url = "https://acme.example"
    Settings = ConnectorSettings
    matching = Matching((MatchKey("$email", "email"),))
    limits = Limits(10, 1, "none")
    abilities = frozenset[Ability]()

    @classmethod
    def base_url(cls, settings):
        return "https://acme.example"

    async def check(self): ...

    async def open_audience(self, name): ...

    async def add(self, audience, members): ...


@pytest.fixture
def module(monkeypatch):
    """Make a plugin module of the given hooks, and the entry point that names it."""

    def make(name: str, **hooks) -> EntryPoint:
        made = ModuleType(name)
        for hook, function in hooks.items():
            setattr(made, hook, hub.hookimpl(function))
        monkeypatch.setitem(sys.modules, name, made)
        return EntryPoint(name, name, "hub.plugins")

    return make


def test_a_plugin_brings_its_connectors(module):
    plugins = load_from([module("hub_acme", hub_connectors=lambda: [Acme])])

    assert plugins.connector("acme") is Acme
    assert plugins.found[0].connectors == ("acme",)


def test_a_plugin_that_cannot_be_imported_is_named_and_the_rest_works(module):
    plugins = load_from(
        [EntryPoint("gone", "hub_gone", "hub.plugins"), module("hub_acme", hub_connectors=lambda: [Acme])]
    )

    assert "No module named 'hub_gone'" in plugins.found[0].error
    assert plugins.connector("acme") is Acme
    with pytest.raises(PluginError, match="hub_gone"):
        plugins.connector("gone")


def test_a_misspelt_hook_is_told(module):
    plugins = load_from([module("hub_acme", hub_conectors=lambda: [Acme])])

    assert "hub_conectors" in plugins.found[0].error
    assert plugins.connectors == {}


def test_the_second_of_two_connectors_with_one_name_is_left_out(module):
    plugins = load_from(
        [module("hub_a", hub_connectors=lambda: [Acme]), module("hub_b", hub_connectors=lambda: [Acme])]
    )

    assert [bool(plugin.error) for plugin in plugins.found] == [False, True]


def test_a_hook_that_raises_is_the_plugins_fault(module):
    def broken():
        raise ZeroDivisionError("oops")

    plugins = load_from([module("hub_acme", hub_connectors=broken)])

    assert plugins.found[0].error == "ZeroDivisionError: oops"


def test_a_name_that_is_registered_twice_is_told_and_the_first_works(module):
    first = module("hub_acme", hub_connectors=lambda: [Acme])

    plugins = load_from([first, EntryPoint("hub_acme", "hub_acme", "hub.plugins")])

    assert [plugin.error for plugin in plugins.found] == [
        "",
        "it registers the name 'hub_acme', which another plugin has registered already",
    ]
    assert plugins.connector("acme") is Acme


def test_a_plugin_that_cannot_tell_its_sandboxes_hides_nobody_elses(module):
    def broken():
        raise ZeroDivisionError("oops")

    plugins = load_from([module("hub_a", hub_sandboxes=broken), module("hub_b", hub_sandboxes=lambda: [Acme])])

    assert plugins.sandbox("acme") is Acme
    with pytest.raises(PluginError, match="The plugin hub_a failed in hub_sandboxes with ZeroDivisionError"):
        plugins.sandbox("another")


def test_an_unknown_connector_is_answered_with_the_nearest():
    with pytest.raises(NotFound) as caught:
        load_plugins().connector("mailchip")

    assert "mailchimp" in caught.value.hint


def test_everything_that_a_plugin_author_imports_is_there():
    for name in hub.__all__:
        assert getattr(hub, name) is not None
    assert dir(hub) == sorted(hub.__all__, key=dir(hub).index)


@pytest.mark.parametrize("heavy", ["pydantic", "httpx", "sqlalchemy", "ibis", "duckdb", "pyarrow", "textual"])
def test_importing_hub_loads_nothing_heavy(heavy):
    code = f"import sys, hub; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("heavy", ["pydantic", "httpx", "sqlalchemy", "ibis", "duckdb", "pyarrow", "textual"])
def test_the_command_lines_help_loads_nothing_heavy(heavy):
    code = (
        "import sys; sys.argv = ['hub', '--help']\n"
        "from hub.cli import main\n"
        "try: main()\n"
        f"except SystemExit: sys.exit({heavy!r} in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == 0
    assert b"cohort" in done.stdout
