"""Installed plugins that are broken: each is named and explained by `hub plugin list`, and the others work."""

from __future__ import annotations

import json

import pytest

GOOD = "import hub\n@hub.hookimpl\ndef hub_connectors():\n    return []\n"
PLUGINS = {
    "newer": (GOOD, "Requires-Dist: cohort-hub>=99", "it needs cohort-hub >=99, and this is"),
    "newer-by-attribute": (f'requires_hub = ">=99"\n{GOOD}', "", "it needs cohort-hub >=99, and this is"),
    "extra": (GOOD, 'Requires-Dist: cohort-hub>=99; extra == "soon"', ""),
    "raising": ("raise ZeroDivisionError('oops')\n", "", "ZeroDivisionError: oops"),
    "ending": ("raise SystemExit('bye')\n", "", "SystemExit: bye"),
    "misspelt": (GOOD.replace("hub_connectors", "hub_conectors"), "", "hub_conectors: did you mean hub_connectors?"),
    "arguments": (GOOD.replace("()", "(project)"), "", "other arguments than the hook has"),
    "twice": (
        GOOD.replace("[]", "[Mailchimp]").replace("import hub", "import hub\nfrom hub_mailchimp.connector import *"),
        "",
        "it brings a connector 'mailchimp', which another plugin has brought already",
    ),
    "list-of-nothing": (GOOD.replace("[]", "[3]"), "", "names 3, which is no subclass of hub.Connector"),
    "no-list": (GOOD.replace("[]", "3"), "", "returns int, where a list of classes belongs"),
}


@pytest.fixture
def installed(tmp_path):
    """A folder of installed packages: each a module and its metadata, as pip writes them."""
    folder = tmp_path / "site"
    for name, (code, requires, _) in PLUGINS.items():
        module = f"broken_{name.replace('-', '_')}"
        about = folder / f"{module}-1.0.dist-info"
        about.mkdir(parents=True)
        (folder / f"{module}.py").write_text(code)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hub-{name}\nVersion: 1.0\n{requires}\n")
        (about / "entry_points.txt").write_text(f"[hub.plugins]\nz-{name} = {module}\n")
    return folder


def test_every_broken_plugin_is_named_with_its_reason_and_the_others_work(installed, cli):
    listed = cli("plugin", "list", "--json", PYTHONPATH=str(installed))

    found = {plugin["name"]: plugin for plugin in json.loads(listed.stdout)}
    assert listed.returncode == 0, listed.stderr
    assert found["mailchimp"]["error"] == ""
    for name, (_, _, reason) in PLUGINS.items():
        error = found[f"z-{name}"]["error"]
        assert (reason in error) if reason else error == "", (name, error)
        assert found[f"z-{name}"]["distribution"] == f"hub-{name}"
