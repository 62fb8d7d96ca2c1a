"""Who may send: the credential, the signature and the headers that the receiver expects."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field
from standardwebhooks import Webhook, WebhookVerificationError

USERNAME = "hub"
PASSWORD = "sandbox-password"  # opens nothing but a sandbox
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of the standard's published example


class Refused(Exception):
    """A request that is not taken; the message is the sentence for its sender."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Expected(BaseModel):
    """What every request has to bring. `secrets` may be several: any of them is enough."""

    model_config = ConfigDict(extra="forbid")

    username: str = USERNAME
    password: str = PASSWORD
    secrets: list[str] = Field(default_factory=lambda: [SECRET])
    headers: dict[str, str] = Field(default_factory=dict)

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise Refused 401 or 403 unless the request may be taken. `headers` have lower-case names."""
        if self.username and not _same(_basic(headers.get("authorization", "")), f"{self.username}:{self.password}"):
            raise Refused(401, "The user name or the password is wrong.")
        for name, value in self.headers.items():
            if not _same(headers.get(name.lower(), ""), value):
                raise Refused(403, f"The header {name} is missing or wrong.")
        if self.secrets and not any(_signed(secret, headers, body) for secret in self.secrets):
            raise Refused(401, "The signature is missing, wrong, or older than five minutes.")


def _signed(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _basic(header: str) -> str:
    scheme, _, value = header.partition(" ")
    try:
        return base64.b64decode(value, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
