"""The conformance suite passes for connectors that keep their promises, and names the fault of those that do not."""

from __future__ import annotations

import dataclasses

import pytest

from hub.testing.conformance import CHECKS, Conformance, Verdict
from hub.testing.conformance.examining import finding, serving
from tests.testing.broken.faults import BROKEN
from tests.testing.broken.whole import WHOLE


class TestWhole(Conformance):
    """A connector with nearly every ability."""

    subject = WHOLE


@pytest.fixture(scope="module")
def partner(tmp_path_factory):
    with serving(WHOLE, tmp_path_factory.mktemp("whole")) as running:
        yield running


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_connector_fails_with_a_message_that_names_its_fault(partner, broken):
    check, words = broken.found_by

    found = finding(CHECKS[check], dataclasses.replace(WHOLE, connector=broken), partner)

    assert found.verdict is Verdict.FAILED
    assert words.lower() in f"{found.message} {found.hint}".lower()
    assert found.hint


def test_every_check_finds_a_broken_connector():
    assert {broken.found_by[0] for broken in BROKEN} == set(CHECKS)
