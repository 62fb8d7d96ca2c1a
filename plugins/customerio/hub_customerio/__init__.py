"""Customer.io for the cohort hub: the plugin named by the entry point `hub.plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import hookimpl

if TYPE_CHECKING:
    from hub import Connector
    from hub.testing.conformance import Subject
    from hub.testing.sandbox import Sandbox


@hookimpl
def hub_connectors() -> list[type[Connector]]:
    """The one connector: a cohort is kept as a manual segment of a Customer.io workspace."""
    from hub_customerio.connector import CustomerIO

    return [CustomerIO]


@hookimpl
def hub_sandboxes() -> list[type[Sandbox]]:
    """A Customer.io to try things on, without an account."""
    from hub_customerio.sandbox import CustomerIOSandbox

    return [CustomerIOSandbox]


@hookimpl
def hub_conformance() -> list[Subject]:
    """The connector, as the conformance suite is told of it."""
    from hub_customerio.conformance import CUSTOMERIO

    return [CUSTOMERIO]
