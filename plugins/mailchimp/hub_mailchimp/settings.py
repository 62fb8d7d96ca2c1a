"""What an operator chooses for a Mailchimp connection."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Literal

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from hub import ConnectorSettings, SettingsWrong

_WHERE = "Copy the whole key from Mailchimp: your profile, Extras, API keys"
_KEY = re.compile(r"[0-9a-f]{32}-(us\d+)")
_CENTRE = re.compile(r"us\d+")
_AN_APP = "of the app that you registered at Mailchimp (your profile, Extras, Registered apps), for --oauth."

NewContactStatus = Literal["subscribed", "pending", "unsubscribed", "transactional"]


class MailchimpSettings(ConnectorSettings):
    """The settings of one connection to Mailchimp."""

    # a validation error would otherwise print its input, and the input is the key
    model_config = ConfigDict(hide_input_in_errors=True)

    data_centre: str = Field(
        default="",
        title="Data centre",
        description="The account's data centre, such as us6. An API key names it, and --oauth fills it in.",
    )
    api_key: SecretStr = Field(
        title="API key",
        description=f"{_WHERE}. It ends in a dash and the data centre, such as -us6.",
    )
    audience: str = Field(
        default="",
        title="Audience",
        description="The id of the Mailchimp audience (list) whose contacts get the tags. The account's audiences "
        "are offered once the API key is known.",
        json_schema_extra={"options": True},
    )
    create_contacts: bool = Field(
        default=False,
        title="Create contacts",
        description="Whether people of a cohort who are not in the audience yet are added to it. If not, they are "
        "left out and tried again the next day.",
    )
    new_contact_status: NewContactStatus = Field(
        default="subscribed",
        title="Status of new contacts",
        description="The status that created contacts get; nobody else's status is ever changed. In an audience "
        "with double opt-in, 'subscribed' becomes 'pending': Mailchimp sends them its confirmation mail.",
    )
    make_fields: bool = Field(
        default=False,
        title="Make merge fields",
        description="Whether fields that a mapping names, and that the audience lacks, are made there. If not, such a "
        "sync stops with their names.",
    )
    webhook_secret: SecretStr = Field(
        default=SecretStr(""),
        title="Webhook signing secret",
        description="What Mailchimp signs the audience's webhook with; it shows the secret once, when the webhook is "
        "made. `hub connection listen` makes one and keeps it.",
        json_schema_extra={"own": True},
    )
    client_id: str = Field(default="", title="Client id", description=f"The client id {_AN_APP}")
    client_secret: SecretStr = Field(
        default=SecretStr(""), title="Client secret", description=f"The client secret {_AN_APP}"
    )

    @field_validator("data_centre")
    @classmethod
    def _is_a_data_centre(cls, centre: str) -> str:
        centre = centre.strip().lower()
        if centre and not _CENTRE.fullmatch(centre):  # it becomes a part of the address that the key is sent to
            raise PydanticCustomError("mailchimp_data_centre", "A data centre is 'us' and a number, such as us6.")
        return centre

    @field_validator("api_key")
    @classmethod
    def _names_its_data_centre(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        key = SecretStr(key.get_secret_value().strip())
        if info.data.get("data_centre") and key.get_secret_value():
            return key
        if not info.data.get("base_url") and (fault := _fault_of_key(key)):
            raise PydanticCustomError("mailchimp_api_key", "{fault}", {"fault": f"{fault} {_WHERE}."})
        return key


def data_centre(settings: MailchimpSettings) -> str:
    """The account's data centre, such as `us6`: the one that the API key names, else the one that is set.

    Raises SettingsWrong when there is none. Source: Mailchimp's page "Fundamentals", section on the data centre.
    """
    match = _KEY.fullmatch(settings.api_key.get_secret_value())
    if match:
        return match.group(1)
    if settings.data_centre:
        return settings.data_centre
    raise SettingsWrong(_fault_of_key(settings.api_key), hint=f"{_WHERE}.")


def secrets_of(settings: MailchimpSettings) -> tuple[str, ...]:
    """What must not stand in an error, though Mailchimp should repeat it."""
    kept = settings.api_key, settings.webhook_secret, settings.client_secret
    return tuple(each.get_secret_value() for each in kept)


def authorization(settings: MailchimpSettings) -> str:
    """The header `Authorization`: an API key as the password of any user, a token of OAuth as a bearer's."""
    key = settings.api_key.get_secret_value()
    if settings.data_centre and not _KEY.fullmatch(key):
        return f"Bearer {key}"
    return "Basic " + b64encode(f"hub:{key}".encode()).decode()


def _fault_of_key(key: SecretStr) -> str:
    text = key.get_secret_value()
    if _KEY.fullmatch(text):
        return ""
    if not text:
        return "The API key is empty."
    if not re.search(r"-us\d+$", text):
        return "The API key lacks its data centre: it has to end in a dash and the data centre, such as -us6."
    return "The API key is not one of Mailchimp's: 32 characters 0-9 and a-f, a dash, and the data centre, such as us6."
