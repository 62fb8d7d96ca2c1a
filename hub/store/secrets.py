"""Secrets at rest: authenticated encryption with a key that is kept apart from the database."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from hub.errors import SecretsUnreadable
from hub.settings import Settings


class Vault:
    """Seals and opens small mappings of secrets.

    Several keys may be given, newest first: everything is sealed with the first, and opened with any.
    Raises SecretsUnreadable when a key is not one that `hub init` makes.
    """

    def __init__(self, keys: list[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as error:
            raise SecretsUnreadable(
                "The key for the secrets is malformed.",
                hint="HUB_KEY holds url-safe base64 of 32 bytes; `hub init` made one in secret.key.",
            ) from error

    def seal(self, secrets: Mapping[str, str]) -> bytes:
        """Encrypt a mapping of names to secrets."""
        return self._fernet.encrypt(orjson.dumps(dict(secrets)))

    def open(self, sealed: bytes) -> dict[str, str]:
        """Decrypt what `seal` made. Raises SecretsUnreadable when no key fits."""
        try:
            opened: dict[str, str] = orjson.loads(self._fernet.decrypt(sealed))
        except InvalidToken as error:
            raise SecretsUnreadable(
                "The stored secrets cannot be opened with this key.",
                hint="Set HUB_KEY (or put back secret.key) as it was when the connection was added.",
            ) from error
        return opened


def open_vault(settings: Settings) -> Vault:
    """The vault with the keys of HUB_KEY or, without one, of the home's `secret.key`.

    Raises SecretsUnreadable when there is neither.
    """
    if settings.key is not None:
        return Vault([key.strip() for key in settings.key.get_secret_value().split(",")])
    try:
        return Vault([key for key in settings.key_file.read_text().split() if key])
    except OSError as error:
        raise SecretsUnreadable(
            f"The key file {settings.key_file} cannot be read.", hint="Put it back, or set HUB_KEY."
        ) from error


def make_key_file(path: Path) -> None:
    """Write a new key to `path`, readable by its owner alone, unless one is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "wb") as file:
        file.write(Fernet.generate_key() + b"\n")
