"""The custom webhook for the cohort hub: the plugin named by the entry point `hub.plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import hookimpl

if TYPE_CHECKING:
    from hub import Connector
    from hub.testing.conformance import Subject
    from hub.testing.sandbox import Sandbox


@hookimpl
def hub_connectors() -> list[type[Connector]]:
    """The one connector: a cohort's members are told to an address of the user's own."""
    from hub_webhook.connector import Webhook

    return [Webhook]


@hookimpl
def hub_sandboxes() -> list[type[Sandbox]]:
    """A receiver to try things on."""
    from hub_webhook.sandbox import WebhookSandbox

    return [WebhookSandbox]


@hookimpl
def hub_conformance() -> list[Subject]:
    """What `hub plugin check` examines."""
    from hub_webhook.conformance import WEBHOOK

    return [WEBHOOK]
