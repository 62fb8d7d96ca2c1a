"""Partners' requests at the door: proven, kept before they are answered, decoded once, and parked when nobody can."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import typer

from hub.app import Hub
from hub.cli import inbound as commands
from hub.cli.connection_events import check_events
from hub.connectors.plugins import load_plugins
from hub.inbound.requests import State
from hub.lake.tables import EVENTS
from hub.running.metrics import Metrics
from hub.schedule import Agenda
from hub.testing.sandbox import running
from tests.server.conftest import serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
AT = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)


@pytest.fixture
def sender(home, monkeypatch):
    """A sandbox that sends, by its admin endpoints; commands work on the test's home."""
    monkeypatch.setenv("HUB_HOME", str(home))
    with running(load_plugins().sandbox("webhook")(home / "sandbox" / "webhook")) as started:
        yield started.admin


@pytest.fixture
async def crm(hub) -> Hub:
    """A hub with a connection that receives."""
    await hub.connections.add("webhook", "crm", {"inbound_secret": SECRET})
    return hub


def told(kind: str, number: int = 1, **data: object) -> dict:
    """A message event, `number` minutes after AT."""
    given = {"id": f"{kind}-{number}", "email": "ann@example.com", "message_id": "m1", **data}
    return {"type": f"message.{kind}", "timestamp": (AT + timedelta(minutes=number)).isoformat(), "data": given}


def stored(hub: Hub) -> list[tuple[str, str]]:
    """Ids and names of the message events in the lake."""
    with hub.workspace.reading() as reader:
        events = reader.table(EVENTS)
        found = events.filter(events.source == "webhook").select("insert_id", "event")
        return sorted(tuple(row.values()) for batch in reader.batches(found) for row in batch.to_pylist())


async def test_a_killed_server_and_a_killed_decoder_lose_nothing_and_double_nothing(crm, home, sender, monkeypatch):
    events = [told(kind, number) for number in range(20) for kind in ("sent", "opened")]
    with serving(home) as served:
        sent = sender.post("/send/messages", {"url": f"{served.url}/in/crm", "events": events, "times": 2})
        served.process.send_signal(signal.SIGKILL)  # what decodes beside it goes with it

    assert [each["status"] for each in sent["answers"]] == [200] * 80
    assert crm.inbound.list()[0].requests == 80
    with monkeypatch.context() as dying:
        dying.setattr("hub.inbound.log.InboundLog.settle", _die)
        with pytest.raises(KeyboardInterrupt):
            crm.inbound.replay("crm", since=AT)
    assert len(stored(crm)) == 40  # stored, and not settled
    monkeypatch.setattr("hub.inbound.due.LEFT_ALONE", timedelta())
    agenda = Agenda(crm)
    [left] = agenda.due()  # for run-due, or a daemon
    assert await agenda.do(left, threading.Event()) == 0
    assert agenda.due() == []
    again = crm.inbound.replay("crm", since=AT)

    assert again.requests == 80
    assert again.new == 0
    assert sorted(each for each, _ in stored(crm)) == sorted(each["data"]["id"] for each in events)
    assert crm.inbound.list()[0].waiting == 0


def _die(*_: object) -> None:
    raise KeyboardInterrupt


async def test_what_is_not_proven_is_not_kept_but_counted_and_changes_are_seen(crm, sender, in_a_thread, monkeypatch):
    monkeypatch.setattr("hub.inbound.door.LASTS", 0.02)
    monkeypatch.setattr("hub.inbound.door._WATCH_EVERY", 0.02)

    def send(url: str, **how: object) -> int:
        return sender.post("/send/messages", {"url": url, "events": [told("sent")], **how})["answers"][0]["status"]

    token = crm.inbound.address("crm").rpartition("/")[2]
    with in_a_thread(crm) as base:
        url = f"{base}/in/crm"
        assert send(url) == 200
        assert send(f"{url}/{token}") == 200
        assert send(f"{url}/{token}", secrets=[]) == 401  # an address is no proof of a message event
        assert send(url, tamper=True) == send(url, secrets=[OTHER]) == 401
        assert send(url, late_by=310) == send(url, late_by=-310) == 401
        assert send(url, late_by=280) == send(url, late_by=-280) == 200
        assert send(f"{url}/not-the-token") == send(f"{base}/in/crn") == 404
        assert httpx.get(url).status_code == 401
        assert httpx.post(url, content=b"x" * (10 * 1024 * 1024 + 1)).status_code == 413

        await crm.connections.edit("crm", {"inbound_secret": f"{OTHER} {SECRET}"})  # rotation, by another process
        _until(lambda: send(url, secrets=[OTHER]) == 200)
        assert send(url) == 200

        another = crm.projects.add("another")
        other = Hub(type(crm.workspace)(crm.settings, crm.workspace.store, crm.workspace.lake, another))
        await other.connections.add("webhook", "crm", {"inbound_secret": SECRET})
        secret = other.inbound.address("crm")
        _until(lambda: send(url) == 404)  # whose is it?
        assert send(f"{base}{secret}") == 200
        assert send(f"{url}/{token}") == 200
        other.connections.remove("crm")
        _until(lambda: send(url) == 200)

    shown = crm.inbound.source("crm")
    assert sum(shown.not_verified.values()) >= 6
    assert {reason.split(".")[0] for reason in shown.not_verified} >= {
        "Its signature is not that of its body, by any of the secrets",
        "It was signed more than five minutes before or after it came",
        "A message event is signed by Standard Webhooks",
    }
    crm.inbound.catch_up()
    assert len(stored(crm)) == 1  # the other project's is not this one's
    assert all(
        "signature" not in name for kept in crm.inbound.kept("crm", parked=False) for name in kept.request.headers
    )


