"""What an operator chooses for a webhook."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import Field, SecretStr, field_validator, model_validator

from hub import ConnectorSettings, new_signing_secret, signing_secrets

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"[\x20-\x7e\t]*")
_OURS = {"content-type", "content-length", "host", "transfer-encoding", "connection", "idempotency-key"}
_LEAST_SECRET = 4  # what is shorter stands in ordinary words, and keeps nobody out


class WebhookSettings(ConnectorSettings):
    """The settings of one webhook."""

    base_url: str = Field(
        default="",
        title="URL",
        description="Where the receiver listens. It may be changed later. Without one, the connection only receives.",
    )
    signing_secret: SecretStr = Field(
        default_factory=lambda: SecretStr(new_signing_secret()),
        title="Signing secret",
        description="Signs every request: whsec_ and base64 of 24 to 64 bytes. Without one the hub makes one, which "
        "only the command `hub connection add` shows. While a secret is being replaced give the new one and the old "
        "one, with a blank between them: both sign.",
    )
    username: str = Field(
        default="",
        title="User name",
        description="For HTTP Basic authentication, if the receiver asks for it.",
    )
    password: SecretStr = Field(
        default=SecretStr(""),
        title="Password",
        description="For HTTP Basic authentication.",
    )
    headers: SecretStr = Field(
        default=SecretStr(""),
        title="Headers",
        description="Headers of your own, kept secret: one 'Name: value' a line, or a JSON object.",
    )
    project_id: str = Field(
        default="1",
        title="Project id",
        description="What is sent as mixpanel_project_id. Choose another when two hubs call one receiver.",
    )

    inbound_secret: SecretStr = Field(
        default=SecretStr(""),
        title="Secret of what comes in",
        description="Verifies message events and pages that are signed by Standard Webhooks: whsec_ and base64 of 24 "
        "to 64 bytes, given by the sender. While it is being replaced give the new one and the old one, with a blank "
        "between them.",
    )
    inbound_username: str = Field(
        default="",
        title="User name of what comes in",
        description="The Basic authentication with which pages of cohorts come, if the sender has any.",
    )
    inbound_password: SecretStr = Field(
        default=SecretStr(""),
        title="Password of what comes in",
        description="The Basic authentication with which pages of cohorts come, if the sender has any.",
    )

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        url = url.strip()
        if not url:
            return ""
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not url.isprintable() or " " in url:
            raise ValueError("it has the form https://host/path")
        if parts.username or parts.password:
            raise ValueError("a user name and a password are settings of their own, so that they are kept secret")
        if parts.fragment:
            raise ValueError("a part after # is never sent; leave it out")
        return url

    @field_validator("signing_secret")
    @classmethod
    def _can_sign(cls, secret: SecretStr) -> SecretStr:
        signing_secrets(secret.get_secret_value())
        return secret

    @field_validator("inbound_secret")
    @classmethod
    def _can_verify(cls, secret: SecretStr) -> SecretStr:
        if secret.get_secret_value().strip():
            signing_secrets(secret.get_secret_value())
        return secret

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, headers: SecretStr) -> SecretStr:
        parsed_headers(headers.get_secret_value())
        return headers

    @model_validator(mode="after")
    def _authenticates_once(self) -> WebhookSettings:
        if self.password.get_secret_value() and not self.username:
            raise ValueError("a password needs a user name")
        if bool(self.inbound_password.get_secret_value()) is not bool(self.inbound_username):
            raise ValueError("inbound_username and inbound_password belong together")
        if ":" in self.username:
            raise ValueError("a user name of HTTP Basic authentication has no colon")
        if self.username and any(name.lower() == "authorization" for name in self.own_headers()):
            raise ValueError("give either a user name or a header Authorization")
        return self

    def own_headers(self) -> dict[str, str]:
        """The user's own headers, by name."""
        return parsed_headers(self.headers.get_secret_value())

    def secrets(self) -> list[str]:
        """Texts that no message may show."""
        passwords = [self.password.get_secret_value(), self.inbound_password.get_secret_value()]
        signing = [*self.signing_secret.get_secret_value().split(), *self.inbound_secret.get_secret_value().split()]
        kept = [*passwords, *signing]
        return [text for text in [*kept, *self.own_headers().values()] if len(text) >= _LEAST_SECRET]


def parsed_headers(text: str) -> dict[str, str]:
    """Headers written as `Name: value`, one a line, or as a JSON object.

    Raises ValueError, without a value in its text, for what cannot be a header or is set by the connector itself.
    """
    text = text.strip()
    pairs = _of_object(text) if text.startswith("{") else _of_lines(text)
    for name, value in pairs.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError("each header has the form Name: value, in plain ASCII")
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            raise ValueError(f"the header {name} is set by the connector itself")
    return pairs


def _of_lines(text: str) -> dict[str, str]:
    pairs = {}
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError("each header has the form Name: value")
        pairs[name.strip()] = value.strip()
    return pairs


def _of_object(text: str) -> dict[str, str]:
    wrong = "as JSON, headers are one object of texts"
    try:
        found: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ValueError(wrong) from None
    if not all(isinstance(value, str) for value in found.values()):
        raise ValueError(wrong)
    return {str(name): str(value).strip() for name, value in found.items()}
