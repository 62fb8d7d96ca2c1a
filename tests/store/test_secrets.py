"""Secrets at rest."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from hub.errors import SecretsUnreadable
from hub.settings import Settings
from hub.store.secrets import Vault, make_key_file, open_vault


def test_what_is_sealed_does_not_show_the_secret():
    vault = Vault([Fernet.generate_key().decode()])

    sealed = vault.seal({"api_key": "s3cret"})

    assert b"s3cret" not in sealed
    assert vault.open(sealed) == {"api_key": "s3cret"}


def test_a_changed_byte_is_refused():
    vault = Vault([Fernet.generate_key().decode()])
    sealed = bytearray(vault.seal({"a": "b"}))
    sealed[20] ^= 1

    with pytest.raises(SecretsUnreadable):
        vault.open(bytes(sealed))


def test_an_older_key_still_opens_after_a_new_one_came_first(tmp_path):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = Vault([old]).seal({"a": "b"})

    settings = Settings(home=tmp_path, key=SecretStr(f"{new}, {old}"))
    assert open_vault(settings).open(sealed) == {"a": "b"}
    with pytest.raises(SecretsUnreadable, match="cannot be opened with this key"):
        Vault([new]).open(sealed)


def test_the_key_file_is_private_and_never_overwritten(tmp_path):
    path = tmp_path / "secret.key"
    make_key_file(path)
    first = path.read_bytes()
    make_key_file(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes() == first


@pytest.mark.parametrize("content", [None, "not a key"])
def test_a_key_that_is_missing_or_malformed_says_what_to_do(tmp_path, content):
    if content:
        (tmp_path / "secret.key").write_text(content)

    with pytest.raises(SecretsUnreadable) as caught:
        open_vault(Settings(home=tmp_path))

    assert "HUB_KEY" in caught.value.hint
