"""How the screens look: at both sizes, dark and light, full, empty and in error.

After a change that is meant: `pytest tests/tui/test_snapshots.py --snapshot-update`, and look at the difference.
"""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hub.errors import StoreError
from tests.tui.conftest import text_of
from tests.tui.fakes import FakeHub, full
from tui.app import LIGHT, HubApp

pytestmark = pytest.mark.usefixtures("at_rest")


@pytest.fixture
def looks_as_before(snap_compare, size, until):
    """Compare the screen after some keys, once `said` can be read on it, with the picture that is kept."""

    def compare(hub, keys: list[str], said: str, *, theme: str = "") -> bool:
        async def before(pilot: Pilot) -> None:
            pilot.app.theme = theme or pilot.app.theme
            await until(pilot, lambda: "as of" in text_of(pilot) or "cannot be read" in text_of(pilot))
            await until(pilot, lambda: not hub.alerts_known or "5 Alerts (2)" in text_of(pilot))
            for key in keys:
                await pilot.press(key)
            await until(pilot, lambda: said in text_of(pilot), said)
            for field in pilot.app.screen.query(Input):
                field.cursor_blink = False

        app = HubApp(hub)
        app.animation_level = "none"
        return snap_compare(app, terminal_size=size, run_before=before)

    return compare


def test_connections(looks_as_before):
    assert looks_as_before(full(), [], "us-shop")


def test_connections_in_light(looks_as_before):
    assert looks_as_before(full(), ["down"], "API Key Invalid", theme=LIGHT)


def test_cohorts(looks_as_before):
    assert looks_as_before(full(), ["2"], "onboarding")


def test_syncs(looks_as_before):
    assert looks_as_before(full(), ["3"], "missed")


def test_runs(looks_as_before):
    assert looks_as_before(full(), ["4"], "Run 43")


def test_a_run_that_failed(looks_as_before):
    assert looks_as_before(full(), ["4", "down", "enter"], "looks fake")


def test_a_sync(looks_as_before):
    assert looks_as_before(full(), ["3", "end", "enter"], "Run 41")


def test_alerts(looks_as_before):
    assert looks_as_before(full(), ["5", "down", "down"], "migration of the shop")


def test_channels_of_alerts(looks_as_before):
    assert looks_as_before(full(), ["6", "end"], "hub-2", theme=LIGHT)


def test_the_form_that_connects(looks_as_before):
    assert looks_as_before(full(), ["c"], "Status of new contacts")


def test_the_form_that_starts_a_sync(looks_as_before):
    assert looks_as_before(full(), ["2", "s"], "Made of cohort")


def test_nothing_yet(looks_as_before):
    assert looks_as_before(FakeHub(), [], "Press c")


def test_a_hub_that_cannot_be_read(looks_as_before):
    assert looks_as_before(FakeHub(away=StoreError("The control plane cannot be read: disk I/O error.")), [], "disk")


def test_help(looks_as_before):
    assert looks_as_before(full(), ["question_mark"], "Everywhere")


def test_a_question(looks_as_before):
    assert looks_as_before(full(), ["d"], "Remove the connection")
