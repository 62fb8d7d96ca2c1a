"""A workspace on this machine, and connectors for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from hub import Connector, PartnerClient
from hub.connectors.addresses import AddressGuard
from hub.testing.sandbox import Running, running
from hub_braze.cohorts import BrazeCohorts
from hub_braze.connector import Braze
from hub_braze.sandbox import BrazeSandbox, partner_settings


@pytest.fixture(scope="module")
def braze(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(BrazeSandbox(tmp_path_factory.mktemp("braze"), keep_bodies=True, lag=0)) as partner:
        yield partner


@pytest.fixture
def workspace(braze: Running) -> Running:
    braze.admin.reset()
    braze.admin.forget_requests()
    return braze


class Connections:
    """Makes connectors for the sandbox, and closes their clients."""

    def __init__(self, partner: Running) -> None:
        self._partner = partner
        self._clients: list[PartnerClient] = []

    def open(self, **settings: Any) -> Braze:
        made = self._made(Braze, {**self._partner.settings, **settings})
        assert isinstance(made, Braze)
        return made

    def open_cohorts(self, **settings: Any) -> BrazeCohorts:
        made = self._made(BrazeCohorts, {**partner_settings(self._partner.url), **settings})
        assert isinstance(made, BrazeCohorts)
        return made

    def _made(self, kind: type[Connector], settings: dict[str, Any]) -> Connector:
        chosen = kind.Settings.model_validate(settings)
        guard = AddressGuard(allow_private=True)
        client = PartnerClient(kind.base_url(chosen), guard=guard, timeout=timedelta(seconds=10), read_attempts=1)
        self._clients.append(client)
        return kind(chosen, client)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture
async def connections(workspace: Running) -> AsyncIterator[Connections]:
    made = Connections(workspace)
    yield made
    await made.close()
