"""Long lists, lists that change under the cursor, and a hub that cannot be read."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from hub.errors import StoreError
from hub.sync.models import Progress
from hub.sync.states import RunState
from tests.tui.conftest import text_of
from tests.tui.fakes import NOW, FakeCohort, FakeHub, connection, full, rejected, run, sync
from tui.app import HubApp
from tui.cells import Cell, Column, Row
from tui.screens.home import HomeScreen
from tui.screens.run import RunScreen
from tui.screens.sync import SyncScreen
from tui.widgets import pane
from tui.widgets.listing import Listing
from tui.widgets.runs import RunsPane

pytestmark = pytest.mark.usefixtures("at_rest")


def a_thousand_runs() -> list:
    return [run(number) for number in range(1000, 0, -1)]


async def test_a_thousand_runs_are_walked_to_the_last_one(until):
    app = HubApp(FakeHub(runs_known=a_thousand_runs()))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "›  1000" in text_of(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "›     1 " in text_of(pilot))
        await pilot.press("up", "pageup")

        assert "›     1 " not in text_of(pilot)
        await pilot.press("home")
        await until(pilot, lambda: "›  1000" in text_of(pilot))


async def test_new_runs_do_not_move_what_is_looked_at(monkeypatch, until):
    monkeypatch.setattr(pane, "EVERY", 0.05)
    hub = FakeHub(runs_known=a_thousand_runs())
    app = HubApp(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "›  1000" in text_of(pilot))
        await pilot.press(*["pagedown"] * 3, "up")
        listing = app.screen.query_one(RunsPane).listing
        looked_at, before = listing.current, text_of(pilot)

        hub.runs_known = [run(1001), run(1002), *a_thousand_runs()]
        await until(pilot, lambda: listing.rows[0].key == "1001")

        assert listing.current == looked_at
        assert text_of(pilot) == before


async def test_when_the_row_under_the_cursor_goes_the_cursor_stays_in_its_place(monkeypatch, until):
    monkeypatch.setattr(pane, "EVERY", 0.05)
    hub = FakeHub(connections_known=[connection(name, id=n) for n, name in enumerate("abc")])
    app = HubApp(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "› a" in text_of(pilot))
        await pilot.press("down", "down")
        hub.connections_known.pop()
        await until(pilot, lambda: "› b" in text_of(pilot))


async def test_a_new_list_of_ten_thousand_rows_is_taken_without_rendering_them():
    columns = (Column("name", "Name", 10, grow=1),)
    rows = [Row(str(number), {"name": Cell(f"row {number}")}) for number in range(10_000)]
    app = HubApp(FakeHub())
    async with app.run_test(size=(160, 50)) as pilot:
        listing = Listing(columns)
        await app.screen.mount(listing)
        await pilot.pause()
        rendered = []
        line = listing.render_line
        listing.render_line = lambda y: rendered.append(y) or line(y)
        listing.show(rows)
        await pilot.pause()

    assert 0 < len(rendered) <= 4 * 50


async def test_a_slow_hub_leaves_the_keys_alone(until):
    held = threading.Event()

    class Slow(FakeHub):
        def answered(self, known):
            held.wait(20)
            return super().answered(known)

    app = HubApp(Slow(connections_known=[connection()]))
    async with app.run_test(size=(80, 24)) as pilot:
        began = time.monotonic()
        await pilot.press("4", "3", "question_mark")
        assert "Every list keeps itself up to date" in text_of(pilot)
        assert time.monotonic() - began < 10
        await pilot.press("escape", "1")
        assert "Reading…" in text_of(pilot)
        held.set()
        await until(pilot, lambda: "eu-main" in text_of(pilot))


async def test_a_hub_that_cannot_be_read_keeps_what_was_shown_and_says_how_old_it_is(monkeypatch, until):
    monkeypatch.setattr(pane, "EVERY", 0.05)
    hub = full()
    app = HubApp(hub)
    async with app.run_test(size=(160, 50)) as pilot:
        await until(pilot, lambda: "as of 10:05:00 CET" in text_of(pilot))
        hub.away = StoreError("The control plane is locked.")
        await until(pilot, lambda: "0 s old: The control plane is locked." in text_of(pilot))
        assert "us-shop" in text_of(pilot)

        hub.away = None
        await until(pilot, lambda: "as of 10:05:00 CET" in text_of(pilot))


async def test_a_hub_that_cannot_be_read_at_first_says_why_in_full(until):
    app = HubApp(FakeHub(away=StoreError("The control plane is newer than this hub.", hint="Upgrade the hub.")))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "newer than this hub. Upgrade the hub." in text_of(pilot))
        assert "tried again by itself" in text_of(pilot)


@pytest.mark.parametrize(
    ("tab", "way_out"),
    [
        ("1", "Press c to connect one"),
        ("2", "hub cohort add"),
        ("3", "Press s to start a sync"),
        ("4", "press n"),
        ("5", "m mutes"),
        ("6", "a to add"),
    ],
)
async def test_an_empty_list_says_what_to_do_and_offers_no_key_that_needs_a_row(tab, way_out, until):
    app = HubApp(FakeHub())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(tab)
        await until(pilot, lambda: way_out in text_of(pilot))
        footer = text_of(pilot).splitlines()[-1]
        assert "Connect" in footer
        assert not {"Remove", "Count", "Resume", "Open"} & set(footer.split())

        await pilot.press("enter", "d", "k", "n", "x")
        assert isinstance(app.screen, HomeScreen)


@pytest.mark.parametrize("tab", ["1", "2", "3", "4", "5", "6"])
async def test_every_action_of_a_tab_has_its_key_in_the_footer_at_80_columns(tab, until):
    app = HubApp(full())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(tab)
        await until(pilot, lambda: "›" in text_of(pilot))
        footer = text_of(pilot).splitlines()[-1]
        shown = [each.binding for each in app.screen.active_bindings.values() if each.binding.show and each.enabled]
        missing = [binding.description for binding in shown if binding.description not in footer]

    assert set(missing) <= {"palette"}
    assert "Help" in footer


async def test_the_help_screen_has_every_key_that_is_bound(until):
    app = HubApp(full())
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, lambda: "Every list keeps itself up to date" in text_of(pilot))
        said = str(app.screen.query_one("#keys Static").render())

    for word in ("Connect", "Start sync", "Sync now", "Stop run", "Resume", "Check", "Remove", "Quit", "Theme"):
        assert word in said


async def test_the_theme_is_changed_by_key(until):
    app = HubApp(full())
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.current_theme.dark
        await pilot.press("t")
        assert not app.current_theme.dark
        await pilot.press("t")
        assert app.current_theme.dark


async def test_nothing_that_a_partner_says_is_taken_for_markup(until):
    words = "[bold]You[/] sent [/no such tag] [$error]"
    app = HubApp(FakeHub(connections_known=[connection(state="refused", message=words, account="[red]")]))
    async with app.run_test(size=(160, 50)) as pilot:
        await until(pilot, lambda: text_of(pilot).count(words) == 2, "in the list and in the details")


async def test_a_row_leads_to_its_run_and_the_run_to_its_rejected_members(until):
    hub = FakeHub(syncs_known=[sync()], runs_known=[run(41)], rejected_known=[rejected(n) for n in range(450)])
    app = HubApp(hub)
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "winback-eu-main" in text_of(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SyncScreen) and "FNAME=$first_name" in text_of(pilot))
        await until(pilot, lambda: "› " in text_of(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and "(200 of" in text_of(pilot))
        await pilot.press("m")
        await until(pilot, lambda: "(450 of" in text_of(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "person-449" in text_of(pilot))
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, HomeScreen)


async def test_several_runs_go_on_at_once_each_with_its_own_bar(until):
    going = {name: threading.Event() for name in ("first", "second")}

    async def runner(name, report, stop):
        number = 1 if name == "first" else 2
        report(Progress(number, RunState.DELIVERING, 25 * number, 100))
        await asyncio.to_thread(going[name].wait, 20)
        hub.syncs_known = [each for each in hub.syncs_known if each.name != name] + [sync(name, last_run=run(number))]
        return run(number, sync=name)

    hub = FakeHub(syncs_known=[sync("first", last_run=None), sync("second", last_run=None)], runner=runner)
    app = HubApp(hub)
    async with app.run_test(size=(160, 50), notifications=True) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "› first" in text_of(pilot))
        await pilot.press("n", "down", "n")
        await until(pilot, lambda: " 25%" in text_of(pilot) and " 50%" in text_of(pilot))
        await pilot.press("n")
        await until(pilot, lambda: "second is running already" in text_of(pilot))
        for event in going.values():
            event.set()
        await until(pilot, lambda: not app.session.runs)
        await until(pilot, lambda: text_of(pilot).count("Done +1,201") == 2)


async def test_a_thousand_cohorts_are_listed_and_chosen_from(until):
    cohorts = [FakeCohort(n, f"cohort {n:04}", "", 1, n, NOW) for n in range(1000)]
    app = HubApp(FakeHub(cohorts_known=cohorts, connections_known=[connection()]))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: "› cohort 0000" in text_of(pilot))
        await pilot.press("end")
        await until(pilot, lambda: "› cohort 0999" in text_of(pilot))
        await pilot.press("s")
        await until(pilot, lambda: app.screen.query("#cohort") and "cohort 0999" in text_of(pilot))
