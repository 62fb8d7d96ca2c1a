"""A workspace on this machine, and connectors for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest

from hub import PartnerClient
from hub.connectors.addresses import AddressGuard
from hub.testing.sandbox import Running, running
from hub_customerio.connector import CustomerIO
from hub_customerio.sandbox import CustomerIOSandbox
from hub_customerio.settings import CustomerIOSettings


@pytest.fixture(scope="module")
def customerio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(CustomerIOSandbox(tmp_path_factory.mktemp("customerio"), keep_bodies=True, lag=0)) as partner:
        yield partner


@pytest.fixture
def workspace(customerio: Running) -> Running:
    customerio.admin.reset()
    customerio.admin.clear_faults()
    customerio.admin.forget_requests()
    return customerio


class Connections:
    """Makes connectors for the sandbox, and closes their clients."""

    def __init__(self, partner: Running) -> None:
        self._partner = partner
        self._clients: list[PartnerClient] = []

    def open(self, **settings: Any) -> CustomerIO:
        chosen = CustomerIOSettings.model_validate({**self._partner.settings, **settings})
        client = PartnerClient(
            CustomerIO.base_url(chosen),
            guard=AddressGuard(allow_private=True),
            timeout=timedelta(seconds=10),
            read_attempts=1,
        )
        self._clients.append(client)
        return CustomerIO(chosen, client)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture
async def connections(workspace: Running) -> AsyncIterator[Connections]:
    made = Connections(workspace)
    yield made
    await made.close()
