"""A hub whose partner is the tiny one, and a receiver of alerts."""

import pytest

from tests.alerts.receiver import receiving
from tests.sync.conftest import tiny  # noqa: F401


@pytest.fixture
def receiver(monkeypatch):
    """A receiver on this machine, which the hub may call."""
    monkeypatch.setenv("HUB_ALLOW_PRIVATE", "true")
    with receiving() as listening:
        yield listening
