"""Mailchimp for the cohort hub: the plugin named by the entry point `hub.plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import hookimpl

if TYPE_CHECKING:
    from hub import Connector
    from hub.testing.conformance import Subject
    from hub.testing.sandbox import Sandbox


@hookimpl
def hub_connectors() -> list[type[Connector]]:
    """The one connector: a cohort is kept as a tag of a Mailchimp audience."""
    from hub_mailchimp.connector import Mailchimp

    return [Mailchimp]


@hookimpl
def hub_sandboxes() -> list[type[Sandbox]]:
    """A Mailchimp to try things on, without an account."""
    from hub_mailchimp.sandbox import MailchimpSandbox

    return [MailchimpSandbox]


@hookimpl
def hub_conformance() -> list[Subject]:
    """What `hub plugin check` examines."""
    from hub_mailchimp.conformance import MAILCHIMP

    return [MAILCHIMP]
