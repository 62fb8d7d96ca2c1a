"""Acme for the cohort hub: the plugin named by the entry point `hub.plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import hookimpl

if TYPE_CHECKING:
    from hub import Connector
    from hub.testing.conformance import Subject
    from hub.testing.sandbox import Sandbox


@hookimpl
def hub_connectors() -> list[type[Connector]]:
    """The one connector."""
    from .connector import Acme

    return [Acme]


@hookimpl
def hub_sandboxes() -> list[type[Sandbox]]:
    """Acme on this machine, to try things on."""
    from .sandbox import AcmeSandbox

    return [AcmeSandbox]


@hookimpl
def hub_conformance() -> list[Subject]:
    """What `hub plugin check` examines."""
    from .conformance import ACME

    return [ACME]
