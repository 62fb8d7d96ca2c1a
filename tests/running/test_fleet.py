"""A machine of a fleet that cannot do the work does not begin: it would fail what others can do."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet

from hub.app import Hub
from hub.errors import SecretsUnreadable
from hub.running.fleet import new_worker
from hub.testing.sandbox import running
from hub_webhook.sandbox import WebhookSandbox


async def test_a_worker_whose_key_opens_none_of_the_secrets_does_not_begin(tmp_path, homes_on_postgresql, monkeypatch):
    with homes_on_postgresql.new(tmp_path / "home") as home:
        hub = Hub.open(home)
        with running(WebhookSandbox(home / "sandbox" / "webhook")) as partner:
            await hub.connections.add("webhook", "crm", partner.settings)
        new_worker(hub, say=print, syncs=1)

        monkeypatch.setenv("HUB_KEY", Fernet.generate_key().decode())
        with pytest.raises(SecretsUnreadable, match="cannot be opened with this key"):
            new_worker(Hub.open(home), say=print, syncs=1)
        monkeypatch.delenv("HUB_KEY")
        (home / "secret.key").unlink()
        with pytest.raises(SecretsUnreadable, match="cannot be read"):
            new_worker(Hub.open(home), say=print, syncs=1)