def _until(done) -> None:
    """Ask again while a server looks at its connections, which takes a second."""
    for _ in range(200):
        if done():
            return
    raise AssertionError("not within a few seconds")


async def test_what_a_connector_cannot_read_is_parked_and_one_that_breaks_loses_nothing(
    crm, sender, in_a_thread, monkeypatch
):
    kind = crm.plugins.connector("webhook")

    def send(*events: dict, **how: object) -> int:
        order = {"url": url, "events": [*events], "together": True, **how}
        return sender.post("/send/messages", order)["answers"][0]["status"]

    with in_a_thread(crm) as base:
        url = f"{base}/in/crm"
        with monkeypatch.context() as broken:
            broken.setattr(kind, "verify", lambda *_: 1 / 0)
            assert send(told("sent")) == 500
        with monkeypatch.context() as broken:
            broken.setattr(kind, "reply", lambda *_: 1 / 0)
            assert send(told("sent"), {"type": "message.teleported", "timestamp": "x", "data": {}}) == 200
        assert send(told("opened")) == 200
    with monkeypatch.context() as broken:
        broken.setattr(kind, "receive", lambda *_: [].pop())
        crm.inbound.decode("crm")
    assert crm.inbound.source("crm").parked == 2
    assert "failed with IndexError" in crm.inbound.kept("crm")[0].reason

    done = crm.inbound.replay("crm")

    assert (done.requests, done.new, done.parked) == (2, 2, 1)
    assert stored(crm) == [("opened-1", "$campaign_open"), ("sent-1", "$campaign_delivery")]
    [parked] = crm.inbound.kept("crm")
    assert parked.state is State.PARKED
    assert parked.parts[0]["payload"]["type"] == "message.teleported"
    [reason] = crm.inbound.source("crm").not_verified
    assert reason.startswith("The connector failed with ZeroDivisionError")
    figures = Metrics(crm, working=lambda: 0, problems=lambda: 0).registry
    of_door = {"project": crm.workspace.project.name, "connection": "crm"}
    assert figures.get_sample_value("cohort_hub_inbound_requests", {**of_door, "state": "parked"}) == 1
    assert figures.get_sample_value("cohort_hub_inbound_requests", {**of_door, "state": "waiting"}) == 0
    assert figures.get_sample_value("cohort_hub_inbound_not_verified_total", of_door) == 1


async def test_kinds_that_are_left_out_are_counted_and_come_in_when_they_are_wanted_after_all(
    crm, sender, in_a_thread, capsys
):
    with in_a_thread(crm) as base:
        crm.inbound.choose_kinds("crm", leave=["opened", "message.clicked"])
        events = [told("sent"), told("opened", 2), told("clicked", 3), told("delivered", 1)]
        sender.post("/send/messages", {"url": f"{base}/in/crm", "events": events})
        crm.inbound.decode("crm")
        assert {event for _, event in stored(crm)} == {"$campaign_delivery", "$campaign_received"}
        assert crm.inbound.source("crm").left_out == {"message.opened": 1, "message.clicked": 1}
        assert [each.step for each in crm.inbound.check_events("crm", since=AT).steps if not each.told] == [
            "opened or clicked"
        ]

        commands.kinds("crm", take=["opened"])
        waiting = crm.inbound.check_events("crm", since=AT, person="Ann@example.com")
        assert waiting.missing == ["opened or clicked"]
        crm.inbound.replay("crm", since=AT)
        assert sum(crm.inbound.source("crm").left_out.values()) == 2  # each was counted when it came
    capsys.readouterr()
    check_events("crm", person="", since="2026-11-20", as_json=False)
    assert "opened or clicked: 2026-11-20 08:02 UTC  $campaign_open" in capsys.readouterr().out
    with pytest.raises(typer.Exit):
        check_events("crm", person="bob@example.com", since="", as_json=False)
    assert "delivered: MISSING" in capsys.readouterr().out
    assert crm.mtu("2026-11").mtu == 1  # who opens counts; nobody else does


async def test_a_campaign_that_is_renamed_has_the_newest_name_whatever_comes_when(
    crm, home, sender, in_a_thread, capsys
):
    def about(name: str, number: int) -> dict:
        return told("sent", number, message_id=f"m{number}", campaign={"id": "c7", "name": name})

    with in_a_thread(crm) as base:
        for event in (about("Spring", 2), about("Summer", 5), about("Draft", 1)):
            sender.post("/send/messages", {"url": f"{base}/in/crm", "events": [event]})
            crm.inbound.decode("crm")

    [campaign] = crm.inbound.campaigns("crm")
    assert campaign.name == "Summer"
    assert campaign.former == (("Spring", AT + timedelta(minutes=5)),)
    commands.list_sources()
    assert "campaign c7: 'Spring' is called 'Summer' since 2026-11-20 08:05 UTC" in capsys.readouterr().out
    profiles = home.parent / "profiles.jsonl"
    profiles.write_text('{"$distinct_id": "ann", "$set": {"$email": "ann@example.com"}}\n')
    crm.profiles.import_file(profiles)
    [moment] = crm.why("ann").timeline
    assert (moment.kind, moment.said) == ("renamed", "the campaign c7 at crm, 'Spring', is called 'Summer'")
    with crm.workspace.reading() as reader:
        told_names = reader.table(EVENTS).strings.get("campaign_name").name("name").as_table()
        names = {row["name"] for batch in reader.batches(told_names) for row in batch.to_pylist()}
    assert names == {"Spring", "Summer", "Draft"}
