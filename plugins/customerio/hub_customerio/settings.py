"""What an operator chooses for a Customer.io connection."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from hub import ConnectorSettings

LONGEST_BACKFILL = 180
"""Days. Customer.io tells of the deliveries of six months."""

_WHERE = "Customer.io: Settings, Account settings, API credentials (https://fly.customer.io/settings/api_credentials)"
_MOST_KEYS = 3
_ONE_WORD = re.compile(r"[\x21-\x7e]+")  # what a header takes; Customer.io promises nothing of a key's length or form

Region = Literal["auto", "us", "eu"]


class CustomerIOSettings(ConnectorSettings):
    """The settings of one connection: one workspace of Customer.io."""

    site_id: str = Field(
        title="Site ID",
        description=f"{_WHERE}, Track API keys. It names the workspace.",
    )
    track_api_key: SecretStr = Field(
        title="Track API key",
        description="The API key beside the site ID. It writes people and fills segments.",
    )
    app_api_key: SecretStr = Field(
        title="App API key",
        description=f"{_WHERE}, App API keys, of the same workspace. It makes, finds and lists segments.",
    )
    region: Region = Field(
        default="auto",
        title="Region",
        description="Where the workspace is. With auto Customer.io is asked, at its US host; with us or eu only hosts "
        "of that region are ever called, and a workspace of the other one is refused.",
    )
    create_people: bool = Field(
        default=False,
        title="Create people",
        description="Whether people of a cohort whom the workspace does not know are made there. If not, they are left "
        "out and tried again the next day.",
    )
    signing_key: SecretStr = Field(
        default=SecretStr(""),
        title="Webhook signing key",
        description="Of the reporting webhook that sends message events here; Customer.io shows it on the webhook's "
        "page. While it is being replaced give the new one and the old one, with a blank between them.",
    )
    backfill_days: int = Field(
        default=30,
        ge=1,
        le=LONGEST_BACKFILL,
        title="Days to fetch at first",
        description=f"How far back the first pull of message events goes, in days; at most {LONGEST_BACKFILL}.",
    )

    @field_validator("site_id")
    @classmethod
    def _can_be_sent(cls, text: str) -> str:
        return _one_word(text)

    @field_validator("track_api_key", "app_api_key")
    @classmethod
    def _is_one_word(cls, key: SecretStr) -> SecretStr:
        return SecretStr(_one_word(key.get_secret_value()))

    @field_validator("signing_key")
    @classmethod
    def _are_few(cls, keys: SecretStr) -> SecretStr:
        if len(keys.get_secret_value().split()) > _MOST_KEYS:
            raise ValueError(f"at most {_MOST_KEYS} signing keys are tried")
        return keys

    def signing_keys(self) -> list[bytes]:
        """The keys that a webhook may be signed with; none when no webhooks are taken in."""
        return [key.encode() for key in self.signing_key.get_secret_value().split()]


def _one_word(text: str) -> str:
    text = text.strip()
    if not text:
        raise ValueError("it is empty")
    if not _ONE_WORD.fullmatch(text) or ":" in text:
        raise ValueError("it is one word of plain letters and digits, as Customer.io shows it")
    return text
