"""What an operator chooses for a connection to Braze."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from hub import ConnectorSettings
from hub_braze.instances import fault_of

SHORTEST_TOKEN = 16
_PARTNER = re.compile(r"[A-Za-z0-9_-]+")


class CurrentsSettings(ConnectorSettings):
    """How message events come in: what both connectors have in common."""

    instance: str = Field(
        default="",
        title="Instance",
        description="The instance of your dashboard, such as US-03 or EU-01, or its REST host "
        "(rest.iad-03.braze.com). Braze: the dashboard's address, or Settings, APIs and Identifiers.",
    )
    workspace: str = Field(
        default="",
        title="Workspace",
        description="A name of your own for the workspace that the key belongs to. Braze does not tell it: give one if "
        "two workspaces of one instance are connected, and leave it as it is when a key is renewed.",
    )
    external_id_property: str = Field(
        default="$braze_external_id",
        title="Property with the external id",
        description="By which profile property message events find the person behind Braze's external id. "
        "distinct_id, if your external ids are the ids of your people.",
    )
    currents_tokens: SecretStr = Field(
        default=SecretStr(""),
        title="Currents tokens",
        description="The bearer token that Braze Currents sends to this hub, of your own making, at least 16 "
        "characters. While it is being replaced give the new and the old one, with a blank between them.",
    )
    currents_folder: str = Field(
        default="",
        title="Currents folder",
        description="A folder with the files of Currents (Avro or JSON lines), however they get there from the "
        "bucket. Read by every pull.",
    )

    def secrets(self) -> list[str]:
        """Every secret, each token by itself: none of them is ever in an error's words, the longest goes first."""
        found = [value.get_secret_value() for _, value in self if isinstance(value, SecretStr)]
        return sorted({part for value in found for part in (value, *value.split()) if part}, key=len, reverse=True)

    @field_validator("instance")
    @classmethod
    def _is_one_of_brazes(cls, instance: str, info: ValidationInfo) -> str:
        if not info.data.get("base_url"):
            _refuse(fault_of(instance))
        return instance.strip()

    @field_validator("external_id_property")
    @classmethod
    def _is_a_property(cls, name: str) -> str:
        if not name.strip() or ":" in name:
            _refuse("A property has a name, without a colon.")
        return name.strip()

    @field_validator("currents_tokens")
    @classmethod
    def _are_long_enough(cls, tokens: SecretStr) -> SecretStr:
        if any(len(token) < SHORTEST_TOKEN for token in tokens.get_secret_value().split()):
            _refuse(f"A token has at least {SHORTEST_TOKEN} characters. `openssl rand -hex 24` makes one.")
        return tokens

    @field_validator("currents_folder")
    @classmethod
    def _is_whole(cls, folder: str) -> str:
        if folder and not Path(folder).expanduser().is_absolute():
            _refuse("The folder's path begins with a slash: the hub is started from here and from there.")
        return folder


class BrazeSettings(CurrentsSettings):
    """The settings of a connection that writes attributes by the REST API."""

    api_key: SecretStr = Field(
        title="REST API key",
        description="Braze: Settings, APIs and Identifiers, Create API Key. Permissions cannot be changed later; it "
        "needs users.track, and segments.list, email.unsubscribe, email.hard_bounces to check and to poll.",
    )
    create_users: bool = Field(
        default=False,
        title="Create users",
        description="Whether people of a cohort whom Braze does not know are made there. If not, Braze leaves them out "
        "without a word.",
    )
    alias_label: str = Field(
        default="",
        title="Label of aliases",
        description="The alias_label of the aliases in $braze_alias. Needed only to match by them.",
    )

    @field_validator("api_key")
    @classmethod
    def _is_there(cls, key: SecretStr) -> SecretStr:
        return _given(key, "The REST API key is empty.")


class BrazeCohortsSettings(CurrentsSettings):
    """The settings of a connection that imports cohorts as a technology partner of Braze's."""

    partner: str = Field(
        title="Partner",
        description="Your name in Braze's partner endpoints, /partners/NAME/cohorts.",
    )
    partner_api_key: SecretStr = Field(
        title="Partner key",
        description="The partner_api_key that Braze issued to your company. US and EU clusters have different ones.",
    )
    client_secret: SecretStr = Field(
        title="Data import key",
        description="Braze: Partner Integrations, Technology Partners, your page, data import key. One for each "
        "workspace.",
    )
    alias_label: str = Field(
        default="",
        title="Label of aliases",
        description="The alias_label of the aliases in $braze_alias. Needed only to match by them.",
    )

    @field_validator("partner")
    @classmethod
    def _is_a_part_of_a_path(cls, partner: str) -> str:
        if not _PARTNER.fullmatch(partner.strip()):
            _refuse("A partner's name has letters, digits, _ and - alone.")
        return partner.strip()

    @field_validator("partner_api_key", "client_secret")
    @classmethod
    def _are_there(cls, key: SecretStr) -> SecretStr:
        return _given(key, "It is empty.")


def _given(key: SecretStr, fault: str) -> SecretStr:
    stripped = key.get_secret_value().strip()
    _refuse(None if stripped else fault)
    return SecretStr(stripped)


def _refuse(fault: str | None) -> None:
    if fault is not None:
        raise PydanticCustomError("braze", "{fault}", {"fault": fault})
