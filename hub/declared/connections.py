"""Planning warehouses and connections: settings checked by the connector's model, secrets from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hub.connectors.fields import fields_of, split_secrets
from hub.connectors.matching import match_of, match_texts
from hub.declared.current import stored_settings
from hub.declared.plan import Entry, FieldChange, changes
from hub.declared.secrets import first, renewed, secrets_of, variable
from hub.errors import HubError, UsageError

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.connectors.connection import Connection
    from hub.connectors.contract import Connector, ConnectorSettings
    from hub.declared.context import Context
    from hub.declared.file import ConnectionSpec


def plan_warehouses(context: Context) -> None:
    """Plan the warehouses of the file."""
    from hub.cohorts.warehouses.kinds import address_of

    there = context.there("warehouses")
    for name, spec in context.wanted("warehouses").items():
        path = ("warehouses", name, "url")
        try:
            address = address_of(spec.url)
        except HubError as error:
            context.refuse_error(path, error)
            continue
        if address.password:
            context.refuse(path, f"has a password: take it out, and put it into {variable_of_warehouse(name)}.")
        before = {"url": there[name].url} if name in there else {}
        found = changes(before, {"url": address.url})
        context.entries.append(_entry("warehouses", name, found, there=name in there))
    context.add_rest("warehouses")


def variable_of_warehouse(name: str) -> str:
    """The variable with the password of a warehouse that is made, or moves."""
    return variable(name, "password").replace("HUB_CONNECTION_", "HUB_WAREHOUSE_", 1)


def password_of_warehouse(name: str) -> str:
    """The password that the environment has for a warehouse."""
    return os.environ.get(variable_of_warehouse(name), "")


def plan_connections(context: Context) -> None:
    """Plan the connections of the file."""
    hub = context.hub
    known = {each.name: each for each in hub.connections.list()}
    for name, spec in context.wanted("connections").items():
        path = ("connections", name)
        if name != name.strip() or len(name) > 255 or not name.isprintable():
            context.refuse(path, "cannot be the name of a connection: it is one line of 1 to 255 letters.")
        try:
            kind = hub.plugins.connector(spec.connector)
        except HubError as error:
            context.refuse_error((*path, "connector"), error)
            continue
        if name in known and known[name].connector != spec.connector:
            context.refuse(
                (*path, "connector"),
                f"the connection is one to {known[name].connector}, and cannot become one to {spec.connector}.",
                "Give the new one another name.",
            )
        elif _has_sound_keys(context, kind, name, spec):
            _plan_connection(context, kind, name, spec, known.get(name))
    context.add_rest("connections")


def connection_values(hub: Hub, kind: type[Connector], name: str, spec: ConnectionSpec) -> dict[str, Any]:
    """All settings that a connection is to have, secrets included; of a new one, what is known of them."""
    if name not in {each.name for each in hub.connections.list()}:
        return {**spec.settings, **first(kind, name)}
    stored = hub.connections.values(name)
    # what only the account knows stays as it was chosen, unless the file says it
    chosen = {field.name for field in fields_of(kind) if field.kind in ("secret", "options")}
    return {**{key: stored[key] for key in stored if key in chosen}, **spec.settings, **renewed(kind, name)}


def _plan_connection(
    context: Context, kind: type[Connector], name: str, spec: ConnectionSpec, known: Connection | None
) -> None:
    values = connection_values(context.hub, kind, name, spec)
    settings = _validated(context, kind, name, values)
    match = _match(context, kind, name, spec)
    if known is None:
        shown = {"connector": spec.connector, **spec.settings, **({"match": match} if match else {})}
        context.entries.append(_entry("connections", name, changes({}, shown), there=False))
        return
    if settings is None:
        return
    after, secrets = split_secrets(settings)
    found = [*changes(stored_settings(context.hub, known), after)]
    before = context.hub.connections.values(name)
    for setting in renewed(kind, name):
        if str(before.get(setting, "")) != secrets.get(setting, ""):
            found.append(FieldChange(setting, "(secret)", f"(secret, from {variable(name, setting)})"))
    if match and match != ", ".join(known.match):
        found.append(FieldChange("match", ", ".join(known.match), match))
    context.entries.append(_entry("connections", name, tuple(found), there=True))


def _match(context: Context, kind: type[Connector], name: str, spec: ConnectionSpec) -> str:
    """The keys by which people are to be matched, in words; empty when the file does not say, or cannot."""
    if spec.match is None:
        return ""
    try:
        return ", ".join(match_texts(match_of(kind, spec.match)))
    except UsageError as error:
        context.refuse(("connections", name, "match"), f"cannot be so: {error.message}", error.hint)
        return ""


def _has_sound_keys(context: Context, kind: type[Connector], name: str, spec: ConnectionSpec) -> bool:
    from hub.cohorts.model import did_you_mean

    fields = {field.name: field for field in fields_of(kind)}
    sound = True
    for key in spec.settings:
        path = ("connections", name, "settings", key)
        if key not in fields:
            context.refuse(path, f"is not known to {kind.label}{did_you_mean(key, fields)}.")
            sound = False
        elif fields[key].kind == "secret":
            context.refuse(path, f"is a secret, and no file holds one: put it into {variable(name, key)}.")
            sound = False
    return sound


def _validated(
    context: Context, kind: type[Connector], name: str, values: Mapping[str, Any]
) -> ConnectorSettings | None:
    """The settings, checked by the connector's model. Secrets that are missing are needed, not wrong."""
    secret = {field.name: field for field in secrets_of(kind)}
    try:
        return kind.Settings.model_validate(dict(values))
    except ValidationError as error:
        for details in error.errors(include_url=False, include_input=False, include_context=False):
            setting = str(details["loc"][0]) if details["loc"] else ""
            if setting in secret and setting not in values:
                context.needs.append(f"{variable(name, setting)} (or {secret[setting].variable})")
                continue
            said = str(details["msg"]).removeprefix("Value error, ").rstrip(".")
            said = "is missing" if details["type"] == "missing" else said[:1].lower() + said[1:]
            where = f"{variable(name, setting)}: " if setting in secret else ""
            context.refuse(("connections", name, "settings", *details["loc"]), f"{where}{said}.", kind.docs_url)
    return None


def _entry(section: str, name: str, found: tuple[FieldChange, ...], *, there: bool) -> Entry:
    if not there:
        return Entry(section, name, "make", found)
    return Entry(section, name, "change" if found else "unchanged", found)
