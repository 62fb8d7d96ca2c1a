"""The hub with the tiny partner, of the sync tests."""

from __future__ import annotations

from tests.sync.conftest import tiny

__all__ = ["tiny"]
