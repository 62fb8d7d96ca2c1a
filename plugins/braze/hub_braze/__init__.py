"""Braze for the cohort hub: the plugin named by the entry point `hub.plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import hookimpl

if TYPE_CHECKING:
    from hub import Connector
    from hub.testing.conformance import Subject
    from hub.testing.sandbox import Sandbox


@hookimpl
def hub_connectors() -> list[type[Connector]]:
    """Two ways out: an attribute for each cohort, by the REST API; cohorts by name, for who has a partner key."""
    from hub_braze.cohorts import BrazeCohorts
    from hub_braze.connector import Braze

    return [Braze, BrazeCohorts]


@hookimpl
def hub_sandboxes() -> list[type[Sandbox]]:
    """A Braze to try things on, without an account."""
    from hub_braze.sandbox import BrazeSandbox

    return [BrazeSandbox]


@hookimpl
def hub_conformance() -> list[Subject]:
    """What `hub plugin check` examines."""
    from hub_braze.conformance import BRAZE, BRAZE_COHORTS

    return [BRAZE, BRAZE_COHORTS]
