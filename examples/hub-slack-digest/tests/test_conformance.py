"""The promises of the plugin contract, each one a test, over HTTP against the sandbox."""

from hub.testing.conformance import Conformance
from hub_slack_digest.conformance import SLACK_DIGEST


class TestConformance(Conformance):
    """Slack."""

    subject = SLACK_DIGEST
