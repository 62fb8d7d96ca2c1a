"""Alerts at the screens, by keys alone: a real hub whose sync fails, and a real receiver."""

from __future__ import annotations

import asyncio
import sys

import pytest
from textual.widgets import Input

from hub import PartnerUnavailable
from hub.alerts.targets import WEBHOOK, Target
from tests.alerts.receiver import receiving
from tests.sync.conftest import tiny  # noqa: F401 - a fixture
from tests.sync.tiny import Tiny
from tests.tui.conftest import text_of, typed
from tests.tui.fake_alerts import NOW, alert, channel
from tests.tui.fakes import FakeHub
from tui.alerts import firing
from tui.app import HubApp
from tui.screens.channel import ChannelScreen
from tui.screens.home import HomeScreen
from tui.screens.secret import SecretScreen
from tui.screens.sync import SyncScreen


@pytest.fixture
def receiver(monkeypatch):
    """A receiver on this machine, which the hub may call."""
    monkeypatch.setenv("HUB_ALLOW_PRIVATE", "true")
    with receiving() as listening:
        yield listening


async def _away(verb, members):
    raise PartnerUnavailable("gone")


async def test_who_is_told_is_added_tried_changed_and_removed_by_keys(receiver, tiny, until):  # noqa: F811
    app = HubApp(tiny)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("6")
        await until(pilot, lambda: "Nobody is told when something goes wrong" in text_of(pilot))
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ChannelScreen))
        await typed(pilot, "ops")
        await pilot.press("tab")
        await typed(pilot, "https://me:pw@ops.example/hub")
        await pilot.press("enter")
        await until(pilot, lambda: "holds no user name and no password" in text_of(pilot))
        await typed(pilot, receiver.url)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SecretScreen))
        receiver.secrets = [tiny.alerts.channels.secret("ops")]
        assert receiver.secrets[0] in text_of(pilot)
        await pilot.press("escape")

        await until(pilot, lambda: "› ops" in text_of(pilot) and "nothing sent yet" in text_of(pilot))
        assert receiver.secrets[0] not in text_of(pilot)
        await pilot.press("k")
        await until(pilot, lambda: "ops: it arrived: 200 OK." in text_of(pilot))
        await until(pilot, lambda: "arrived just now" in text_of(pilot))
        receiver.status = 404
        await pilot.press("k")
        await until(pilot, lambda: "it did not" in text_of(pilot) and "failed just now" in text_of(pilot))

        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, ChannelScreen))
        await pilot.press("shift+tab", "enter", "end", "enter")
        await until(pilot, lambda: "With its arguments" in text_of(pilot))
        await pilot.press("tab")
        await typed(pilot, "page")
        await pilot.press("tab")
        await typed(pilot, f"'{sys.executable}' -c 'print(1'")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: tiny.alerts.channels.list()[-1].name == "page")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen) and "› page" in text_of(pilot))
        assert tiny.alerts.channels.get("page").settings["argv"] == [sys.executable, "-c", "print(1"]
        await pilot.press("e")
        await until(pilot, lambda: "Edit page (command)" in text_of(pilot))
        await pilot.press("tab", "tab", "enter", "down", "enter", "ctrl+s")
        await until(pilot, lambda: tiny.alerts.channels.get("page").level == "critical")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
        await pilot.press("d", "y")
        await until(pilot, lambda: [each.name for each in tiny.alerts.channels.list()] == ["ops"])


async def test_what_is_wrong_is_shown_muted_told_of_again_and_leads_to_its_sync(tiny, until):  # noqa: F811
    tiny.alerts.channels.add("ops", Target(WEBHOOK, url="https://ops.example.invalid/hub"))
    Tiny.answer = _away
    await tiny.syncs.run("s")
    app = HubApp(tiny)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "sync failed" in text_of(pilot) and "5 Alerts (1)" in text_of(pilot))
        await until(pilot, lambda: "40 members are owed" in text_of(pilot) and "yes" in text_of(pilot))
        await pilot.press("u")
        await pilot.press("m")
        await until(pilot, lambda: "the sync s" in text_of(pilot))
        await typed(pilot, "0")
        await pilot.press("enter")
        await until(pilot, lambda: "For 0 hours: this has to be a whole number above 0." in text_of(pilot))
        await typed(pilot, "3")
        await pilot.press("tab", "tab")
        await typed(pilot, "migration")
        await pilot.press("enter")
        await until(pilot, lambda: ": migration" in text_of(pilot), "until when, by whom and why")
        assert [each.sync for each in tiny.alerts.mutes()] == ["s"]
        await until(pilot, lambda: "5 Alerts (1)" not in text_of(pilot))
        await pilot.press("u")
        await until(pilot, lambda: not tiny.alerts.mutes() and "s is told of again" in text_of(pilot))

        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SyncScreen))
        await until(pilot, lambda: "no run has ended yet that left nothing owed" in text_of(pilot))
        Tiny.answer = None
        await asyncio.to_thread(lambda: asyncio.run(tiny.syncs.run("s")))
        await until(pilot, lambda: "Fresh: every change up to" in text_of(pilot), "the head keeps up")
        await pilot.press("escape")
        await until(pilot, lambda: "Nothing is wrong" in text_of(pilot))


async def test_two_hundred_alerts_and_channels_are_walked_to_the_last(until):
    known = [alert(n, subject=f"sync-{n:03}", sync=f"sync-{n:03}") for n in range(200)]
    hub = FakeHub(alerts_known=known, channels_known=[channel(f"channel-{n:03}") for n in range(200)])
    app = HubApp(hub)
    async with app.run_test(size=(80, 24)) as pilot:
        for key, last in (("5", "› warning  sync-199"), ("6", "› channel-199")):
            await pilot.press(key)
            await until(pilot, lambda: "›" in text_of(pilot))
            await pilot.press("end")
            await until(pilot, lambda last=last: last in text_of(pilot), last)
        await pilot.press("e")
        await until(pilot, lambda: "Edit channel-199 (webhook)" in text_of(pilot))
        assert app.screen.query_one("#url", Input).value == "https://ops.example/hub"


def test_a_mute_stands_with_what_it_mutes_or_alone():
    from hub.alerts.muting import Mute

    everything, of_s, of_t = (Mute(sync, NOW, "ada", "") for sync in ("", "s", "t"))
    failed, disk = alert(1, sync="s"), alert(2, sync="")

    assert [(each.key, each.mute) for each in firing([failed, disk], [of_s, of_t])] == [
        ("alert sync_failed:1", of_s),
        ("alert sync_failed:2", None),
        ("mute t", of_t),
    ]
    assert [(each.key, each.mute) for each in firing([failed, disk], [everything])] == [
        ("mute ", everything),
        ("alert sync_failed:1", everything),
        ("alert sync_failed:2", everything),
    ]
