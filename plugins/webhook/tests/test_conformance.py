"""The promises of the plugin contract, checked over HTTP."""

from hub.testing.conformance import Conformance
from hub_webhook.conformance import WEBHOOK


class TestConformance(Conformance):
    """The webhook connector."""

    subject = WEBHOOK
