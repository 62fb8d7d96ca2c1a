"""Signatures of Standard Webhooks 1.0.0: https://www.standardwebhooks.com. The library is the standard's own.

The webhook connector signs with it, and so do the hub's alerts."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from datetime import datetime

from standardwebhooks import Webhook as Signer

PREFIX = "whsec_"
_NEW_BYTES = 32
_LEAST_BYTES, _MOST_BYTES = 24, 64  # the standard's section on symmetric secrets
_MOST_SECRETS = 3


def new_signing_secret() -> str:
    """A new signing secret: `whsec_` and base64 of random bytes."""
    return PREFIX + b64encode(secrets.token_bytes(_NEW_BYTES)).decode()


def signing_secrets(text: str) -> list[str]:
    """The secrets in `text`, newest first, with blanks between them.

    Raises ValueError, without the secret in its text, when there is none or one cannot sign.
    """
    found = text.split()
    if not found:
        raise ValueError("a webhook is always signed; it needs a secret")
    if len(found) > _MOST_SECRETS:
        raise ValueError(f"at most {_MOST_SECRETS} secrets sign at once")
    for secret in found:
        try:
            length = len(b64decode(secret.removeprefix(PREFIX), validate=True))
        except ValueError:
            length = 0
        if not secret.startswith(PREFIX) or not _LEAST_BYTES <= length <= _MOST_BYTES:
            raise ValueError(f"a secret is {PREFIX} and base64 of {_LEAST_BYTES} to {_MOST_BYTES} random bytes")
    return found


def signature_headers(signed_by: list[str], *, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers that a receiver verifies: one signature for each secret in `signed_by`.

    `message_id` is the same for every attempt at a message; `at` is the time of this attempt, aware UTC.
    """
    text = body.decode()
    signatures = [Signer(secret).sign(message_id, at, text) for secret in signed_by]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
