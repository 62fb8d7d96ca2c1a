"""The tiny partner, for the daemon too."""

from tests.sync.conftest import tiny  # noqa: F401
