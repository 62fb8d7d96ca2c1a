"""The reference for plugin authors says all that there is, and nothing else."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import hub
import hub.testing.sandbox
from hub.connectors import hookspecs
from hub.testing.conformance import CHECKS, Subject

PAGE = (Path(__file__).parents[2] / "docs" / "plugins" / "reference.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def named(section: str, head: str = "") -> set[str]:
    """The names in the first column of a section's tables, without arguments."""
    tables = [part.strip() for part in SECTIONS[section].split("\n\n")]
    rows = [row for table in tables if table.startswith(f"| {head}") for row in table.splitlines()[2:]]
    return {name.partition("(")[0] for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_every_hook_has_a_heading_with_exactly_its_arguments():
    hooks = {
        f"{name}({', '.join(inspect.signature(spec).parameters)})"
        for name, spec in vars(hookspecs).items()
        if name.startswith("hub_")
    }

    assert set(re.findall(r"^### (hub_.+)$", SECTIONS["Hooks"], re.MULTILINE)) == hooks


def test_every_public_name_has_its_place_and_is_marked_when_it_is_provisional():
    errors = {name for name in hub.__all__ if inspect.isclass(getattr(hub, name))}
    errors = {name for name in errors if issubclass(getattr(hub, name), Exception)}

    assert named("Errors") == errors
    assert named("Names") == set(hub.__all__) - errors
    rows = [row for row in SECTIONS["Names"].splitlines() if "*provisional*" in row]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])} == hub.PROVISIONAL


def test_every_attribute_method_and_ability_of_a_connector_has_its_row():
    own = {name for name in vars(hub.Connector) if not name.startswith("_")}
    declared = {name for name in inspect.get_annotations(hub.Connector) if not name.startswith("_")}

    assert named("Connector") == own | declared | {"settings", "http"}
    assert named("Abilities") == {ability.name for ability in hub.Ability}


def test_the_toolkit_and_the_suite_are_told_whole():
    assert named("hub.testing.sandbox") == set(hub.testing.sandbox.__all__)
    assert named("hub.testing.conformance", "check") == set(CHECKS)
    assert named("hub.testing.conformance", "of a") == {field.name for field in dataclasses.fields(Subject)}
