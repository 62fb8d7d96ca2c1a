"""From what is wrong to what arrives: with a real hub, a real receiver and real commands."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import pytest
from sqlalchemy import select

import hub.alerts.machine
import hub.alerts.sending
from hub import CredentialRefused, MemberRefused, PartnerUnavailable
from hub.alerts.model import CRITICAL, KINDS
from hub.alerts.targets import COMMAND, SLACK, WEBHOOK, Target
from hub.app import Hub
from hub.clock import now
from hub.connectors.plugins import load_from
from hub.errors import AddressRefused, NotFound, UsageError
from hub.store.tables import alert_channels, alert_messages, connections, projects, syncs
from hub.sync.states import RunState
from tests.customers import NAMES, buy
from tests.sync.tiny import Tiny


@pytest.fixture
async def watched(receiver, tiny):
    """The hub of `tiny` whose alerts go to the receiver."""
    receiver.secrets = [tiny.alerts.channels.add("ops", Target(WEBHOOK, url=receiver.url))]
    return tiny


def later(hub, **ago: float) -> None:
    """Let the messages that wait be due now."""
    with hub.workspace.store.writing() as connection:
        connection.execute(alert_messages.update().values(next_at=now() - timedelta(seconds=1)))


async def _away(verb, members):
    raise PartnerUnavailable("p001@shop.example cannot be found here")


async def _no(verb, members):
    raise CredentialRefused("who are you")


async def _refused(verb, members):
    if len(members) == 1:
        raise MemberRefused(f"{members[0].key} looks fake")
    raise MemberRefused("one of them")


async def test_a_sync_that_fails_is_told_once_and_its_recovery_once_by_whoever_looks(watched, receiver):
    Tiny.answer = _away
    await watched.syncs.run("s")
    with ThreadPoolExecutor(4) as several:
        assert sum(map(len, several.map(lambda _: Hub(watched.workspace).alerts.look(), range(8)))) == 1
    await watched.alerts.send()
    await watched.alerts.tend()
    assert receiver.changes == [("sync_failed", "raised", "warning")]

    Tiny.answer = None
    await watched.syncs.run("s")
    await watched.alerts.tend()
    await watched.alerts.tend()
    assert receiver.changes[1:] == [("sync_failed", "recovered", "well")]

    told = receiver.got[0][1]["data"]["alerts"][0]
    assert told["subject"] == "s" and told["figures"]["owed"] == 40 and told["project"] == "default"
    assert "shop.example" not in json.dumps(receiver.got), "no member's address leaves with an alert"
    assert [each.state for each in watched.alerts.log()] == ["sent", "sent"]


async def test_a_message_goes_out_again_until_it_arrives_with_the_same_id_and_those_after_it_wait(watched, receiver):
    receiver.status, receiver.headers = 503, {"Retry-After": "7200"}
    Tiny.answer = _no
    await watched.syncs.run("s")
    [failed] = await watched.alerts.tend()
    assert not failed.arrived and failed.answer.startswith("127.0.0.1 answered 503.")
    assert "/secret/path" not in failed.answer
    assert watched.alerts.log()[0].next_at > now() + timedelta(hours=1.9), "as long as the receiver asked for"
    assert await watched.alerts.send() == [], "its time has not come"

    receiver.status = 200
    later(watched)
    [sent] = await watched.alerts.send()
    assert sent.arrived and receiver.refused == [sent.message_id] == [receiver.got[0][0]]
    assert receiver.changes == [("connection_stopped", "raised", "critical")], "and not the failed run beside it"


async def test_what_nobody_takes_is_given_up_in_the_end(watched, receiver, monkeypatch):
    monkeypatch.setattr(hub.alerts.sending, "DELAYS", (timedelta(0),) * 2)
    receiver.status = 500
    Tiny.answer = _away
    await watched.syncs.run("s")
    watched.alerts.look()
    for _ in range(5):
        await watched.alerts.send()

    [given_up] = watched.alerts.log()
    assert (given_up.state, given_up.tries, given_up.next_at) == ("given up", 3, None)
    assert watched.alerts.channels.get("ops").last_state == "given up"


async def test_a_message_whose_sender_died_goes_out_once_its_claim_is_over(watched, receiver):
    Tiny.answer = _away
    await watched.syncs.run("s")
    watched.alerts.look()
    with watched.workspace.store.writing() as connection:  # another process claimed it, and was killed
        connection.execute(alert_messages.update().values(claimed_until=now() + timedelta(minutes=5)))
    assert await watched.alerts.send() == []
    with watched.workspace.store.writing() as connection:
        connection.execute(alert_messages.update().values(claimed_until=now() - timedelta(seconds=1)))

    assert [each.arrived for each in await watched.alerts.send()] == [True]


async def test_of_several_who_send_at_once_one_sends_a_message(watched, receiver):
    Tiny.answer = _away
    await watched.syncs.run("s")
    watched.alerts.look()

    sent = await asyncio.gather(*(Hub(watched.workspace).alerts.send() for _ in range(4)))

    assert sum(map(len, sent)) == len(receiver.got) == 1


async def test_nobody_is_told_of_what_is_muted_and_of_what_still_lasts_afterwards(watched, receiver):
    watched.alerts.mute("s", now() + timedelta(hours=2), reason="migration")
    Tiny.answer = _away
    await watched.syncs.run("s")
    await watched.alerts.tend()
    [found] = watched.alerts.open()
    assert found.muted and not found.told and receiver.got == []
    assert [each.reason for each in watched.alerts.mutes()] == ["migration"]

    assert watched.alerts.unmute("s") and not watched.alerts.unmute("s")
    await watched.alerts.tend()
    assert receiver.changes == [("sync_failed", "raised", "warning")]

    watched.alerts.mute("", now() + timedelta(hours=2))
    Tiny.answer = None
    await watched.syncs.run("s")
    await watched.alerts.tend()
    assert len(receiver.got) == 1
    with pytest.raises(UsageError, match="passed already"):
        watched.alerts.mute("s", now())
    with pytest.raises(NotFound):
        watched.alerts.mute("t", now() + timedelta(hours=1))


async def test_while_there_is_no_channel_a_change_waits_and_levels_are_heeded_up_and_down(receiver, tiny):
    with tiny.workspace.store.writing() as connection:
        connection.execute(projects.update().values(timezone="Europe/Oslo"))
    Tiny.answer = _away
    await tiny.syncs.run("s")
    tiny.alerts.look()
    receiver.secrets = [tiny.alerts.channels.add("pager", Target(WEBHOOK, url=receiver.url), level=CRITICAL)]
    await tiny.alerts.tend()
    assert receiver.got == [], "a failed run is a warning"

    stale = now() + timedelta(hours=9)
    told = tiny.alerts.look(at=stale)
    assert {(each.kind, each.after) for each in told} == {
        ("sync_not_fresh", "critical"),
        ("ticks_missed", "warning"),
    }
    zone = r"\d{4}-\d\d-\d\d \d\d:\d\d CES?T"  # the project's
    assert all(re.search(zone, each.said) for each in told), told
    Tiny.answer = None
    await tiny.syncs.run("s")
    tiny.alerts.look()
    later(tiny)
    await tiny.alerts.send()
    assert receiver.changes == [("sync_not_fresh", "raised", "critical"), ("sync_not_fresh", "recovered", "well")]


async def test_a_new_secret_signs_beside_the_old_one_for_as_long_as_was_said(watched, receiver):
    [old] = receiver.secrets
    new = watched.alerts.channels.rotate("ops", keep=timedelta(hours=1))
    assert new != old
    for receiver.secrets in ([old], [new]):
        assert (await watched.alerts.test("ops")).arrived

    with watched.workspace.store.writing() as connection:
        row = connection.execute(select(alert_channels)).one()
        assert old.encode() not in row.secrets and new.encode() not in row.secrets
        over = {**row.settings, "old_until": now().isoformat()}
        connection.execute(alert_channels.update().values(settings=over))
    receiver.secrets = [old]
    refused = await watched.alerts.test("ops")
    assert not refused.arrived and "401" in refused.answer
    receiver.secrets = [new]
    assert (await watched.alerts.test("ops")).arrived
    assert receiver.got[-1][1]["data"] == {
        "host": receiver.got[-1][1]["data"]["host"], "test": True, "alerts": [], "left_out": 0
    }  # fmt: skip


async def test_an_address_within_the_hubs_own_network_is_refused_at_once_and_when_it_is_sent_to(tiny):
    channels = tiny.alerts.channels
    for target in (Target(WEBHOOK, url="http://127.0.0.1:9/x"), Target(SLACK, url="https://localhost/secret")):
        with pytest.raises(AddressRefused, match="not on the public internet") as refused:
            channels.add("inside", target)
        assert "HUB_ALLOW_PRIVATE" in refused.value.hint and "secret" not in refused.value.message
    channels.add("ops", Target(WEBHOOK, url="https://no-such-host.invalid/x"))
    with pytest.raises(AddressRefused):
        channels.edit("ops", target=Target(WEBHOOK, url="http://[::1]/x"))
    assert [each.shown for each in channels.list()] == ["https://no-such-host.invalid/x"]

    with tiny.workspace.store.writing() as connection:  # the name leads elsewhere today
        connection.execute(alert_channels.update().values(settings={"url": "http://127.0.0.1:9/x"}))
    tried = await tiny.alerts.test("ops")
    assert not tried.arrived and "not on the public internet" in tried.answer


async def test_a_chat_gets_sentences_and_its_address_is_a_secret(receiver, tiny):
    tiny.alerts.channels.add("chat", Target(SLACK, url=receiver.url))
    with tiny.workspace.store.writing() as connection:
        connection.execute(syncs.update().values(name="<s> & co"))
    Tiny.answer = _away
    await tiny.syncs.run("<s> & co")
    await tiny.alerts.tend()

    [(_, body)] = receiver.got
    assert body["text"].startswith(
        ":warning: Warning [default]: Run 1 of the sync &lt;s&gt; &amp; co failed. 40 members"
    )
    receiver.status = 404
    assert "/secret/path" not in (await tiny.alerts.test("chat")).answer
    [shown] = tiny.alerts.channels.list()
    assert "/secret/path" not in json.dumps([shown.figures(), dict(shown.settings)])


async def test_a_command_gets_the_same_on_its_standard_input_without_a_shell_and_without_secrets(
    tiny, tmp_path, monkeypatch
):
    monkeypatch.setenv("HUB_KEY_OF_SOMETHING", "a secret")
    out = tmp_path / "out; touch oops"
    script = (
        "import os, sys; open(sys.argv[1], 'w').write(sys.stdin.read() + str([n for n in os.environ if 'HUB' in n]))"
    )
    tiny.alerts.channels.add("page", Target(COMMAND, argv=(sys.executable, "-c", script, str(out))))
    assert (await tiny.alerts.test("page")).arrived
    assert out.read_text().endswith("}[]") and json.loads(out.read_text()[:-2])["data"]["test"]

    for name, argv, said in (
        ("loud", (sys.executable, "-c", "import sys; sys.exit('no pager')"), "ended with 1: no pager"),
        ("slow", (sys.executable, "-c", "import time; time.sleep(60)"), "took longer than 1 s"),
    ):
        tiny.alerts.channels.add(name, Target(COMMAND, argv=argv, timeout=timedelta(seconds=1)))
        failed = await tiny.alerts.test(name)
        assert not failed.arrived and said in failed.answer

    monkeypatch.setattr("hub.alerts.service.this_host", lambda: "elsewhere")
    monkeypatch.setattr("hub.alerts.sending.this_host", lambda: "elsewhere")
    with pytest.raises(UsageError, match="command of the machine"):
        await tiny.alerts.test("page")
    Tiny.answer = _away
    await tiny.syncs.run("s")
    assert await tiny.alerts.tend() == [], "a command runs only where somebody set it"


def test_what_cannot_be_a_channel_is_refused(hub):
    for target, options in (
        (Target(WEBHOOK, url="ftp://x"), {}),
        (Target(WEBHOOK, url="https://me:pw@x/"), {}),
        (Target(WEBHOOK, url="https://x:99999/"), {}),
        (Target(WEBHOOK, url="https://x/"), {"level": "loud"}),
        (Target(WEBHOOK, url="https://x/"), {"secret": "short"}),
        (Target(SLACK, url="https://x/"), {"secret": "whsec_" + "A" * 40}),
        (Target(COMMAND, argv=("/no/such/command",)), {}),
        (Target(COMMAND), {}),
    ):
        with pytest.raises(UsageError):
            hub.alerts.channels.add("x", target, **options)
    assert hub.alerts.channels.list() == []
    hub.alerts.channels.add("x", Target(SLACK, url="https://x/"))
    with pytest.raises(UsageError, match="already"):
        hub.alerts.channels.add("x", Target(SLACK, url="https://x/"))
    with pytest.raises(UsageError, match="not signed"):
        hub.alerts.channels.rotate("x")
    hub.alerts.channels.remove("x")
    with pytest.raises(NotFound):
        hub.alerts.channels.get("x")


async def test_each_kind_is_raised_by_what_it_is_about_and_goes_with_it(watched, receiver, tmp_path, monkeypatch):
    hub_ = watched
    Tiny.answer = _refused
    await hub_.syncs.run("s")
    hub_.alerts.look()
    assert raised(hub_) == {"sync_parked"}

    buy(hub_, tmp_path, [*NAMES], event="Returned", times=1)
    Tiny.answer = None
    hub_.syncs.start("loyal", "t", every=timedelta(hours=2), audience="B", name="other")
    with hub_.workspace.store.writing() as connection:
        connection.execute(syncs.update().where(syncs.c.name == "other").values(mapping={"x": "y"}))
    monkeypatch.setattr("hub.sync.preparing.evaluate", _broken)
    await hub_.syncs.run("other")
    monkeypatch.setattr(hub.alerts.machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    hub_.alerts._plugins = load_from([EntryPoint("bad", "no.such.module", "hub.plugins")])
    hub_.alerts.look()
    assert raised(hub_) == {"sync_parked", "cohort_failed", "disk_nearly_full", "plugin_broken"}

    monkeypatch.setattr(hub.alerts.machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**8))
    hub_.alerts._plugins = hub_.plugins
    with hub_.workspace.store.writing() as connection:
        connection.execute(connections.update().values(state="wrong"))
    hub_.alerts.look()
    assert raised(hub_) == {"sync_parked", "disk_nearly_full", "connection_stopped"}
    assert next(each for each in hub_.alerts.open() if each.kind == "disk_nearly_full").level == CRITICAL
    await hub_.alerts.send()
    assert {kind for kind, _, _ in receiver.changes} <= {*KINDS}


async def test_a_held_run_is_told_and_what_another_machine_sees_is_left_to_it(watched, tmp_path, monkeypatch):
    await watched.syncs.run("s")
    buy(watched, tmp_path, NAMES[:30], event="Returned", times=1)
    run = await watched.syncs.run("s")
    assert run.state is RunState.HELD
    monkeypatch.setattr(hub.alerts.machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    watched.alerts.look()
    assert raised(watched) == {"sync_held", "disk_nearly_full"}

    monkeypatch.setattr(hub.alerts.machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    monkeypatch.setattr("hub.alerts.looking.this_host", lambda: "another")
    await watched.syncs.refuse(run.id)
    watched.alerts.look()
    assert raised(watched) == {"disk_nearly_full"}


def raised(hub_) -> set[str]:
    return {each.kind for each in hub_.alerts.open()}


def _broken(*_, **__):
    raise UsageError("The cohort rests on one that is gone.")
