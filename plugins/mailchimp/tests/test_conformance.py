"""The promises of the plugin contract, checked over HTTP."""

from hub.testing.conformance import Conformance
from hub_mailchimp.conformance import MAILCHIMP


class TestConformance(Conformance):
    """The Mailchimp connector."""

    subject = MAILCHIMP
