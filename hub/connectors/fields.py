"""A connector's settings model as fields to ask for: the one source of form, prompts, flags and environment."""

from __future__ import annotations

import difflib
import os
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from hub.connectors.contract import Connector, ConnectorSettings
from hub.errors import UsageError

Kind = Literal["text", "secret", "yes-no", "choice", "options"]


@dataclass(frozen=True)
class SettingField:
    """One setting to ask for.

    `kind` is `text`, `secret` (never shown), `yes-no`, `choice` (one of `choices`) or `options` (choices that
    only the account knows). `default` is the text of the default value.
    """

    name: str
    title: str
    description: str
    kind: Kind
    required: bool
    default: str
    choices: tuple[str, ...] = ()
    variable: str = ""
    """The environment variable that is read when the setting is not given."""
    made: bool = False
    """Whether the hub makes a value up when none is given."""


def fields_of(connector: type[Connector]) -> list[SettingField]:
    """The settings of a connector: those that it needs, then the others, each in the model's order; `base_url` last."""
    found = [_field(connector.name, name, info) for name, info in connector.Settings.model_fields.items()]
    return sorted(found, key=lambda field: (field.name == "base_url", not field.required))


def from_environment(connector: type[Connector], environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The settings that the environment gives, as `HUB_<CONNECTOR>_<SETTING>`."""
    return {
        field.name: environment[field.variable] for field in fields_of(connector) if environment.get(field.variable)
    }


def made_up(connector: type[Connector], values: Mapping[str, Any]) -> dict[str, str]:
    """Values for the settings that are not among `values` and that the hub makes up, such as a signing secret."""
    made: dict[str, str] = {}
    for name, info in connector.Settings.model_fields.items():
        if info.default_factory is not None and not values.get(name):
            value = info.get_default(call_default_factory=True, validated_data={})
            made[name] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return made


def alike(connector: type[Connector]) -> set[str]:
    """The settings that two connections to one account have alike: not what the account offers to choose from, what the
    hub makes up, or what is declared to be of one connection alone (`json_schema_extra={"own": True}`)."""
    return {
        name
        for name, info in connector.Settings.model_fields.items()
        if info.default_factory is None
        and not (isinstance(info.json_schema_extra, dict) and info.json_schema_extra.keys() & {"options", "own"})
    }


def validated(connector: type[Connector], values: Mapping[str, Any]) -> ConnectorSettings:
    """The connector's settings made of `values` (texts, or typed values).

    Raises UsageError naming every wrong setting, what is wrong with it, and never its value.
    """
    known = {field.name for field in fields_of(connector)}
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                f"{connector.label} has no setting {name!r}.",
                hint=f"Did you mean {near[0]}?" if near else f"It has: {', '.join(sorted(known))}.",
            )
    try:
        return connector.Settings.model_validate(dict(values))
    except ValidationError as error:
        wrong = [
            f"{'.'.join(str(part) for part in each['loc']) or 'settings'}: {_said(each)}" for each in error.errors()
        ]
        raise UsageError(
            f"{connector.label} cannot be connected like this: {'; '.join(wrong)}.",
            hint=f"Give each with --set NAME=VALUE, or in the environment. See {connector.docs_url}",
        ) from None  # pydantic's own text would show the values, secrets among them


def split_secrets(settings: ConnectorSettings) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings apart: what may be shown (JSON values), and the secrets."""
    secrets = {
        name: value.get_secret_value()
        for name in type(settings).model_fields
        if isinstance(value := getattr(settings, name), SecretStr)
    }
    return settings.model_dump(mode="json", exclude=set(secrets)), secrets


def _place(each: Any) -> str:
    return ".".join(str(part) for part in each["loc"]) or "settings"


def _said(each: Any) -> str:
    message = str(each["msg"]).removeprefix("Value error, ")
    return "it is missing" if each["type"] == "missing" else message[:1].lower() + message[1:].rstrip(".")


def _field(connector: str, name: str, info: FieldInfo) -> SettingField:
    kind, choices = _kind(info)
    return SettingField(
        name=name,
        title=info.title or name.replace("_", " ").capitalize(),
        description=info.description or "",
        kind=kind,
        required=info.is_required() or kind == "options",
        default=_default(info),
        choices=choices,
        variable=f"HUB_{connector}_{name}".upper().replace("-", "_"),
        made=info.default_factory is not None,
    )


def _kind(info: FieldInfo) -> tuple[Kind, tuple[str, ...]]:
    annotation = _without_none(info.annotation)
    if isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("options"):
        return "options", ()
    if annotation is SecretStr:
        return "secret", ()
    if annotation is bool:
        return "yes-no", ()
    if get_origin(annotation) is Literal:
        return "choice", tuple(str(choice) for choice in get_args(annotation))
    return "text", ()


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        return next((part for part in get_args(annotation) if part is not type(None)), annotation)
    return annotation


def _default(info: FieldInfo) -> str:
    if info.is_required() or info.default is None or info.default_factory is not None:
        return ""
    if isinstance(info.default, SecretStr):
        return ""
    if isinstance(info.default, bool):
        return "yes" if info.default else "no"
    return str(info.default)
