"""Shared by all tests: a hub in a folder of its own, and an environment without anybody's settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.app import Hub
from hub.projects import initialise
from hub.settings import load


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    """No test sees the developer's HUB_* variables, `.env` or home."""
    for name in [name for name in os.environ if name.startswith("HUB_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hub.settings.DEFAULT_HOME", tmp_path / "default-home")


@pytest.fixture
def home(tmp_path) -> Path:
    """The home of a new hub, in UTC."""
    path = tmp_path / "home"
    initialise(load(path))
    return path


@pytest.fixture
def hub(home) -> Hub:
    """A new hub."""
    return Hub.open(home)


@pytest.fixture
def workspace(hub):
    """The first project of a new hub."""
    return hub.workspace
