"""Acme, as the conformance suite of the hub is told of it."""

from __future__ import annotations

from hub import Member
from hub.testing.conformance import Subject

from .connector import Acme
from .sandbox import AcmeSandbox

ACME = Subject(
    connector=Acme,
    sandbox=AcmeSandbox,
    bad_credentials=[{"api_key": "acme-not-a-key-999"}],
    refused=Member("no-address"),
)
