"""The conformance suite: the promises of the plugin contract, checked on any connector over real HTTP.

An author describes the connector and its sandbox as a `Subject`, and has two ways to examine it. In pytest::

    from hub.testing.conformance import Conformance, Subject

    class TestConformance(Conformance):
        subject = Subject(connector=Acme, sandbox=AcmeSandbox, bad_credentials=[{"api_key": "wrong"}])

and, where the plugin implements the hook `hub_conformance`, with `hub plugin check acme`. Each check is one promise. A
failure names the fault in a sentence, and what to do.
"""

from hub.testing.conformance.checks import CHECKS, Check
from hub.testing.conformance.examining import Finding, Verdict, examine
from hub.testing.conformance.pytest_class import Conformance
from hub.testing.conformance.subject import Subject, email

__all__ = ["CHECKS", "Check", "Conformance", "Finding", "Subject", "Verdict", "email", "examine"]
