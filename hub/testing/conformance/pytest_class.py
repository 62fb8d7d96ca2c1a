"""The class that makes a subject's checks tests; `hub.testing.plugin` collects them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from hub.testing.conformance.subject import Subject


class Conformance:
    """Subclass it in a test module, name the `subject`, and pytest has one test for each promise of the contract.

    The tests come from the pytest plugin `hub.testing.plugin`, which is installed with the hub: nothing else is to be
    imported or configured.
    """

    subject: ClassVar[Subject]

    def test_conforms(self, conformance_check: Callable[[], None]) -> None:
        """One promise of the contract."""
        conformance_check()
