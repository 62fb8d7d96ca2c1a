"""A hub as a file: what applying it would leave as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import indent
from typing import TYPE_CHECKING, Any

from hub.cohorts.documents import write_yaml
from hub.declared.alert_specs import AlertSpec
from hub.declared.alerts import secret_variable
from hub.declared.connections import variable_of_warehouse
from hub.declared.current import current
from hub.declared.file import SECTIONS
from hub.declared.secrets import secrets_of, variable

if TYPE_CHECKING:
    from hub.app import Hub

_HEAD = """\
# What the project {name!r} of this hub holds. Change this file, look at `hub apply FILE --plan`, and apply it.
# Secrets are not in it: on another hub they are taken from the environment, as said beside each connection.
"""


def export_document(hub: Hub) -> dict[str, Any]:
    """What the project holds as JSON values, without secrets; no empty section."""
    found: dict[str, Any] = current(hub).model_dump(mode="json")
    return {key: value for key, value in found.items() if value or key not in SECTIONS}


def export_text(hub: Hub) -> str:
    """The same as YAML for people, which `hub apply` reads; beside each connection, the secrets that it needs."""
    document = export_document(hub)
    head = {key: value for key, value in document.items() if key not in SECTIONS}
    parts = [_HEAD.format(name=hub.workspace.project.name) + write_yaml(head)]
    for section in SECTIONS:
        if section in document:
            parts.append(f"{section}:\n{''.join(_entries(hub, section, document[section]))}")
    return "\n".join(parts)


def _entries(hub: Hub, section: str, entries: Mapping[str, Any]) -> Iterator[str]:
    for name, entry in entries.items():
        comments = "".join(f"  # {line}\n" for line in _secrets(hub, section, name, entry))
        yield comments + indent(write_yaml({name: entry}), "  ")


def _secrets(hub: Hub, section: str, name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    if section == "warehouses" and str(entry["url"]).startswith("postgres"):
        yield f"its password, if it has one, comes from {variable_of_warehouse(name)}"
    if section == "alerts" and "command" not in entry:
        what = "address" if "slack" in entry else "secret"
        yield f"its {what} comes from {secret_variable(name, AlertSpec.model_validate(entry))}"
    if section == "connections" and (kind := hub.plugins.connectors.get(entry["connector"])):
        for field in secrets_of(kind):
            yield f"{field.name} comes from {variable(name, field.name)} (or {field.variable})"
