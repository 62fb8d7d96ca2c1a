"""Shared by the tests of what plugin authors use."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def _own_modules(monkeypatch, tmp_path):
    """What a check imports from a folder is forgotten afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
