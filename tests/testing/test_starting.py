"""`hub plugin new` and `hub plugin check`: a plugin that is begun passes everything at once; what is wrong is named."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hub.cli.plugin import app
from hub.errors import AlreadyExists, HubError, NotFound, UsageError
from hub.testing.checking import check_plugins
from hub.testing.conformance import Verdict
from hub.testing.starting import start_plugin


def test_a_plugin_that_is_begun_passes_its_own_tests(tmp_path):
    made = json.loads(CliRunner().invoke(app, ["new", "carrier-pigeon", "--in", str(tmp_path), "--json"]).stdout)

    own = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=made["folder"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert own.returncode == 0, own.stdout
    assert "hub_carrier_pigeon/connector.py" in made["files"]
    assert "acme" not in "".join(path.read_text().lower() for path in tmp_path.rglob("*.*") if path.suffix == ".py")


@pytest.mark.parametrize(
    "name", ["", "Acme", "acme_mail", "acme--mail", "-acme", "3m", "ac me", "../acme", "hub-acme", "testing", "a" * 41]
)
def test_a_name_that_cannot_be_one_is_refused_and_nothing_is_made(tmp_path, name):
    with pytest.raises(UsageError):
        start_plugin(name, tmp_path)

    assert [*tmp_path.iterdir()] == []


def test_what_is_there_is_never_changed(tmp_path):
    (tmp_path / "hub-acme").mkdir()
    with pytest.raises(AlreadyExists, match="nothing was changed"):
        start_plugin("acme", tmp_path)
    with pytest.raises(AlreadyExists, match="installed already"):
        start_plugin("mailchimp", tmp_path, installed=["mailchimp"])
    (tmp_path / "file").write_text("")
    with pytest.raises(HubError, match="cannot be made"):
        start_plugin("acme", tmp_path / "file")

    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "hub-acme"]


def _changed(tmp_path, name, file, old, new):
    folder = start_plugin(name, tmp_path).folder
    path = folder / f"hub_{name}" / file if file.endswith(".py") else folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return str(folder)


def _failures(what):
    [examined] = check_plugins(what)
    return {found.check: found.message for _, found in examined.findings if found.verdict is Verdict.FAILED}


def test_a_fault_in_a_connector_is_found_by_its_check_and_nothing_else_is_blamed(tmp_path):
    folder = _changed(tmp_path, "lossy", "connector.py", "while page :=", "if page :=")

    checked = CliRunner().invoke(app, ["check", folder, "--json"])

    [plugin] = json.loads(checked.stdout)["plugins"]
    assert checked.exit_code == 1
    assert (plugin["name"], plugin["distribution"], plugin["ok"]) == ("lossy", "hub-lossy", False)
    failed = {found["check"]: found["message"] for found in plugin["findings"] if found["verdict"] == "failed"}
    assert failed.keys() == {"batches-taken", "list-is-whole"}
    assert "151 of 201 members are not where they belong" in failed["list-is-whole"]


def test_a_plugin_that_does_not_load_is_named_with_its_reason(tmp_path):
    told = CliRunner().invoke(app, ["check", _changed(tmp_path, "empty", "__init__.py", "return [Empty]", "return 0")])
    assert (told.exit_code, "failed    loads: It loads" in told.stdout) == (1, True), told.stdout
    wrong_hook = _changed(tmp_path, "misspelt", "__init__.py", "def hub_connectors", "def hub_conectors")
    newer = _changed(tmp_path, "newer", "pyproject.toml", "cohort-hub>=", "cohort-hub>=99.")
    raising = _changed(tmp_path, "raising", "__init__.py", "from __future__", "1 / 0\nfrom __future__")
    argument = _changed(tmp_path, "argued", "__init__.py", "def hub_connectors()", "def hub_connectors(of_whom)")
    lacking = _changed(tmp_path, "lacking", "connector.py", '    label = "Lacking"\n', "")

    assert "hub_conectors: did you mean hub_connectors?" in _failures(wrong_hook)["loads"]
    assert "it needs cohort-hub >=99." in _failures(newer)["loads"]
    assert "SyntaxError" in _failures(raising)["loads"]
    assert "of_whom" in _failures(argument)["loads"]
    assert "its connector Lacking lacks label" in _failures(lacking)["loads"]


def test_a_description_that_breaks_is_told_and_the_facts_are_looked_at(tmp_path):
    folder = _changed(tmp_path, "undescribed", "conformance.py", "UNDESCRIBED = ", "UNDESCRIBED = 1 / 0 or ")

    [examined] = check_plugins(folder)

    failed = [found for _, found in examined.findings if found.verdict is Verdict.FAILED]
    assert ["ZeroDivisionError" in found.message for found in failed] == [True]
    assert "facts-limits" in {found.check for _, found in examined.findings}


def test_a_folder_without_a_plugin_and_an_unknown_name_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no plugin's project"):
        check_plugins(str(tmp_path))
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    with pytest.raises(UsageError, match="names no plugin"):
        check_plugins(str(tmp_path))
    with pytest.raises(NotFound, match="nosuch"):
        check_plugins("nosuch")
