"""A hub whose partner is the tiny one."""

from __future__ import annotations

from datetime import timedelta
from importlib.metadata import EntryPoint

import pytest
from tenacity.wait import wait_none

from hub.connectors.plugins import load_from
from tests.customers import LOYAL, NAMES, buy, describe
from tests.sync.tiny import Tiny

_TWO_HOURS = timedelta(hours=2)


@pytest.fixture
async def tiny(hub, tmp_path, monkeypatch):
    """A hub with forty loyal customers and a dynamic sync `s` of them to the audience `A` of the tiny partner."""
    monkeypatch.setattr("hub.connectors.retry._backoff", wait_none())
    Tiny.forget()
    hub.plugins = load_from([EntryPoint("tiny", "tests.sync.tiny", "hub.plugins")])
    buy(hub, tmp_path, NAMES)
    describe(hub, tmp_path, NAMES, plan="pro")
    hub.cohorts.add("loyal", LOYAL)
    await hub.connections.add("tiny", "t", {})
    hub.syncs.start("loyal", "t", every=_TWO_HOURS, audience="A", name="s")
    return hub
