"""Slack for the cohort hub: the plugin named by the entry point `hub.plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import hookimpl

if TYPE_CHECKING:
    from hub import Connector, SyncRun
    from hub.testing.conformance import Subject
    from hub.testing.sandbox import Sandbox


@hookimpl
def hub_connectors() -> list[type[Connector]]:
    """The one connector: a channel reads who entered and who left."""
    from hub_slack_digest.connector import SlackDigest

    return [SlackDigest]


@hookimpl
def hub_sandboxes() -> list[type[Sandbox]]:
    """A channel on this machine."""
    from hub_slack_digest.sandbox import SlackDigestSandbox

    return [SlackDigestSandbox]


@hookimpl
def hub_conformance() -> list[Subject]:
    """What `hub plugin check` examines."""
    from hub_slack_digest.conformance import SLACK_DIGEST

    return [SLACK_DIGEST]


@hookimpl
def hub_after_run(run: SyncRun) -> None:
    """Tell a channel of runs that failed, to whichever partner, when SLACK_DIGEST_FAILURES names its webhook."""
    from hub_slack_digest.failures import tell

    tell(run)
