"""What an operator chooses for a Mailchimp connection."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from hub import ConnectorSettings, SettingsWrong

_WHERE = "Copy the whole key from Mailchimp: your profile, Extras, API keys"
_KEY = re.compile(r"[0-9a-f]{32}-(us\d+)")

NewContactStatus = Literal["subscribed", "pending", "unsubscribed", "transactional"]


class MailchimpSettings(ConnectorSettings):
    """The settings of one connection to Mailchimp."""

    # a validation error would otherwise print its input, and the input is the key
    model_config = ConfigDict(hide_input_in_errors=True)

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

    @field_validator("api_key")
    @classmethod
    def _names_its_data_centre(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        key = SecretStr(key.get_secret_value().strip())
        if not info.data.get("base_url") and (fault := _fault_of_key(key)):
            raise PydanticCustomError("mailchimp_api_key", "{fault}", {"fault": f"{fault} {_WHERE}."})
        return key


def data_centre(key: SecretStr) -> str:
    """The data centre that an API key names, such as `us6`.

    Raises SettingsWrong when it names none. Source: Mailchimp's page "Fundamentals", section on the data centre.
    """
    match = _KEY.fullmatch(key.get_secret_value())
    if match is None:
        raise SettingsWrong(_fault_of_key(key), hint=f"{_WHERE}.")
    return match.group(1)


def _fault_of_key(key: SecretStr) -> str:
    text = key.get_secret_value()
    if _KEY.fullmatch(text):
        return ""
    if not text:
        return "The API key is empty."
    if not re.search(r"-us\d+$", text):
        return "The API key lacks its data centre: it has to end in a dash and the data centre, such as -us6."
    return "The API key is not one of Mailchimp's: 32 characters 0-9 and a-f, a dash, and the data centre, such as us6."
