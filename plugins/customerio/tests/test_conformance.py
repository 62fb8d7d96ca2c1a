"""The promises of the plugin contract, checked over HTTP."""

from hub.testing.conformance import Conformance
from hub_customerio.conformance import CUSTOMERIO


class TestConformance(Conformance):
    """The Customer.io connector."""

    subject = CUSTOMERIO
