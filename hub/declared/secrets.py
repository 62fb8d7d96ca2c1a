"""Where the secrets of connections come from, which no file holds: the environment, by the name of the connection.

`HUB_CONNECTION_<NAME>_<SETTING>` belongs to one connection, and renews its secret. `HUB_<CONNECTOR>_<SETTING>` serves
connections that are made: an old one keeps what it has, since several may have different secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from hub.connectors.contract import Connector
from hub.connectors.fields import SettingField, fields_of


def variable(connection: str, setting: str) -> str:
    """The variable with a secret of one connection: what is no letter or digit of a name becomes `_`."""
    return re.sub(r"[^A-Z0-9_]", "_", f"HUB_CONNECTION_{connection}_{setting}".upper())


def secrets_of(kind: type[Connector]) -> list[SettingField]:
    """The settings of a connector that are secrets."""
    return [each for each in fields_of(kind) if each.kind == "secret"]


def renewed(kind: type[Connector], name: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The secrets that the environment has for a connection of that very name."""
    found = {each.name: environment.get(variable(name, each.name), "") for each in secrets_of(kind)}
    return {setting: value for setting, value in found.items() if value}


def first(kind: type[Connector], name: str, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The secrets that the environment has for a connection that is to be made."""
    general = {each.name: environment.get(each.variable, "") for each in secrets_of(kind)}
    return {setting: value for setting, value in {**general, **renewed(kind, name, environment)}.items() if value}
