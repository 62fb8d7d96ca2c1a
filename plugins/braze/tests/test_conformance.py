"""The promises of the plugin contract, checked over HTTP."""

from hub.testing.conformance import Conformance
from hub_braze.conformance import BRAZE, BRAZE_COHORTS


class TestBraze(Conformance):
    """Attributes, and polling."""

    subject = BRAZE


class TestBrazeCohorts(Conformance):
    """Cohort import, and Currents at the door."""

    subject = BRAZE_COHORTS
