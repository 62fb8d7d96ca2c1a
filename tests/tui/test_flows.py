"""What people do at the screens, by keys alone: a real hub, a real connector, a real server."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from textual.widgets import Input, Select, TextArea

from tests.customers import LOYAL, NAMES, buy, describe, in_cohort, know, tagged
from tests.tui.conftest import text_of, typed
from tui.app import HubApp
from tui.screens.confirm import ConfirmScreen
from tui.screens.connect import ConnectScreen
from tui.screens.home import HomeScreen
from tui.screens.leave import LeaveScreen
from tui.screens.run import RunScreen
from tui.screens.start import StartScreen
from tui.screens.trial import TrialScreen

WRONG_KEY = "00000000000000000000000000000000-us6"


@pytest.fixture
def stocked(hub, partner, tmp_path):
    """A hub with a cohort of forty whom the partner knows, and no connection yet."""
    buy(hub, tmp_path, NAMES)
    describe(hub, tmp_path, NAMES, plan="pro")
    hub.cohorts.add("loyal", LOYAL)
    know(partner, NAMES)
    return hub


@pytest.fixture
async def connected(stocked, partner):
    """The same, connected as `news`."""
    await stocked.connections.add("mailchimp", "news", partner.settings)
    return stocked


@pytest.fixture
def slow(monkeypatch, partner):
    """Batches of five, one at a time, each answered after a while."""
    from hub.connectors.plugins import load_plugins

    mailchimp = load_plugins().connector("mailchimp")
    monkeypatch.setattr(mailchimp, "limits", replace(mailchimp.limits, batch_size=5, concurrency=1))
    partner.admin.fault(kind="latency", method="POST", regex="segments", seconds=0.3, count=None)


def focused_field(app) -> str:
    """The id of the field that has the focus, or of the setting that it belongs to."""
    widget = app.screen.focused
    return next((node.id for node in widget.ancestors_with_self if node.id), "")


async def tab_to(pilot, field: str) -> None:
    """Go on from field to field, up to that one."""
    for _ in range(20):
        if focused_field(pilot.app) == field:
            return
        await pilot.press("tab")
    raise AssertionError(f"no field {field}")


async def choose_mailchimp(pilot, until) -> None:
    """Choose Mailchimp by typing its first letters, and go on to the name."""
    app = pilot.app
    await until(pilot, lambda: focused_field(app) == "connector")
    await pilot.press("enter", *"mail", "enter")
    await until(pilot, lambda: app.screen.query("#setting-api_key") and app.screen.query("#setting-base_url"))
    await pilot.press("tab")
    await until(pilot, lambda: focused_field(app) == "name")


async def test_a_wrong_key_then_the_right_one_connects_by_keys_alone(stocked, partner, size, until):
    app = HubApp(stocked)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "No partner is connected yet" in text_of(pilot))
        await pilot.press("c")
        await choose_mailchimp(pilot, until)

        # name, key, past audience and the choices to the address
        await typed(pilot, "news")
        await pilot.press("tab")
        await typed(pilot, WRONG_KEY)
        await tab_to(pilot, "setting-base_url")
        await typed(pilot, partner.settings["base_url"])
        await pilot.press("enter")
        await until(pilot, lambda: "API Key Invalid" in text_of(pilot))

        # what was typed is still there, the key is not to be read, and the cursor stands in it
        assert stocked.connections.list() == []
        assert focused_field(app) == "setting-api_key"
        assert app.screen.query_one("#name", Input).value == "news"
        assert WRONG_KEY not in text_of(pilot)

        await typed(pilot, partner.settings["api_key"])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await until(pilot, lambda: "Connected" in text_of(pilot), "the connection in the list")

    assert [(each.name, each.state) for each in stocked.connections.list()] == [("news", "connected")]


async def test_a_sync_is_started_and_watched_to_its_end_by_keys_alone(connected, partner, size, until):
    app = HubApp(connected)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "news" in text_of(pilot))
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, StartScreen) and focused_field(app) == "often")
        assert app.screen.query_one("#cohort", Select).value == "loyal"
        assert (app.screen.query_one("#count", Input).value, app.screen.query_one("#unit", Select).value) == (
            "2",
            "hours",
        )
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TrialScreen) and "40 by $email" in text_of(pilot))
        await pilot.press("y")
        await until(pilot, lambda: "never ran" in text_of(pilot), "the sync in the list")

        await pilot.press("n")
        await until(pilot, lambda: "Done +40" in text_of(pilot), "the run's result in the list")
        await pilot.press("4")
        await until(pilot, lambda: "100%" in text_of(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and "40 people qualified" in text_of(pilot))
        assert "40 added, 0 updated, 0 removed" in text_of(pilot)
        assert "Nobody was rejected" in text_of(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))

    assert tagged(partner) == in_cohort(connected)


async def test_a_run_shows_its_progress_while_the_screen_stays_at_hand(connected, slow, until):
    connected.syncs.start("loyal", "news", every=None)
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "loyal-news" in text_of(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "Delivering ━" in text_of(pilot), "a bar that moves")

        # keys are answered meanwhile
        await pilot.press("4")
        await until(pilot, lambda: "Delivering" in text_of(pilot), "the run in the list of runs")
        await pilot.press("3")
        await until(pilot, lambda: "Done +40" in text_of(pilot))


async def test_quitting_during_a_run_asks_saves_and_leaves_the_run_resumable(connected, partner, slow, until):
    connected.syncs.start("loyal", "news", every=None)
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "loyal-news" in text_of(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "Delivering ━" in text_of(pilot))
        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Quit while 1 run is under way?" in text_of(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        assert app.session.runs

        await pilot.press("q")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, LeaveScreen) or not app.is_running)
        await until(pilot, lambda: not app.session.runs)

    left = connected.syncs.runs()[0]
    assert not left.finished
    assert 0 < left.batches_done < left.batches
    partner.admin.clear_faults()
    assert (await connected.syncs.run("loyal-news")).id == left.id
    assert tagged(partner) == in_cohort(connected)


async def test_a_run_is_stopped_by_key_and_gone_on_with(connected, slow, until):
    connected.syncs.start("loyal", "news", every=None)
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "loyal-news" in text_of(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "Delivering ━" in text_of(pilot))
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: not app.session.runs)
        assert not connected.syncs.runs()[0].finished

        await pilot.press("n")
        await until(pilot, lambda: "Done +40" in text_of(pilot))

    assert connected.syncs.runs()[0].resumed == 1


async def test_a_partner_that_does_not_answer_can_be_left_with_escape(stocked, partner, monkeypatch, until):
    monkeypatch.setenv("HUB_MAILCHIMP_BASE_URL", partner.settings["base_url"])
    monkeypatch.setenv("HUB_MAILCHIMP_API_KEY", partner.settings["api_key"])
    partner.admin.fault(kind="latency", seconds=15, count=None)
    app = HubApp(stocked)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await choose_mailchimp(pilot, until)
        assert "Given by HUB_MAILCHIMP_API_KEY" in text_of(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Asking Mailchimp" in text_of(pilot))
        asked = asyncio.get_running_loop().time()
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        assert asyncio.get_running_loop().time() - asked < 12
        partner.admin.clear_faults()

    assert stocked.connections.list() == []


async def test_the_audiences_of_the_account_are_offered_and_the_only_one_is_chosen(
    stocked, partner, monkeypatch, until
):
    monkeypatch.setenv("HUB_MAILCHIMP_BASE_URL", partner.settings["base_url"])
    app = HubApp(stocked)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("c")
        await choose_mailchimp(pilot, until)

        # without a key it cannot be asked; with one it is, as soon as the field is reached
        await pilot.press("tab", "tab")
        await until(pilot, lambda: "What there is to choose is asked once" in text_of(pilot))
        await pilot.press("shift+tab")
        await typed(pilot, partner.settings["api_key"])
        await pilot.press("tab")
        audience = app.screen.query_one("#setting-audience Select", Select)
        await until(pilot, lambda: not audience.is_blank())

        assert audience.value == "a6b5da1054"


async def test_a_renewed_key_mends_a_connection_that_was_refused(connected, partner, until):
    partner.admin.fault(kind="status", status=401, count=1)
    await connected.connections.check("news")
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Refused" in text_of(pilot))
        await pilot.press("e")
        await until(pilot, lambda: isinstance(app.screen, ConnectScreen) and focused_field(app) == "setting-api_key")
        await typed(pilot, partner.settings["api_key"])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen) and "Connected" in text_of(pilot))

    assert connected.connections.get("news").state == "connected"


async def test_a_check_tells_that_the_partner_is_away_and_later_that_it_is_back(connected, partner, until):
    partner.admin.fault(kind="status", status=500, count=None)
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "Connected" in text_of(pilot))
        await pilot.press("k")
        await until(pilot, lambda: connected.connections.get("news").state == "unreachable")
        await until(pilot, lambda: "Unreachable" in text_of(pilot))
        partner.admin.clear_faults()
        await pilot.press("k")
        await until(pilot, lambda: connected.connections.get("news").state == "connected")
        await until(pilot, lambda: "Unreachable  " not in text_of(pilot))


async def test_a_connection_is_removed_only_after_a_yes(connected, until):
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "news" in text_of(pilot))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("enter")  # the focus is on no
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        assert len(connected.connections.list()) == 1

        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: "No partner is connected yet" in text_of(pilot))

    assert connected.connections.list() == []


async def test_a_cohort_stays_while_its_sync_is_active_and_both_are_removed_by_keys(connected, until):
    connected.syncs.start("loyal", "news", every=None)
    app = HubApp(connected)

    async def remove(pilot, tab: str, question: str) -> None:
        await pilot.press(tab)
        await until(pilot, lambda: app.screen.pane.current is not None)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen) and question in text_of(pilot))
        await pilot.press("y")

    async with app.run_test(size=(80, 24)) as pilot:
        await remove(pilot, "2", "Its syncs that are over go with it")
        await until(pilot, lambda: any("used by the sync" in told.message for told in app._notifications))
        await remove(pilot, "3", "0 people stay in 'hub: loyal'")
        await until(pilot, lambda: "Nothing is synced yet" in text_of(pilot))
        await remove(pilot, "2", "Its syncs that are over go with it")
        await until(pilot, lambda: "There are no cohorts yet" in text_of(pilot))

    assert (connected.syncs.list(), connected.cohorts.list()) == ([], [])


async def test_a_sync_takes_its_interval_audience_and_properties_from_the_form(connected, until):
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, StartScreen) and focused_field(app) == "often")
        await pilot.press("tab")
        await typed(pilot, "0")
        await pilot.press("enter")
        await until(pilot, lambda: "whole number above 0" in text_of(pilot))
        await typed(pilot, "30")
        await pilot.press("tab", "enter", "up", "enter", "tab")
        await typed(pilot, "the loyal")
        await pilot.press("tab", "tab")
        assert isinstance(app.screen.focused, TextArea)
        await pilot.press(*"FNAME=plan|lower")
        await pilot.press("tab", *"FNAME=clear")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TrialScreen))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, StartScreen))
        assert connected.syncs.list() == []
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, TrialScreen))
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))

    started = connected.syncs.list()[0]
    assert (started.every.total_seconds(), started.audience, dict(started.mapping)) == (
        1800,
        "the loyal",
        {"FNAME": {"value": "plan|lower", "missing": "clear"}},
    )


async def test_a_sync_is_taken_off_the_schedule_and_put_back(connected, until):
    connected.syncs.start("loyal", "news", every=None)
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "due now" in text_of(pilot))
        await pilot.press("x")
        await until(pilot, lambda: connected.syncs.get("loyal-news").state == "stopped")
        await until(pilot, lambda: "Stopped by hand" in text_of(pilot))
        await pilot.press("r")
        await until(pilot, lambda: "due now" in text_of(pilot))

    assert connected.syncs.get("loyal-news").state == "active"


async def test_a_run_of_somebody_else_is_seen_too(connected, slow, until):
    connected.syncs.start("loyal", "news", every=None)
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, connected.syncs.run("loyal-news")))
        await until(pilot, lambda: "Delivering" in text_of(pilot) and "%" in text_of(pilot))
        assert not app.session.runs
        await until(pilot, lambda: "Done" in text_of(pilot))
        await elsewhere


async def test_a_cohort_is_counted_by_key(stocked, until):
    app = HubApp(stocked)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "not yet" in text_of(pilot))
        await pilot.press("k")
        await until(pilot, lambda: "40 people at" in text_of(pilot))

    assert stocked.cohorts.get("loyal").size == 40


async def test_a_signal_stops_the_runs_politely_and_is_the_exit_code(connected, slow, until):
    connected.syncs.start("loyal", "news", every=None)
    app = HubApp(connected)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "loyal-news" in text_of(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "Delivering ━" in text_of(pilot))
        app._ended_by(15)
        await until(pilot, lambda: not app.session.runs)

    assert app.return_code == 143
    assert not connected.syncs.runs()[0].finished
